"""Old readings and rollups are given up, once an hour, beside the hot path."""

from __future__ import annotations

import logging
import threading

from fleetpulse.clock import Clock
from fleetpulse.errors import StoreError
from fleetpulse.settings import Retention
from fleetpulse.stores.protocols import Resolution, Store

log = logging.getLogger(__name__)

EVERY_S = 3600.0
RETRY_S = 60.0
DAY_MS = 86_400_000


class Housekeeping:
    """Prunes a store."""

    def __init__(self, store: Store, clock: Clock, retention: Retention) -> None:
        self._store, self._clock = store, clock
        self._days = {
            Resolution.RAW: retention.raw_days,
            Resolution.MINUTE: retention.minute_days,
            Resolution.HOUR: retention.hour_days,
        }

    def run(self, stop: threading.Event) -> None:
        """Prune now and every hour until `stop` is set."""
        while not stop.is_set():
            done = self.prune()
            self._clock.wait(EVERY_S if done else RETRY_S, stop)

    def prune(self) -> bool:
        """Give up what is too old; False: the store failed, try again soon."""
        now = self._clock.now_ms()
        try:
            for resolution, days in self._days.items():
                self._store.prune(resolution, now - days * DAY_MS)
        except StoreError as problem:
            log.warning("old readings stay for now", extra={"problem": str(problem)})
            return False
        return True
