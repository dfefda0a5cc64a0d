"""The agent's loop: measure on a fixed schedule, spool, publish."""

from __future__ import annotations

import logging
import re
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Protocol

from fleetpulse import wire
from fleetpulse.clock import Clock
from fleetpulse.health import Health
from fleetpulse.telemetry import CHANNELS, Reading, a_reading_of
from generators.observed import Observed, Publishing
from generators.spool import Spool

FIRST_AFTER_S = 1.0  # the first reading's rates are over this time
DRAIN_S = 2.0  # at the end, for readings that are under way
DECIMALS = 4  # finer than any of these sensors

log = logging.getLogger(__name__)


class Source(Protocol):
    """A machine, or a simulation of one."""

    @property
    def kind(self) -> str:
        """What sort of machine it is: one of telemetry.KINDS."""

    def values(self, at_ms: int) -> Mapping[str, float | None]:
        """The channels measured now, by name; None or absent: the machine lacks it.

        at_ms: now, in Unix ms. Called once per tick; a real machine measures, a simulated one
        moves on to that moment (the first call may be any time, later ones may skip).
        """


def host_name() -> str:
    """This host's name, as far as it can be a device id."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:64] or "unnamed"


def next_due(due_ms: int, now_ms: int, interval_ms: int) -> int:
    """When the tick after the one that was due at `due_ms` is due, seen from now.

    Ticks stay on the grid that the first one began. Those that a suspended machine slept through
    are skipped, not made up for; a clock that was set back starts a new grid.
    """
    if now_ms < due_ms - interval_ms:
        return now_ms + interval_ms
    return due_ms + max(1, (now_ms - due_ms) // interval_ms + 1) * interval_ms


def reading_of(source: Source, device_id: str, seq: int, at_ms: int) -> Reading:
    """One reading of the source; impossible values are missing."""
    values = {
        name: None if value is None else round(value, DECIMALS)
        for name, value in source.values(at_ms).items()
    }
    return a_reading_of(device_id, source.kind, at_ms, seq, **values)


def abilities(reading: Reading) -> str:
    """What this machine measures and lacks, in words."""
    has = [channel.label for channel, value in reading.channels() if value is not None]
    lacks = [channel.label for channel in CHANNELS if channel.label not in has]
    measures = ", ".join(has) or "nothing"
    return f"measures {measures}" + (f"; lacks {', '.join(lacks)}" if lacks else "")


class Delivering(Publishing, Protocol):
    """What moves readings from the spool to Kafka or to the API."""

    def deliver(self, seconds: float, stop: threading.Event) -> None:
        """Publish what waits, and wait, for this long or until `stop` is set."""

    def drain(self, seconds: float) -> None:
        """Publish what waits, for at most this long."""


class Agent:
    """Takes readings from one source and delivers them through its spool."""

    def __init__(
        self,
        source: Source,
        spool: Spool,
        publisher: Delivering,
        *,
        device_id: str,
        interval_s: float,
        clock: Clock,
        observed: Observed | None = None,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        """alive: called once a tick, whether the machine could be measured or not."""
        self._source = source
        self._spool = spool
        self._publisher = publisher
        self._device_id = device_id
        self._interval_ms = round(interval_s * 1000)
        self._clock = clock
        self._observed = observed or Observed(spool, publisher, clock=clock, health=Health())
        self._alive = alive
        self._readings = 0
        self._failed = ""  # how the source failed last

    def run(self, stop: threading.Event) -> None:
        """Take and deliver readings until `stop` is set; then deliver for a moment more."""
        due_ms = self._clock.now_ms() + min(self._interval_ms, round(FIRST_AFTER_S * 1000))
        while True:
            wait_s = (due_ms - self._clock.now_ms()) / 1000
            self._publisher.deliver(wait_s, stop)
            if stop.is_set():
                break
            now_ms = self._clock.now_ms()
            self._measure(now_ms)
            self._observed.look()
            self._alive()
            due_ms = next_due(due_ms, now_ms, self._interval_ms)
        self._publisher.drain(DRAIN_S)
        log.info(
            "the agent stopped",
            extra={
                "device": self._device_id,
                "published": self._publisher.published,
                "waiting": self._spool.depth,
                "dropped": self._spool.dropped,
            },
        )

    def _measure(self, now_ms: int) -> None:
        """Spool one reading; a source that fails costs this reading only."""
        try:
            reading = reading_of(self._source, self._device_id, self._spool.next_seq, now_ms)
        except Exception as problem:
            self._observed.failed(problem)
            if self._failed != repr(problem):
                self._failed = repr(problem)
                log.exception("not measured; trying on", extra={"device": self._device_id})
            return
        self._failed = ""
        self._spool.append(wire.encode(reading))
        self._observed.reading(reading)
        self._readings += 1
        if self._readings == 1:
            log.info(
                "the first reading",
                extra={"device": self._device_id, "abilities": abilities(reading)},
            )
