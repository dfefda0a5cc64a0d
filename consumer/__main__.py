"""`python -m consumer hardware`: the consumer as a process."""

from __future__ import annotations

import argparse
import gc
import os
import sys
import threading
from collections.abc import Sequence

from fleetpulse import logs
from fleetpulse.errors import FleetpulseError, SettingsError
from fleetpulse.lifetime import ToldToStop, on_stop_signal
from fleetpulse.settings import ConsumerSettings, load


def main(argv: Sequence[str] | None = None) -> int:
    """Score and store readings until told to stop; the exit code."""
    parser = argparse.ArgumentParser(
        prog="fleetpulse consume", description="Score readings from Kafka and store them."
    )
    parser.add_argument(
        "pipeline", choices=["hardware"], nargs="?", default="hardware", help="what is read"
    )
    parser.add_argument("--group", help="consumer group (FLEETPULSE_GROUP)")
    parser.add_argument("--topics", help="topics to read (FLEETPULSE_TOPICS)")
    arguments = parser.parse_args(argv)
    try:
        settings = load(ConsumerSettings, group=arguments.group, topics=arguments.topics)
        logs.configure("consumer", settings)
        _run(settings)
    except SettingsError as problem:
        sys.stderr.write(f"fleetpulse consume: {problem}\n")
        return 2
    except ToldToStop:
        return 0
    except FleetpulseError as problem:
        sys.stderr.write(f"fleetpulse consume: {problem}\n")
        return 1
    return 0


def _run(settings: ConsumerSettings) -> None:
    # One thread scores a batch fastest; set before the numeric libraries are loaded.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    from consumer.start import consume

    # A batch makes hundreds of thousands of objects that live shortly and form no cycles; to look
    # for cycles after every 700 of them costs a tenth of the readings per second.
    gc.set_threshold(200_000, 50, 100)
    stop = threading.Event()
    on_stop_signal(stop.set)
    consume(settings, stop)


if __name__ == "__main__":
    sys.exit(main())
