"""Readings per second of one consumer process, on real Kafka and SQLite, with the shipped models.

`python -m benchmarks.consumer_speed [--readings 200000] [--rounds 3]`

Three things in turn, several rounds, medians: our consumer with everything on; consume and decode
alone; Quix Streams doing the same features, models and storage in a batching sink. Ours and Quix
are judged alike, from outside: readings between the first offset that they commit and the last,
over the time between the two.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition

from benchmarks.fleet import publish, recorded
from benchmarks.quix_environment import quix_python
from tests.services.kafka import JARS, Kafka
from tests.services.maven import jars
from tests.services.missing import Unavailable

PARTITIONS = 4
DEVICES = 1_000
LONGEST_RUN_S = 180.0
LOOK_S = 0.02


class Bench:
    """A broker with the readings, and how to run a consumer on them."""

    def __init__(self, brokers: str, topic: str, readings: int, folder: Path) -> None:
        self.brokers, self.topic, self.readings, self.folder = brokers, topic, readings, folder
        self._quix = quix_python()

    def ours(self) -> float:
        """Our consumer, everything on."""
        group, store = self._fresh()
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
    except Unavailable as problem:
        print(f"This needs Apache Kafka: {problem}.", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "kafka").mkdir()
        with Kafka(Path(folder) / "kafka", libraries) as broker:
            topic = broker.topic("telemetry.bench", partitions=PARTITIONS)
            records = recorded(devices=DEVICES, readings_each=arguments.readings // DEVICES)
            publish(records, broker.bootstrap_servers, topic)
            bench = Bench(broker.bootstrap_servers, topic, len(records), Path(folder))
            size = sum(len(value) for _, value in records) / len(records)
            print(f"{len(records):,} readings of {DEVICES:,} devices, {size:.0f} bytes each")
            report(
                {
                    "consumer, everything on": bench.ours,
                    "consume + decode alone": bench.decode_only,
                    "Quix Streams, same features, models, store": bench.quix,
                },
                arguments.rounds,
            )
    return 0


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
    ours, _, quix = medians.values()
    print(f"  ours / Quix Streams: {ours / quix:.2f}")


if __name__ == "__main__":
    sys.exit(main())
