"""A look at every device once a day, beside the hot path: what is normal for it, and its wear.

It reads hourly rollups, so it needs no state of its own: a restart forgets nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from consumer.roster import Roster
from fleetpulse.clock import Clock
from fleetpulse.errors import StoreError
from fleetpulse.notices import Matter, Notices
from fleetpulse.stores.protocols import Device, Resolution, Rollup, Store
from model.normals import CHANNELS, PERIOD_MS
from model.wear import DAY_MS, RECENT_DAYS, REFERENCE_DAYS, Hours, wear_of

log = logging.getLogger(__name__)

LOOK_S = 60.0
EVERY_MS = DAY_MS
_PAUSE_S = 0.02  # between devices: ten thousand are seen in some minutes, and nobody is held up
_NORMAL_HOURS = 48
_PERIODS_AN_HOUR = 3_600_000 // PERIOD_MS


class Learner(Protocol):
    """Who wants to know what was normal for a device."""

    def learn(self, slot: int, period: int, means: Sequence[float], periods: float) -> None:
        """Take it over, in another thread's time."""


class Checkup:
    """Sees the devices of this process, each of them once a day."""

    def __init__(
        self, store: Store, roster: Roster, learner: Learner, notices: Notices, clock: Clock
    ) -> None:
        self._store, self._roster, self._learner = store, roster, learner
        self._notices, self._clock = notices, clock
        self._seen_at: dict[str, int] = {}

    def run(self, stop: threading.Event) -> None:
        """Look again and again until `stop` is set."""
        while not stop.is_set():
            try:
                self.look(stop)
            except StoreError as problem:
                log.warning("devices are looked at later", extra={"problem": str(problem)})
            self._clock.wait(LOOK_S, stop)

    def look(self, stop: threading.Event) -> None:
        """See every device that was not seen for a day. Raises StoreError."""
        for slot, device_id in enumerate(list(self._roster.device_ids)):
            now = self._clock.now_ms()
            if stop.is_set() or now - self._seen_at.get(device_id, -EVERY_MS) < EVERY_MS:
                continue
            device = self._store.devices.get(device_id)
            if device is None:  # its first readings are on their way to the store
                continue
            self._see(slot, device, now)
            self._seen_at[device_id] = now
            self._clock.wait(_PAUSE_S, stop)

    def _see(self, slot: int, device: Device, now: int) -> None:
        recent = self._hours(device.device_id, now - RECENT_DAYS * DAY_MS, now)
        if not recent:
            return
        self._learn(slot, recent[-_NORMAL_HOURS:])
        # The first weeks that the store still has: hours that are too old are given up.
        first = self._hours(device.device_id, 0, now)
        reference_ends_at = first[0].measured_at + REFERENCE_DAYS * DAY_MS
        if recent[0].measured_at < reference_ends_at:  # too young to have worn
            return
        first = [hour for hour in first if hour.measured_at < reference_ends_at]
        wear = wear_of(_columns(first), _columns(recent))
        if wear is not None and (wear.is_worn or wear.is_well):
            self._notices.report(Matter.COOLING, wear.words() if wear.is_worn else None, device)

    def _learn(self, slot: int, hours: Sequence[Rollup]) -> None:
        means = [_mean([_of(hour, channel) for hour in hours]) for channel in CHANNELS]
        period = (hours[-1].measured_at + 3_600_000) // PERIOD_MS
        self._learner.learn(slot, period, means, float(_PERIODS_AN_HOUR * len(hours)))

    def _hours(self, device_id: str, since: int, until: int) -> Sequence[Rollup]:
        most = 24 * max(REFERENCE_DAYS, RECENT_DAYS) + 1
        return self._store.readings.rollups(
            device_id, Resolution.HOUR, since=since, until=until, limit=most
        )


def _columns(hours: Sequence[Rollup]) -> Hours:
    return Hours(
        begins_at=np.array([hour.measured_at for hour in hours], dtype=np.int64),
        temperature_c=np.array([_of(hour, "temperature_c") for hour in hours]),
        load_pct=np.array([_of(hour, "load_pct") for hour in hours]),
    )


def _of(hour: Rollup, channel: str) -> float:
    spread = hour.channels.get(channel)
    return np.nan if spread is None else spread.mean


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return sum(known) / len(known) if known else np.nan
