"""Memory of one consumer process while it drains a backlog, on real Kafka and SQLite.

`python -m benchmarks.backlog [--readings 200000 2000000]`

The readings are those of 1,000 devices; the same simulated minutes follow one another. What counts
is the most that the process has resident, and whether a longer backlog takes more.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
from confluent_kafka import Consumer
from msgspec.structs import replace

from benchmarks.consumer_speed import DEVICES, PARTITIONS, committed
from benchmarks.fleet import CADENCE_S, Record, publish, recorded
from fleetpulse import wire
from tests.services.kafka import JARS, Kafka
from tests.services.maven import jars
from tests.services.missing import Unavailable

EACH = 100  # simulated readings of a device; they are repeated
LONGEST_S = 300.0
LOOK_S = 0.1
MIB = 1024 * 1024


def backlog(rounds: int) -> Iterator[list[Record]]:
    """The simulated readings again and again, each time later, the last ones now."""
    records = recorded(devices=DEVICES, readings_each=EACH)
    span_ms = round(EACH * CADENCE_S * 1000)
    for back in reversed(range(rounds)):
        yield [(key, _earlier(value, back, span_ms)) for key, value in records]


def _earlier(value: bytes, rounds: int, span_ms: int) -> bytes:
    reading, _ = wire.decode(value)
    measured_at = reading.measured_at - rounds * span_ms
    return wire.encode(replace(reading, measured_at=measured_at, seq=measured_at // 1000))


def drain(brokers: str, topic: str, readings: int, folder: Path) -> tuple[int, float]:
    """The most bytes resident, and the seconds that it took."""
    group = uuid.uuid4().hex
    environment = os.environ | {
        "KAFKA_BROKER_SETTINGS": brokers,
        "FLEETPULSE_STORE": f"sqlite:///{folder / group}.db",
        "FLEETPULSE_TOPICS": topic,
        "FLEETPULSE_GROUP": group,
    }
    running = subprocess.Popen([sys.executable, "-m", "consumer", "hardware"], env=environment)
    process, most, began = psutil.Process(running.pid), 0, time.perf_counter()
    watcher = Consumer({"bootstrap.servers": brokers, "group.id": group})
    try:
        while running.poll() is None and time.perf_counter() - began < LONGEST_S:
            most = max(most, process.memory_info().rss)
            if committed(watcher, topic) >= readings:
                return most, time.perf_counter() - began
            time.sleep(LOOK_S)
    finally:
        watcher.close()
        running.terminate()
        running.wait()
    raise SystemExit(f"The consumer did not drain {readings:,} readings.")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--readings", type=int, nargs="+", default=[200_000, 2_000_000])
    arguments = parser.parse_args(argv)
    try:
        libraries = jars("kafka", *JARS)
    except Unavailable as problem:
        print(f"This needs Apache Kafka: {problem}.", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "kafka").mkdir()
        with Kafka(Path(folder) / "kafka", libraries) as broker:
            for wanted in arguments.readings:
                topic = broker.topic(f"telemetry.backlog{wanted}", partitions=PARTITIONS)
                readings = 0
                for records in backlog(max(1, wanted // (DEVICES * EACH))):
                    publish(records, broker.bootstrap_servers, topic)
                    readings += len(records)
                most, seconds = drain(broker.bootstrap_servers, topic, readings, Path(folder))
                print(
                    f"{readings:>9,} readings: at most {most / MIB:.0f} MiB resident,"
                    f" {readings / seconds:,.0f} readings/s with the start",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
