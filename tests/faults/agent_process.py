"""The real agent with a clock of its own: `python -m tests.faults.agent_process simulated …`.

It is `python -m generators`, with the same settings, but a day passes as fast as readings can be
taken: whoever waits, for the next reading or for the broker, moves the clock on. At the time in the
environment variable FAULTS_DAY (JSON) the clock stands still, and the agent only delivers.
"""

from __future__ import annotations

import os
import sys
import threading
from functools import partial
from typing import Any

import msgspec
from confluent_kafka import Producer

import generators.__main__
from fleetpulse import kafka
from fleetpulse.clock import ManualClock
from generators.publish import Publisher

VARIABLE = "FAULTS_DAY"
STANDING_S = 0.005  # of real time, between two looks at a clock that stands still


class Day(msgspec.Struct, frozen=True):
    """When the agent's clock begins, where it stops, and when and how far it jumps (Unix ms)."""

    from_ms: int
    until_ms: int
    jump_at_ms: int
    jump_ms: int


class DayClock(ManualClock):
    """A clock that moves when somebody waits on it, to the end of its day."""

    def __init__(self, day: Day) -> None:
        super().__init__(day.from_ms)
        self._until_ms, self._jump_at_ms, self._jump_ms = day.until_ms, day.jump_at_ms, day.jump_ms

    def pass_time(self, seconds: float) -> float:
        """Move on; the real seconds to wait instead, once the day is over."""
        if self.now_ms() >= self._until_ms:
            return STANDING_S
        self.advance(min(seconds, (self._until_ms - self.now_ms()) / 1000))
        if self._jump_ms and self.now_ms() >= self._jump_at_ms:
            self.advance(self._jump_ms / 1000)
            self._until_ms += self._jump_ms
            self._jump_ms = 0
        return 0.0

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        return stop.wait(self.pass_time(seconds))


class HastyProducer:
    """A producer that is polled by the agent's clock."""

    def __init__(self, clock: DayClock, producer: Producer) -> None:
        self._clock, self._producer = clock, producer
        self.produce = producer.produce

    def poll(self, timeout: float) -> int:
        """Wait on the clock, and serve what has come."""
        return self._producer.poll(self._clock.pass_time(timeout))


def main(arguments: list[str]) -> int:
    """Be the agent; its exit code."""
    clock = DayClock(msgspec.json.decode(os.environ[VARIABLE], type=Day))

    def hasty(config: dict[str, Any], **more: Any) -> HastyProducer:
        return HastyProducer(clock, kafka.producer(config, **more))

    command: Any = generators.__main__
    command.SystemClock = lambda: clock
    command.Publisher = partial(Publisher, make=hasty)
    return int(command.main(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
