"""How an agent is, for /readyz and /metrics: looked up at its parts once a tick."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from fleetpulse.clock import Clock
from fleetpulse.health import Health
from fleetpulse.telemetry import Reading

if TYPE_CHECKING:  # its library takes a tenth of an agent's memory, and few agents are scraped
    from fleetpulse.metrics import AgentMetrics

STUCK_MS = 30_000  # without an acknowledgement, while readings wait
OUTLETS = {"api": "The API", "kafka": "Kafka"}


class Waiting(Protocol):
    """The part of a spool that is looked at."""

    depth: int
    dropped: int

    @property
    def size_bytes(self) -> int:
        """Its size on the disk."""

    @property
    def trouble(self) -> str:
        """Why the disk does not take readings; empty: it does."""


class Publishing(Protocol):
    """The part of a publisher that is looked at."""

    published: int

    @property
    def outlet(self) -> str:
        """Where it sends to: `api` or `kafka`."""

    @property
    def trouble(self) -> str:
        """Why what was sent last was not taken, one sentence; empty: it was."""


class Observed:
    """Keeps health and metrics, where there are any, as the agent's parts are."""

    def __init__(
        self,
        spool: Waiting,
        publisher: Publishing,
        *,
        clock: Clock,
        health: Health,
        metrics: AgentMetrics | None = None,
    ) -> None:
        self._spool, self._publisher = spool, publisher
        self._clock, self._health, self._metrics = clock, health, metrics
        self._published, self._moved_at = 0, clock.now_ms()
        self._had: set[str] = set()  # channels that this machine has

    def reading(self, reading: Reading) -> None:
        """One was taken."""
        self._health.report("source", None)
        if self._metrics is None:
            return
        self._metrics.last_reading_at.set(reading.measured_at / 1000)
        for channel, value in reading.channels():
            if value is not None:
                self._had.add(channel.name)
            elif channel.name in self._had:
                self._metrics.missing_values.labels(channel=channel.name).inc()

    def failed(self, problem: Exception) -> None:
        """One could not be taken."""
        self._health.report("source", f"The machine cannot be measured ({type(problem).__name__}).")
        if self._metrics is not None:
            self._metrics.failed.inc()

    def look(self) -> None:
        """See how spool and publisher are."""
        trouble = self._spool.trouble
        said = f"The spool cannot be written ({trouble}); make room on the disk."
        self._health.report("spool", said if trouble else None)
        self._health.report(self._publisher.outlet, self._stuck())
        if self._metrics is not None:
            self._metrics.spool_readings.set(self._spool.depth)
            self._metrics.spool_bytes.set(self._spool.size_bytes)
            self._metrics.dropped.follow(self._spool.dropped)
            self._metrics.published.follow(self._publisher.published)

    def _stuck(self) -> str | None:
        now, publisher = self._clock.now_ms(), self._publisher
        under_way = 0 if publisher.trouble else 1
        if publisher.published != self._published or self._spool.depth <= under_way:
            self._published, self._moved_at = publisher.published, now
        if 0 <= now - self._moved_at < STUCK_MS:
            return None
        name = OUTLETS[publisher.outlet]
        return publisher.trouble or f"{name} takes no readings; they wait in the spool."
