"""`python -m fleetpulse.actions`: the notifier as a process."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

from fleetpulse import logs
from fleetpulse.actions import service
from fleetpulse.actions.app import KIND, Notifying
from fleetpulse.actions.channels import Channel, channels_of, secrets_within
from fleetpulse.actions.trials import problem_of
from fleetpulse.clock import Clock, SystemClock
from fleetpulse.delivery.charts import example_chart
from fleetpulse.delivery.messages import example_post
from fleetpulse.errors import FleetpulseError, SettingsError
from fleetpulse.health import Health
from fleetpulse.lifetime import ToldToStop, on_stop_signal, when_there
from fleetpulse.metrics import DeliveryMetrics, new_registry
from fleetpulse.ops import ops_server
from fleetpulse.settings import NotifySettings, load
from fleetpulse.stores import open_store
from fleetpulse.watch import Watch

PROGRAM = "fleetpulse notify"


def main(argv: Sequence[str] | None = None) -> int:
    """Warn until told to stop, or send a test; the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        settings, clock = load(NotifySettings), SystemClock()
        channels = channels_of(settings, clock)
        if not channels:
            raise SettingsError(
                "There is no channel: set FLEETPULSE_NOTIFY to NAME=URL, as docs/notify.md shows."
            )
        logs.configure(KIND, settings, secrets=secrets_within(settings))
        service.silence()
        if arguments.test is not None:
            return try_out(_chosen(channels, arguments.test), clock)
        _run(settings, channels, clock)
    except SettingsError as problem:
        sys.stderr.write(f"{PROGRAM}: {problem}\n")
        return 2
    except ToldToStop:
        return 0
    except FleetpulseError as problem:
        sys.stderr.write(f"{PROGRAM}: {problem}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Warn through the channels of FLEETPULSE_NOTIFY before a device gets into"
        " trouble.",
    )
    parser.add_argument(
        "--test",
        nargs="*",
        metavar="NAME",
        help="send a message through each channel, or those that are named, and end",
    )
    return parser


def _run(settings: NotifySettings, channels: Mapping[str, Channel], clock: Clock) -> None:
    health, stop = Health(), threading.Event()
    on_stop_signal(stop.set)
    registry = new_registry(KIND, health)
    with (
        ops_server(settings.ops_host, settings.ops_port, health, registry),
        closing(
            when_there(
                lambda: open_store(
                    settings.store_url, aws=settings.aws, retention=settings.retention
                ),
                part="store",
                health=health,
                clock=clock,
                stop=stop,
            )
        ) as store,
    ):
        notifying = Notifying(
            channels,
            store=store,
            clock=clock,
            health=health,
            metrics=DeliveryMetrics(registry),
            watch=Watch(KIND, store, clock),
        )
        notifying.serve(stop)


def _chosen(channels: Mapping[str, Channel], names: Sequence[str]) -> Mapping[str, Channel]:
    """The named channels; all without a name. Raises SettingsError."""
    unknown = [name for name in names if name not in channels]
    if unknown:
        raise SettingsError(
            f"There is no channel called {', '.join(unknown)}; FLEETPULSE_NOTIFY has"
            f" {', '.join(channels)}."
        )
    return {name: channels[name] for name in names or channels}


def try_out(channels: Mapping[str, Channel], clock: Clock) -> int:
    """Send what a warning looks like through each channel, a line for each; the exit code."""
    post = replace(example_post("channel", clock.now_ms()), photo=example_chart())

    def outcome(name: str) -> str | None:
        return problem_of(name, channels[name], post, clock)

    with ThreadPoolExecutor(len(channels)) as workers:
        problems = dict(zip(channels, workers.map(outcome, channels), strict=True))
    for name, problem in problems.items():
        sys.stdout.write(f"{name}: sent\n" if problem is None else f"{name}: {problem}\n")
    return 1 if any(problems.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
