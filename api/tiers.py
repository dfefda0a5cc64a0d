"""Which resolution answers a question about a period: pure functions."""

from __future__ import annotations

from collections.abc import Mapping

from fleetpulse.settings import Retention
from fleetpulse.stores.protocols import Resolution

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
# The longest period of each: some 4,300 readings of a device that speaks every 5 s, or 20,000
# minutes. More is more than a screen shows.
LONGEST_MS: Mapping[Resolution, int] = {
    Resolution.RAW: 6 * HOUR_MS,
    Resolution.MINUTE: 14 * DAY_MS,
}


def fitting(*, since: int, until: int, now_ms: int, retention: Retention) -> Resolution:
    """The finest resolution that the period is not too long for, and that is still kept.

    since, until: the period, Unix ms. Hours are kept the longest, and so serve what is left.
    """
    kept_days = {Resolution.RAW: retention.raw_days, Resolution.MINUTE: retention.minute_days}
    for resolution, longest_ms in LONGEST_MS.items():
        is_kept = since >= now_ms - kept_days[resolution] * DAY_MS
        if is_kept and until - since <= longest_ms:
            return resolution
    return Resolution.HOUR
