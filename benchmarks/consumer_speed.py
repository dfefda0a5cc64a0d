"""Readings per second of one consumer process, on real Kafka, with the shipped models.

`python -m benchmarks.consumer_speed [--readings 200000] [--rounds 3]`

Four things in turn, several rounds, medians: our consumer with everything on, on SQLite and on
PostgreSQL (with fsync, on the same two cores); consume and decode alone; Quix Streams doing the
same features, models and storage in a batching sink, on SQLite. Ours and Quix are judged alike,
from outside: readings between the first offset that they commit and the last, over the time between
the two.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition

from benchmarks.fleet import publish, recorded
from benchmarks.quix_environment import quix_python
from tests.services.kafka import JARS, Kafka
from tests.services.maven import jars
from tests.services.missing import Unavailable
from tests.services.postgres import HOW as POSTGRES
from tests.services.postgres import PROGRAMS, Postgres

PARTITIONS = 4
DEVICES = 1_000
LONGEST_RUN_S = 180.0
LOOK_S = 0.02


class Bench:
    """A broker with the readings, and how to run a consumer on them."""

    def __init__(
        self, brokers: str, topic: str, readings: int, folder: Path, postgres: Postgres
    ) -> None:
        self.brokers, self.topic, self.readings, self.folder = brokers, topic, readings, folder
        self._postgres = postgres
        self._quix = quix_python()

    def ours_on_sqlite(self) -> float:
        """Our consumer, everything on."""
        return self._ours(*self._fresh())

    def ours_on_postgresql(self) -> float:
        """The same, with a database server beside it."""
        with self._postgres.database() as name:
            return self._ours(uuid.uuid4().hex, self._postgres.url(name))

    def _ours(self, group: str, store: str) -> float:
        environment = os.environ | {
            "KAFKA_BROKER_SETTINGS": self.brokers,
            "FLEETPULSE_STORE": store,
            "FLEETPULSE_TOPICS": self.topic,
            "FLEETPULSE_GROUP": group,
        }
        command = [sys.executable, "-m", "consumer", "hardware"]
        return self._watched(command, group, environment)

    def quix(self) -> float:
        """Quix Streams with a sink that does the same, alerts aside."""
        group, store = self._fresh()
        command = [str(self._quix), "-m", "benchmarks.quix_consumer"]
        return self._watched([*command, self.brokers, self.topic, group, store], group, os.environ)

    def decode_only(self) -> float:
        """The ceiling: no features, no model, no store."""
        group, _ = self._fresh()
        command = [sys.executable, "-m", "benchmarks.decode_only"]
        done = subprocess.run(
            [*command, self.brokers, self.topic, group, str(self.readings)],
            capture_output=True,
            check=True,
            timeout=LONGEST_RUN_S,
        )
        return float(done.stdout)

    def _fresh(self) -> tuple[str, str]:
        name = uuid.uuid4().hex
        return name, f"sqlite:///{self.folder / name}.db"

    def _watched(self, command: Sequence[str], group: str, environment: Mapping[str, str]) -> float:
        log = self.folder / "log.txt"
        with log.open("wb") as output:
            running = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        try:
            return self._rate(running, group)
        except RuntimeError as problem:
            raise SystemExit(f"{problem}; it said:\n{log.read_text()[-3000:]}") from None
        finally:
            running.terminate()
            running.wait()

    def _rate(self, running: subprocess.Popen[bytes], group: str) -> float:
        """Readings per second between the first commit and the last."""
        watcher = Consumer({"bootstrap.servers": self.brokers, "group.id": group})
        begin, first = time.perf_counter(), (0.0, 0)
        try:
            while running.poll() is None and time.perf_counter() - begin < LONGEST_RUN_S:
                now, done = time.perf_counter(), committed(watcher, self.topic)
                if done and not first[1]:
                    first = (now, done)
                if done >= self.readings:
                    return (done - first[1]) / (now - first[0])
                time.sleep(LOOK_S)
        finally:
            watcher.close()
        raise RuntimeError("the consumer did not get to the end")


def committed(watcher: Consumer, topic: str) -> int:
    """How many records of the topic the watcher's group has committed."""
    partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    try:
        found = watcher.committed(partitions, timeout=5)
    except KafkaException:  # the group is just being made
        return 0
    return sum(max(0, one.offset) for one in found)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--readings", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args(argv)
    try:
        libraries = jars("kafka", *JARS)
        if not PROGRAMS.exists():
            raise Unavailable(f"there is no PostgreSQL; {POSTGRES}")
    except Unavailable as problem:
        print(f"This needs Apache Kafka and PostgreSQL: {problem}.", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "kafka").mkdir()
        with (
            Kafka(Path(folder) / "kafka", libraries) as broker,
            durable_postgres() as postgres,
        ):
            topic = broker.topic("telemetry.bench", partitions=PARTITIONS)
            records = recorded(devices=DEVICES, readings_each=arguments.readings // DEVICES)
            publish(records, broker.bootstrap_servers, topic)
            bench = Bench(broker.bootstrap_servers, topic, len(records), Path(folder), postgres)
            size = sum(len(value) for _, value in records) / len(records)
            print(f"{len(records):,} readings of {DEVICES:,} devices, {size:.0f} bytes each")
            report(
                {
                    "consumer on SQLite, everything on": bench.ours_on_sqlite,
                    "consumer on PostgreSQL, everything on": bench.ours_on_postgresql,
                    "consume + decode alone": bench.decode_only,
                    "Quix Streams, same features, models, store": bench.quix,
                },
                arguments.rounds,
            )
    return 0


@contextlib.contextmanager
def durable_postgres() -> Iterator[Postgres]:
    """A server of its own that waits for the disk, as one that people rely on does."""
    # Its user may not enter the folders of ours.
    with tempfile.TemporaryDirectory() as folder, Postgres(Path(folder)) as server:
        server.run("ALTER SYSTEM SET fsync = on")
        server.run("SELECT pg_reload_conf()")
        yield server


def report(contenders: dict[str, Callable[[], float]], rounds: int) -> None:
    """Run all in turn and print readings per second: every round, then the medians."""
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(1, rounds + 1):
        for name, run in contenders.items():
            rates[name].append(run())
            print(f"  round {number}: {name}: {rates[name][-1]:,.0f}/s", flush=True)
    medians = {name: statistics.median(found) for name, found in rates.items()}
    print("medians:")
    for name, median in medians.items():
        print(f"  {name:<45}{median:>10,.0f} readings/s")
    ours, _, _, quix = medians.values()
    print(f"  on SQLite, ours / Quix Streams: {ours / quix:.2f}")


if __name__ == "__main__":
    sys.exit(main())
