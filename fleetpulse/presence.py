"""Whether a device's newest reading still says anything of it now: pure functions."""

from __future__ import annotations

from fleetpulse.alerts import Status
from fleetpulse.stores.protocols import StoredReading

STALE_INTERVALS = 6
STALE_AT_LEAST_MS = 30_000


def stale_after_ms(interval_s: float) -> int:
    """How old the newest reading of devices that send at this interval may be."""
    return max(STALE_AT_LEAST_MS, round(1000 * STALE_INTERVALS * interval_s))


def status_now(latest: StoredReading | None, now_ms: int, stale_after_ms: int) -> Status:
    """The status of a device: unknown without a reading that is fresh enough, never ok."""
    if latest is None or not is_fresh(latest.measured_at, now_ms, stale_after_ms):
        return Status.UNKNOWN
    return latest.status


def is_fresh(measured_at: int, now_ms: int, stale_after_ms: int) -> bool:
    """Whether a moment is near enough to now, on either side of it.

    Clocks differ by seconds. But by a clock that is minutes ahead, a device that is long dead would
    seem to have spoken just now.
    """
    return abs(now_ms - measured_at) <= stale_after_ms


def is_ahead(measured_at: int, now_ms: int, stale_after_ms: int) -> bool:
    """Whether a reading is not fresh because its device's clock is ahead."""
    return measured_at - now_ms > stale_after_ms
