"""`auto` answers with the finest resolution that fits the period and is still kept."""

from __future__ import annotations

import pytest

from api.tiers import fitting
from fleetpulse.clock import ManualClock
from fleetpulse.settings import Retention

NOW = ManualClock().now_ms()
HOUR = 3_600_000
DAY = 24 * HOUR


@pytest.mark.parametrize(
    ("length", "ago", "resolution"),
    [
        (HOUR, 0, "raw"),
        (6 * HOUR, 0, "raw"),
        (6 * HOUR + 1, 0, "1m"),
        (7 * DAY, 0, "1m"),
        (14 * DAY, 0, "1m"),
        (14 * DAY + 1, 0, "1h"),
        (365 * DAY, 0, "1h"),
        (HOUR, 13 * DAY, "raw"),
        (HOUR, 14 * DAY, "1m"),
        (HOUR, 89 * DAY, "1m"),
        (HOUR, 90 * DAY, "1h"),
        (HOUR, 1000 * DAY, "1h"),
    ],
)
def test_the_period_says_the_resolution(length: int, ago: int, resolution: str) -> None:
    until = NOW - ago

    found = fitting(since=until - length, until=until, now_ms=NOW, retention=Retention())

    assert found == resolution


def test_what_is_kept_can_be_changed() -> None:
    short = Retention(raw_days=1, minute_days=2, hour_days=3)

    found = [
        fitting(since=NOW - ago - HOUR, until=NOW - ago, now_ms=NOW, retention=short)
        for ago in (0, DAY, 2 * DAY)
    ]

    assert found == ["raw", "1m", "1h"]
