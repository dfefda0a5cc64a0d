"""`python -m consumer hardware`: the consumer as a process."""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
import threading
from collections.abc import Sequence

from fleetpulse.errors import FleetpulseError, SettingsError

DEAD_LETTER_HOURS = 365 * 24  # somebody must find the time to look at them


def main(argv: Sequence[str] | None = None) -> int:
    """Score and store readings until told to stop; the exit code."""
    parser = argparse.ArgumentParser(
        prog="fleetpulse consume", description="Score readings from Kafka and store them."
    )
    parser.add_argument("pipeline", choices=["hardware"], help="what is read")
    parser.add_argument("--group", help="consumer group (FLEETPULSE_GROUP)")
    parser.add_argument("--topics", help="topics to read (FLEETPULSE_TOPICS)")
    arguments = parser.parse_args(argv)
    try:
        return _run(arguments.group, arguments.topics)
    except SettingsError as problem:
        sys.stderr.write(f"fleetpulse consume: {problem}\n")
        return 2
    except FleetpulseError as problem:
        sys.stderr.write(f"fleetpulse consume: {problem}\n")
        return 1


def _run(group: str | None, topics: str | None) -> int:
    # One thread scores a batch fastest; set before the numeric libraries are loaded.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    from consumer.app import Hardware, Membership
    from consumer.model_watch import follow
    from fleetpulse import logs
    from fleetpulse.clock import SystemClock
    from fleetpulse.health import Health
    from fleetpulse.kafka import (
        ALERTS_TOPIC,
        DEAD_LETTER_TOPIC,
        client_config,
        ensure_topics,
    )
    from fleetpulse.metrics import ConsumerMetrics, new_registry
    from fleetpulse.notices import Notices
    from fleetpulse.ops import ops_server
    from fleetpulse.settings import ConsumerSettings, load
    from fleetpulse.stores import open_store

    settings = load(ConsumerSettings, group=group, topics=topics)
    logs.configure("consumer", settings)
    # A batch makes hundreds of thousands of objects that live shortly and form no cycles; to look
    # for cycles after every 700 of them costs a tenth of the readings per second.
    gc.set_threshold(200_000, 50, 100)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    health, clock = Health(), SystemClock()
    registry = new_registry("consumer", health)
    metrics = ConsumerMetrics(registry)
    store = open_store(settings.store_url, aws=settings.aws, retention=settings.retention)
    try:
        kafka = client_config(settings)
        with ops_server(settings.ops_host, settings.ops_port, health, registry):
            for topic, log_hours in (
                (ALERTS_TOPIC, settings.log_hours),
                (DEAD_LETTER_TOPIC, DEAD_LETTER_HOURS),
            ):
                ensure_topics(kafka, [topic], partitions=settings.partitions, log_hours=log_hours)
            Hardware(
                kafka=kafka,
                membership=Membership(
                    topics=settings.topics,
                    group=settings.group,
                    instance=settings.instance,
                    batch_rows=settings.batch_rows,
                    batch_ms=settings.batch_ms,
                ),
                store=store,
                retention=settings.retention,
                predictor=follow(
                    settings.models,
                    aws=settings.aws,
                    kept=settings.data / "models",
                    health=health,
                    notices=Notices(store, clock),
                    clock=clock,
                    stop=stop,
                ),
                health=health,
                metrics=metrics,
                clock=clock,
            ).run(stop)
    finally:
        store.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
