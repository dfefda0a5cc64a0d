"""Consumers as processes on a topic of their own, and how far their group has come."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import lt
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

import msgspec
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from fleetpulse.stores import open_store
from fleetpulse.stores.protocols import Store
from tests.faults.consumer_process import VARIABLE, Inside
from tests.faults.fleet import Record
from tests.faults.load import Load
from tests.faults.oracle import Verdict, dead_letters, judge

BACKENDS = {"sqlite": "SQLite", "postgresql+psycopg": "PostgreSQL", "dynamodb": "DynamoDB"}
ROOT = Path(__file__).parents[2]
PARTITIONS = 4
BATCH_ROWS = 2_000  # a third of the default: as many batches of fewer records
AHEAD = 8_000  # records that the producers are before the consumers: a second or so of their work
LOOK_S = 0.1
ANSWER_S = 2.0
MOST_ENDS = 10  # by itself: without its broker a consumer ends and is started again
STOP_S = 10.0  # on SIGTERM every process drains and ends within this time


class Member:
    """One consumer of a group. What ends by itself is started again, as a supervisor would."""

    def __init__(self, environment: Mapping[str, str], output: Path) -> None:
        self._environment, self._output = environment, output
        self._process: subprocess.Popen[bytes] | None = None
        self.ended_itself = 0
        output.touch()

    @property
    def runs(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def process_id(self) -> int:
        """Of its process, which lives."""
        assert self._process is not None
        return self._process.pid

    def start(self, inside: Inside | None = None) -> None:
        """Start it; `inside`: with these faults."""
        environment = dict(self._environment)
        if inside is not None:
            environment[VARIABLE] = msgspec.json.encode(inside).decode()
        module = "consumer" if inside is None else "tests.faults.consumer_process"
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, "hardware"],
                cwd=ROOT,
                env=os.environ | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self.send(signal.SIGKILL)
        self.wait()

    def stop(self) -> None:
        """End it as an orderly shutdown does."""
        self.send(signal.SIGTERM)
        assert self.wait(STOP_S) == 0, f"the consumer did not end well:\n{self.last_words()}"

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it lives."""
        if self._process is not None:
            self._process.send_signal(number)

    def wait(self, seconds: float = STOP_S) -> int | None:
        """Wait for its end; its exit code."""
        if self._process is None:
            return None
        code = self._process.wait(seconds)
        self._process = None
        return code

    def tend(self) -> None:
        """Start it again if it has ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            self.ended_itself += 1
            assert self.ended_itself <= MOST_ENDS, f"it ends again and again:\n{self.last_words()}"
            self.start()

    def last_words(self) -> str:
        """What it said last."""
        return self._output.read_text(errors="replace")[-3000:]


class Group:
    """How far a consumer group has come on a topic, seen from outside."""

    def __init__(self, bootstrap_servers: str, topic: str, name: str) -> None:
        config = {"bootstrap.servers": bootstrap_servers, "group.id": name, "log_level": 0}
        self._watcher = Consumer(config)  # never joins
        # Ended by close(): one that the garbage collector ends in a thread of its own library
        # takes the process with it (confluent-kafka-python #2129).
        self._clients = contextlib.ExitStack()
        self._admin = self._clients.enter_context(
            AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
        )
        self._name = name
        self._places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        self._committed = [0] * PARTITIONS
        self._asking = threading.Lock()
        self.went_back = 0  # how often a partition's commit was below an earlier one

    def committed(self) -> int:
        """Records of the topic that the group has committed; as known last if nobody answers."""
        return sum(self.offsets())

    def offsets(self) -> Sequence[int]:
        """What the group has committed of each partition; as known last if nobody answers."""
        with self._asking, contextlib.suppress(KafkaException):
            found = self._watcher.committed(self._places, timeout=ANSWER_S)
            now = [max(0, place.offset) for place in found]
            self.went_back += sum(map(lt, now, self._committed))
            self._committed = now
        return self._committed

    def shares(self) -> list[int]:
        """How many partitions each member has that has any, most first."""
        with contextlib.suppress(KafkaException):
            described = self._admin.describe_consumer_groups([self._name])[self._name]
            members = described.result(timeout=ANSWER_S).members
            counts = (len(member.assignment.topic_partitions) for member in members)
            return sorted(filter(None, counts), reverse=True)
        return []

    def close(self) -> None:
        """Give back the connections."""
        self._watcher.close()
        self._clients.close()


class Broker(Protocol):
    """What a scene needs of a Kafka."""

    bootstrap_servers: str

    def topic(self, name: str | None = None, *, partitions: int = 1) -> str:
        """Make a topic, and give its name."""


class Scene:
    """A topic, a store, and the consumers between them.

    url: of the store; where it lives is the caller's business. ahead: how many records the
    producers are before the consumers.
    """

    def __init__(
        self, kafka: Broker, folder: Path, url: str | None = None, *, ahead: int = AHEAD
    ) -> None:
        self.kafka, self._ahead = kafka, ahead
        self.name = f"faults-{uuid.uuid4().hex[:12]}"
        self.topic = kafka.topic(f"telemetry.{self.name}", partitions=PARTITIONS)
        self.url = url or f"sqlite:///{folder / self.name}.db"
        self.group = Group(kafka.bootstrap_servers, self.topic, self.name)
        self.members: list[Member] = []
        self._folder = folder

    @property
    def backend(self) -> str:
        """What the store is called."""
        scheme, _, address = self.url.partition(":")
        layout = parse_qs(urlsplit(address).query).get("layout")
        return BACKENDS[scheme] if layout is None else f"{BACKENDS[scheme]}, layout `{layout[0]}`"

    def member(self, *, static: bool = True, **environment: str) -> Member:
        """One more consumer of the group, not started yet.

        static: it has a name in the group, so that it is the same member after a restart.
        """
        name = f"{self.name}-{len(self.members)}"
        instance = {"FLEETPULSE_GROUP_INSTANCE": name} if static else {}
        settings = {
            "KAFKA_BROKER_SETTINGS": self.kafka.bootstrap_servers,
            "FLEETPULSE_STORE": self.url,
            "FLEETPULSE_TOPICS": self.topic,
            "FLEETPULSE_GROUP": self.name,
            "FLEETPULSE_DATA": str(self._folder),
            "FLEETPULSE_BATCH_ROWS": str(BATCH_ROWS),
        }
        member = Member(settings | instance | environment, self._folder / f"{name}.txt")
        self.members.append(member)
        return member

    def load(self, records: Iterable[Record], *, rate: float | None = None) -> Load:
        """Producers of these records, as fast as the group reads."""
        return Load(
            self.kafka.bootstrap_servers,
            self.topic,
            records,
            done=self.group.committed,
            ahead=self._ahead,
            rate=rate,
        )

    def wait_until(self, holds: Callable[[], bool], seconds: float, what: str) -> float:
        """Wait, tending the consumers; how long it took. Fails after `seconds`."""
        begin = time.monotonic()
        while not holds():
            for member in self.members:
                member.tend()
            late = time.monotonic() - begin > seconds
            assert not late, f"{what}: not within {seconds:.0f} s; {self._last_words()}"
            time.sleep(LOOK_S)
        return time.monotonic() - begin

    def wait_for_progress(self, records: int, seconds: float = 60.0) -> None:
        """Wait until the group has committed that many records more."""
        wanted = self.group.committed() + records
        self.wait_until(lambda: self.group.committed() >= wanted, seconds, "no progress")

    def catch_up(self, load: Load, seconds: float) -> float:
        """End the load and wait until all that it published is committed; how long it took."""
        load.enough()
        return self.consume_all(load, seconds)

    def consume_all(self, load: Load, seconds: float) -> float:
        """Wait until the load has come to its end and all is committed; how long it took."""
        return self.wait_until(
            lambda: not load.is_alive() and self.group.committed() >= load.published,
            seconds,
            "did not catch up",
        )

    def verdict(self, load: Load, undisturbed: Store) -> Verdict:
        """Judge what is in the store, once all is acknowledged and committed."""
        assert not load.refused, load.refused[:3]
        assert sum(load.acknowledged.values()) == load.published
        assert not self.group.went_back, "a commit went back"
        letters = dead_letters(self.kafka.bootstrap_servers, self.topic)
        with opened(self.url) as store:
            return judge(load.acknowledged, store, undisturbed, letters=letters)

    def _last_words(self) -> str:
        return "consumers said:\n" + "\n".join(member.last_words() for member in self.members)

    def close(self) -> None:
        """End what still runs."""
        for member in self.members:
            member.kill()
        self.group.close()


@contextlib.contextmanager
def opened(url: str) -> Iterator[Store]:
    """A store for the length of a block."""
    store = open_store(url)
    try:
        yield store
    finally:
        store.close()
