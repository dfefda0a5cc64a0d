"""Agents as processes, a broker that they reach by a bad network, and what became of readings."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
from confluent_kafka import Consumer, TopicPartition

from fleetpulse import wire
from fleetpulse.clock import ManualClock
from fleetpulse.stores.protocols import Store
from generators.spool import SEQ_LEAP, Spool
from generators.spool_files import Position, PositionFile
from tests.faults.agent_process import VARIABLE, Day
from tests.faults.fleet import Record
from tests.faults.oracle import Verdict, a_reader, dead_letters, judge
from tests.faults.stack import Scene, opened
from tests.services.kafka import JARS, Kafka
from tests.services.maven import JAVA, jars
from tests.services.missing import Unavailable, without
from tests.services.ports import free_ports
from tests.services.proxy import Proxy

ROOT = Path(__file__).parents[2]
DEVICE = "pi-1"
INTERVAL_MS = 5000
AGO_MS = 10 * 24 * 3600 * 1000  # when simulated days begin, so that they are over by now
CAP_BYTES = 64 * 1024 * 1024
END_S = 10.0
ANSWER_S = 10.0
CAUGHT_UP_S = 60.0


class FarKafka(Kafka):
    """A broker with a second door, which it tells those who come that way to be the proxy's."""

    def __init__(self, folder: Path, jars: Path) -> None:
        super().__init__(folder, jars)
        (port,) = free_ports(1)
        self.proxy = Proxy(port)
        self.far_servers = f"127.0.0.1:{self.proxy.port}"
        more = {
            "listeners": f"FAR://127.0.0.1:{port}",
            "advertised.listeners": f"FAR://{self.far_servers}",
            "listener.security.protocol.map": "FAR:PLAINTEXT",
        }
        lines = self._properties.read_text().splitlines()
        pairs = [line.partition("=") for line in lines]
        longer = [f"{name}={value},{more[name]}" for name, _, value in pairs if name in more]
        # Of a property that is given twice the later one counts.
        self._properties.write_text("\n".join([*lines, *longer, ""]))
        self._inter_broker()

    def _inter_broker(self) -> None:
        """With several doors the broker must know which one is its own."""
        text = self._properties.read_text()
        if "inter.broker.listener.name" not in text:
            self._properties.write_text(f"{text}inter.broker.listener.name=PLAINTEXT\n")

    def kill(self) -> None:
        super().kill()
        self.proxy.reset_all()


@dataclass(frozen=True, slots=True)
class Account:
    """What an agent says of its readings, once it has ended."""

    produced: int
    waiting: int
    dropped: int


class FarAgent:
    """`fleetpulse agent simulated` as a process whose days pass in seconds.

    folder: for what it says. data: where it keeps its spool.
    """

    def __init__(
        self, folder: Path, servers: str, topic: str, *, data: Path, cap_bytes: int
    ) -> None:
        self.spool = data / "spool" / DEVICE
        self.scenario = "demo"
        self.began_ms = time.time_ns() // 1_000_000 - AGO_MS  # its first reading, nearly
        self._words = ["simulated", "--topic", topic, "--device-id", DEVICE]
        self._cap_bytes = cap_bytes
        self._goal = 0  # how many readings it will have taken
        self._environment = {
            "KAFKA_BROKER_SETTINGS": servers,
            "FLEETPULSE_DATA": str(data),
            "FLEETPULSE_SPOOL_BYTES": str(cap_bytes),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._output = folder / "agent.txt"

    def start(
        self, readings: int, *, before: Callable[[], None] | None = None, jump_ms: int = 0
    ) -> None:
        """Start it. It takes that many readings, one every 5 s of its clock; then it only delivers.

        readings: at least 1, so that one can see it work. before: called in the new process first.
        jump_ms: how far its clock jumps in the middle; that may cost one reading.
        """
        taken = self._taken()
        self._goal = taken + readings - bool(jump_ms)
        begins = self.began_ms + taken * INTERVAL_MS
        ends = begins + 1000 + (readings - 1) * INTERVAL_MS
        day = Day(begins, ends, jump_at_ms=(begins + ends) // 2, jump_ms=jump_ms)
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.faults.agent_process",
                    *self._words,
                    "--scenario",
                    self.scenario,
                ],
                cwd=ROOT,
                env=os.environ | self._environment | {VARIABLE: msgspec.json.encode(day).decode()},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=before,  # noqa: PLW1509 - sets a limit, nothing else
            )

    @property
    def process_id(self) -> int:
        """Of the running agent."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """End it as `kill -9` does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it as an orderly shutdown does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(END_S)
        assert code == 0, f"it ended with {code}; it said:\n{self.said()}"
        self._process = None

    def position(self) -> Position:
        """How far it is, from its spool."""
        if not (self.spool / "position").exists():
            return Position()
        file = PositionFile(self.spool / "position")
        try:
            return file.read() or Position()
        finally:
            file.close(sync=lambda _: None)

    def wait_for(self, holds: Callable[[Position], bool], seconds: float, what: str) -> None:
        """Wait until it has come that far."""
        until = time.monotonic() + seconds
        while not holds(self.position()):
            assert self._process is not None
            assert self._process.poll() is None, self.said()
            assert time.monotonic() < until, f"{what}: {self.position()}; it said:\n{self.said()}"
            time.sleep(0.02)

    def wait_for_readings(self, more: int, seconds: float = 120.0) -> None:
        """Wait until it has taken that many more."""
        goal = self._taken() + more
        self.wait_for(lambda _: self._taken() >= goal, seconds, "too few readings")

    def wait_for_delivery(self, more: int, seconds: float = 120.0) -> None:
        """Wait until that many more are acknowledged."""
        goal = self.position().acked_seq + more
        self.wait_for(lambda at: at.acked_seq >= goal, seconds, "too few deliveries")

    def deliver_all(self, seconds: float = 120.0) -> None:
        """Wait until it has taken all its readings and none waits in its spool; then stop it."""
        self.wait_for(
            lambda at: self._taken() >= self._goal and at.waiting == 0, seconds, "something waits"
        )
        self.stop()

    def account(self) -> Account:
        """What it says of its readings; it must have ended."""
        spool = Spool(self.spool, self._cap_bytes, ManualClock())
        try:
            return Account(self._taken(), spool.depth, spool.dropped)
        finally:
            spool.close()

    def said(self) -> str:
        """All that it has said."""
        return self._output.read_text(errors="replace")

    def _taken(self) -> int:
        """How many readings it has ever taken; its seq leaps ahead when it finds damage."""
        return (self.position().next_seq - 1) % SEQ_LEAP


def arrived(servers: str, topic: str) -> list[tuple[int, Record]]:
    """The seqs and records of the one device on a topic, in the order of its log."""
    reader = a_reader(servers)
    try:
        partitions = reader.list_topics(topic, timeout=ANSWER_S).topics[topic].partitions
        places = [TopicPartition(topic, number, 0) for number in partitions]
        return [found for place in places for found in _records(reader, place)]
    finally:
        reader.close()


def _records(reader: Consumer, place: TopicPartition) -> Iterator[tuple[int, Record]]:
    _, end = reader.get_watermark_offsets(place, timeout=ANSWER_S)
    reader.assign([place])
    at = 0
    while at < end:
        for message in reader.consume(min(1000, end - at), ANSWER_S):
            value = message.value()
            assert message.error() is None, message.error()
            assert value is not None
            at = (message.offset() or 0) + 1
            reading, _ = wire.decode(value)
            yield reading.seq, (reading.device_id, value)


def flip_bytes(path: Path, count: int, rng: random.Random) -> None:
    """Change bytes at random places of a file."""
    content = bytearray(path.read_bytes())
    for place in rng.sample(range(len(content)), count):
        content[place] ^= rng.randint(1, 255)
    path.write_bytes(content)


def segments(spool: Path) -> list[Path]:
    """The files of a spool, oldest first."""
    return sorted(spool.glob("*.readings"))


class World:
    """An agent, a broker far from it, and the consumer and the store behind that.

    agent_folder: where the agent keeps its own, if that is elsewhere.
    """

    def __init__(
        self,
        kafka: FarKafka,
        folder: Path,
        *,
        cap_bytes: int = CAP_BYTES,
        agent_folder: Path | None = None,
    ) -> None:
        self.proxy = kafka.proxy
        self._kafka, self._folder = kafka, folder
        self._scene, self._clean = Scene(kafka, folder), Scene(kafka, folder)
        self.agent = FarAgent(
            folder,
            kafka.far_servers,
            self._scene.topic,
            data=agent_folder or folder,
            cap_bytes=cap_bytes,
        )
        self._scene.member().start()

    def verdict(self) -> Verdict:
        """Judge what became of the readings, once the agent has delivered all and has ended."""
        account = self.agent.account()
        records = arrived(self._kafka.bootstrap_servers, self._scene.topic)
        self._scene.wait_until(
            lambda: self._scene.group.committed() >= len(records), CAUGHT_UP_S, "did not catch up"
        )
        once = dict(reversed(records))  # of a record that came twice, the first
        clean = self._undisturbed([once[seq] for seq in sorted(once)])
        with clean as undisturbed, opened(self._scene.url) as store:
            produced, dropped = {DEVICE: account.produced}, {DEVICE: account.dropped}
            letters = dead_letters(self._kafka.bootstrap_servers, self._scene.topic)
            verdict = judge(produced, store, undisturbed, letters=letters, dropped=dropped)
        order = list(dict(records))
        faults = list(verdict.faults)
        if order != sorted(order):
            faults.append("the order of readings was lost on the way")
        if account.waiting:
            faults.append(f"{account.waiting} readings still wait")
        return replace(verdict, faults=faults)

    def store(self) -> contextlib.AbstractContextManager[Store]:
        """What the consumer writes to."""
        return opened(self._scene.url)

    @contextlib.contextmanager
    def _undisturbed(self, records: list[Record]) -> Iterator[Store]:
        """What a consumer stores that gets each of these records once, in order."""
        member = self._clean.member()
        member.start()
        with self._clean.load(records) as load:
            load.join()
            self._clean.catch_up(load, CAUGHT_UP_S)
        with opened(self._clean.url) as store:
            yield store

    def close(self) -> None:
        """End what still runs."""
        self.agent.kill()
        for scene in (self._scene, self._clean):
            scene.close()


@contextlib.contextmanager
def running(folder: Path) -> Iterator[FarKafka]:
    """A broker behind a proxy; without one the test is skipped."""
    try:
        broker = FarKafka(folder, jars("kafka", *JARS))
        broker.start()
    except Unavailable as problem:
        without(f"Kafka ({problem})", how=JAVA)
    with broker.proxy, broker:
        yield broker
