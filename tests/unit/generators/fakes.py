"""Machines, brokers and disks for tests of the agent."""

from __future__ import annotations

import errno
import os
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from fleetpulse.clock import ManualClock

FIXTURES = Path(__file__).parent / "fixtures"


def plant(name: str, root: Path) -> Path:
    """The tree of files that fixtures/<name>.tree describes, made under `root`."""
    for line in (FIXTURES / f"{name}.tree").read_text().splitlines():
        if line and not line.startswith("#"):
            path, _, content = line.partition(" = ")
            put(root / path, content)
    return root


def put(path: Path, content: object) -> None:
    """Write a small file as the kernel would show it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{content}\n")


class CpuTimes(NamedTuple):
    """As psutil.cpu_times() of Linux."""

    user: float = 0.0
    idle: float = 0.0
    iowait: float = 0.0
    guest: float = 0.0


class Percent(NamedTuple):
    """As psutil.virtual_memory() and psutil.disk_usage()."""

    percent: float


class Frequency(NamedTuple):
    """As psutil.cpu_freq(), in MHz."""

    current: float


@dataclass
class FakePsutil:
    """The part of psutil that is used, with what a test says."""

    times: CpuTimes = CpuTimes()
    frequency: Frequency | None = Frequency(1800.0)
    load_1m: float = 0.0
    memory: float = 0.0
    disk: float = 0.0

    def cpu_times(self) -> CpuTimes:
        return self.times

    def cpu_freq(self) -> Frequency | None:
        return self.frequency

    def getloadavg(self) -> tuple[float, float, float]:
        return (self.load_1m, 0.5, 0.5)

    def virtual_memory(self) -> Percent:
        return Percent(self.memory)

    def disk_usage(self, path: str) -> Percent:
        return Percent(self.disk)


@dataclass
class Seconds:
    """A clock in seconds that never jumps, as time.monotonic."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class FakeError:
    """As confluent_kafka.KafkaError."""

    text: str = "refused"
    deadly: bool = False

    def str(self) -> str:
        return self.text

    def fatal(self) -> bool:
        return self.deadly


@dataclass
class FakeBroker:
    """A topic, and what becomes of the records that clients send to it."""

    clock: ManualClock
    away: bool = False
    refuses: FakeError | None = None
    records: list[bytes] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    clients: list[FakeClient] = field(default_factory=list)

    def connect(self, config: dict[str, Any], **more: Any) -> FakeClient:
        self.clients.append(FakeClient(self, config | more))
        return self.clients[-1]

    @property
    def seqs(self) -> list[int]:
        """The seqs of the records, as they arrived; they are `{"seq":N}` or the like."""
        return [
            int(record.split(b'"seq":')[1].split(b",")[0].strip(b"}")) for record in self.records
        ]


class FakeClient:
    """As confluent_kafka.Producer: answers come when it is polled."""

    def __init__(self, broker: FakeBroker, config: dict[str, Any]) -> None:
        self.broker = broker
        self.config = config
        self.queue: deque[tuple[bytes, Any]] = deque()
        self.longest_queue = 0

    def produce(self, topic: str, *, value: bytes, key: str, on_delivery: Any) -> None:
        self.broker.keys.add(key)
        self.queue.append((value, on_delivery))
        self.longest_queue = max(self.longest_queue, len(self.queue))

    def poll(self, timeout: float) -> int:
        if self.broker.away or not self.queue:
            self.broker.clock.advance(timeout)
            return 0
        served = len(self.queue)
        for _ in range(served):
            value, on_delivery = self.queue.popleft()
            if self.broker.refuses is None:
                self.broker.records.append(value)
            on_delivery(self.broker.refuses, None)
        return served


class Disk:
    """`os.write` onto a disk that may be full."""

    def __init__(self) -> None:
        self.free_bytes: int | None = None  # None: plenty

    def write(self, file: int, content: bytes) -> int:
        if self.free_bytes is None:
            return os.write(file, content)
        if self.free_bytes == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        part = content[: self.free_bytes]
        self.free_bytes -= len(part)
        return os.write(file, part)
