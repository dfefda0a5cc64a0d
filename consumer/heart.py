"""The consumer's sign of life: it beats as long as batches move, empty ones too."""

from __future__ import annotations

import logging

from consumer.batch import Batch
from fleetpulse.clock import Clock
from fleetpulse.errors import StoreError
from fleetpulse.stores.protocols import Heartbeat, HeartbeatStore

log = logging.getLogger(__name__)

BEAT_MS = 10_000


class Heart:
    """A stage that changes nothing and leaves a heartbeat every 10 s."""

    def __init__(self, store: HeartbeatStore, clock: Clock, process: str) -> None:
        self._store, self._clock, self._process = store, clock, process
        self._beat_at: int | None = None

    def __call__(self, batch: Batch) -> Batch:
        """The same batch."""
        now = self._clock.now_ms()
        if self._beat_at is None or abs(now - self._beat_at) >= BEAT_MS:
            try:
                self._store.beat(Heartbeat(process=self._process, at=now))
                self._beat_at = now
            except StoreError as problem:
                log.warning("no heartbeat", extra={"problem": str(problem)})
        return batch
