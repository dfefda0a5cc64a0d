"""The deliveries in numbers, for /metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fleetpulse import policy
from fleetpulse.metrics import DeliveryMetrics
from fleetpulse.stores.protocols import StoredEvent

COUNT_MS = 10_000
TIMED_EVENTS = 10_000  # the newest whose delivery is timed


class Measures:
    """Counts messages, and times them from the event's storing on."""

    def __init__(self, metrics: DeliveryMetrics) -> None:
        self._metrics = metrics
        self._stored_at: dict[str, int] = {}
        self._counted_at: int | None = None
        self._queued = self._waiting_chats = 0  # of ours: several loops may share the metrics

    def planned(self, page: Sequence[StoredEvent]) -> None:
        """These events will be told."""
        self._stored_at |= {stored.event.event_id: stored.stored_at for stored in page}
        for event_id in list(self._stored_at)[:-TIMED_EVENTS]:
            del self._stored_at[event_id]

    def sent(self, message: policy.Message, at: int) -> None:
        """A chat has got this message."""
        self._metrics.sent.inc()
        stored_at = self._stored_at.get(message.events[0].event_id)
        if stored_at is not None and not message.is_summary:
            self._metrics.delivery_seconds.observe(max(0, at - stored_at) / 1000)

    def not_sent(self, *, for_good: bool) -> None:
        """A chat has not got a message, for now or for good."""
        (self._metrics.failed if for_good else self._metrics.postponed).inc()

    def queue(self, now: int, count: Callable[[], int], waiting_chats: int) -> None:
        """Count what waits, if it is time. count: asks the store."""
        self._metrics.waiting_chats.inc(waiting_chats - self._waiting_chats)
        self._waiting_chats = waiting_chats
        if self._counted_at is None or abs(now - self._counted_at) >= COUNT_MS:
            self._counted_at = now
            queued = count()
            self._metrics.queued.inc(queued - self._queued)
            self._queued = queued
