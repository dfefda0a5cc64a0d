"""`fleetpulse agent replay FILE`: recorded readings go in, the same on a Kafka topic come out.

At the pace of the recording, N times as fast, or as fast as the consumer follows. Its times are
moved so that no reading lies in the future: the recording begins now, or, when it is replayed
faster than it was made, so long ago that it has just caught up when it ends.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec
from confluent_kafka import KafkaException, Producer

from fleetpulse import kafka, wire
from fleetpulse.clock import Clock, SystemClock
from fleetpulse.errors import BrokerError, StartError
from fleetpulse.lifetime import on_stop_signal
from fleetpulse.schemas import record_headers
from fleetpulse.settings import AgentSettings, ConsumerSettings, load
from fleetpulse.telemetry import Reading
from generators.outlet import ANSWER_S, GroupLag, Outlet
from generators.recordings import Recording

MOST_BEHIND = 5_000  # of the records that the embedded broker keeps: 25,000 a partition
FINISH_S = 300.0
STOP_S = 3.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `fleetpulse agent replay`."""
    parser.add_argument(
        "file",
        type=Path,
        help="CSV with device_id, measured_at or t_s, and channels; or JSON lines",
    )
    parser.add_argument(
        "--speed",
        type=_speed,
        default=1.0,
        metavar="N|max",
        help="N times as fast as it was recorded, or as fast as the consumer follows (1)",
    )
    parser.add_argument(
        "--kind", type=_identifier, help="of every device (the file's own, or raspberry)"
    )
    parser.add_argument("--device-id", type=_identifier, help="for a file of one device")
    parser.add_argument(
        "--start",
        choices=("now", "recorded"),
        default="now",
        help="move the recorded times up to the present, or keep them (now)",
    )
    parser.add_argument("--group", help="consumer group to wait for (FLEETPULSE_GROUP)")
    parser.add_argument(
        "--hold-at",
        type=_count,
        default=MOST_BEHIND,
        metavar="RECORDS",
        help=f"wait while the consumer is further behind; 0: never wait ({MOST_BEHIND})",
    )


def _speed(text: str) -> float:
    if text == "max":
        return math.inf
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not 0 < speed < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number above 0 nor max")
    return speed


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of records")
    return int(text)


def _identifier(text: str) -> str:
    if not wire.is_identifier(text):
        raise argparse.ArgumentTypeError(f"{text!r} must be 1 to 64 of A-Z a-z 0-9 . _ -")
    return text


def main(arguments: argparse.Namespace, settings: AgentSettings) -> int:
    """Replay the file until its end or a signal; the exit code. Raises FleetpulseError."""
    if importlib.util.find_spec("rich") is None:
        raise StartError(
            "A replay shows with rich how far it is, which an agent does without; run:"
            " pip install rich"
        )
    stop = threading.Event()
    on_stop_signal(stop.set)
    recording = Recording(arguments.file, device_id=arguments.device_id, kind=arguments.kind)
    with closing(recording):
        keeps_times = arguments.start == "recorded"
        if keeps_times and not recording.dated:
            raise StartError(
                f"{recording.path} has t_s, seconds since its begin, and no dates;"
                " replay it with --start now."
            )
        outlet = _publish(recording, arguments, settings, keeps_times, stop)
        told = summary(recording, outlet.acknowledged, outlet.topics, stopped=stop.is_set())
        sys.stdout.write(told)
    return 0


def _publish(
    recording: Recording,
    arguments: argparse.Namespace,
    settings: AgentSettings,
    keeps_times: bool,
    stop: threading.Event,
) -> Outlet:
    """Publish the readings; the outlet knows how many went where."""
    from rich.console import Console  # here: the other agents do without
    from rich.progress import Progress

    clock = SystemClock()
    console = Console(stderr=True)
    with (
        record_headers(settings) as headers,
        closing(_lag(settings, arguments)) as lag,
        Progress(console=console) as progress,
    ):
        outlet = Outlet(
            _producer(settings),
            lag if arguments.hold_at else None,
            most_behind=arguments.hold_at,
            group=lag.group,
            clock=clock,
            say=console.print,
        )
        readings = timed(
            recording, speed=arguments.speed, keeps_times=keeps_times, now_ms=clock.now_ms()
        )
        paced_readings = paced(readings, speed=arguments.speed, clock=clock, stop=stop)
        config, topics = kafka.client_config(settings), kafka.Topics(settings)
        for reading in progress.track(paced_readings, recording.rows, description="Replaying"):
            topic = settings.topic or f"telemetry.{reading.kind}"
            topics.ready(config, [topic])
            value = headers.before(topic) + wire.encode(reading)
            outlet.publish(topic, key=reading.device_id, value=value, stop=stop)
        outlet.finish(STOP_S if stop.is_set() else FINISH_S)
    return outlet


def _lag(settings: AgentSettings, arguments: argparse.Namespace) -> GroupLag:
    group = load(ConsumerSettings, group=arguments.group).group
    return GroupLag(kafka.client_config(settings), group)


def _producer(settings: AgentSettings) -> Producer:
    """A producer whose broker answers. Raises BrokerError, SettingsError."""
    config = kafka.client_config(settings)
    client = kafka.producer(config)
    try:
        client.list_topics(timeout=ANSWER_S)
    except KafkaException as problem:
        servers, cause = config["bootstrap.servers"], problem.args[0].str()
        raise BrokerError(f"Kafka at {servers} does not answer ({cause}).") from problem
    return client


def timed(
    recording: Recording, *, speed: float, keeps_times: bool, now_ms: int
) -> Iterator[Reading]:
    """The readings with the times and numbers under which they are published.

    Moved to the present, a device's numbers begin at the present in ms, so that they have grown
    when the file is replayed again.
    """
    span_ms = recording.ends_at_ms - recording.begins_at_ms
    begin_ms = now_ms - max(0, span_ms - math.ceil(span_ms / speed))
    shift_ms = 0 if keeps_times else begin_ms - recording.begins_at_ms
    numbers: Counter[str] = Counter()
    for reading in recording.readings():
        number = numbers[reading.device_id]
        numbers[reading.device_id] += 1
        yield msgspec.structs.replace(
            reading,
            measured_at=reading.measured_at + shift_ms,
            seq=(reading.seq or number) if keeps_times else now_ms + number,
        )


def paced(
    readings: Iterable[Reading], *, speed: float, clock: Clock, stop: threading.Event
) -> Iterator[Reading]:
    """Each reading when it is due, until `stop` is set."""
    began_ms, first_ms = clock.now_ms(), None
    for reading in readings:
        first_ms = reading.measured_at if first_ms is None else first_ms
        due_ms = began_ms + (reading.measured_at - first_ms) / speed
        left_ms = due_ms - clock.now_ms()
        if left_ms > 0:
            clock.wait(left_ms / 1000, stop)
        if stop.is_set():
            return
        yield reading


def summary(recording: Recording, published: int, topics: Iterable[str], *, stopped: bool) -> str:
    """What was published and what was left out, in a line or two."""
    told = "Stopped: published" if stopped else "Published"
    devices = len(recording.devices)
    of = f"{devices:,} device{'' if devices == 1 else 's'}"
    where = f" to {', '.join(sorted(topics))}" if published else ""
    lines = f"{told} {published:,} of {recording.rows:,} readings of {of}{where}.\n"
    if faults := str(recording.faults):
        lines += f"Left out: {faults}.\n"
    return lines
