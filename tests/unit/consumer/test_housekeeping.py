"""Old readings and rollups are given up."""

from __future__ import annotations

import threading

from consumer.housekeeping import EVERY_S, RETRY_S, Housekeeping
from fleetpulse.clock import ManualClock
from fleetpulse.errors import StoreBusy
from fleetpulse.settings import Retention
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Resolution

DAY_MS = 86_400_000
NOW = 800 * DAY_MS


class CountingStore(MemoryStore):
    """Remembers what it was asked to prune; fails as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        super().__init__()
        self.failures = failures
        self.pruned: list[tuple[Resolution, int]] = []

    def prune(self, resolution: Resolution, before: int) -> None:
        if self.failures:
            self.failures -= 1
            raise StoreBusy("busy", retry_after_s=1)
        self.pruned.append((resolution, before))


class EndingClock(ManualClock):
    """Notes the waits, and stops after some of them."""

    def __init__(self, rounds: int) -> None:
        super().__init__(NOW)
        self.rounds, self.waits = rounds, list[float]()

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        self.waits.append(seconds)
        if len(self.waits) == self.rounds:
            stop.set()
        return super().wait(seconds, stop)


def test_each_resolution_is_kept_for_its_own_days() -> None:
    store = CountingStore()

    Housekeeping(store, ManualClock(NOW), Retention(raw_days=1, minute_days=2, hour_days=3)).prune()

    assert store.pruned == [
        (Resolution.RAW, NOW - DAY_MS),
        (Resolution.MINUTE, NOW - 2 * DAY_MS),
        (Resolution.HOUR, NOW - 3 * DAY_MS),
    ]


def test_a_store_that_fails_is_asked_again_soon() -> None:
    store, clock = CountingStore(failures=1), EndingClock(rounds=2)

    Housekeeping(store, clock, Retention()).run(threading.Event())

    assert clock.waits == [RETRY_S, EVERY_S]
    assert len(store.pruned) == 3
