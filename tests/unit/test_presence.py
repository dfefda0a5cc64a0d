"""How long a reading speaks for its device."""

from __future__ import annotations

import pytest

from fleetpulse.alerts import Status
from fleetpulse.presence import is_ahead, stale_after_ms, status_now
from tests.contracts.builders import NOON, SECOND, a_reading


@pytest.mark.parametrize(
    ("interval_s", "seconds"), [(1.0, 30), (5.0, 30), (5.5, 33), (60.0, 360), (120.0, 720)]
)
def test_a_device_may_miss_six_intervals_and_thirty_seconds_at_least(
    interval_s: float, seconds: int
) -> None:
    assert stale_after_ms(interval_s) == seconds * SECOND


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("seconds", [0, 30, -2, -30])
def test_a_fresh_reading_speaks_for_its_device(status: Status, seconds: int) -> None:
    reading = a_reading(at=NOON, status=status)

    assert status_now(reading, NOON + seconds * SECOND, 30 * SECOND) is status


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("milliseconds", [30_001, 86_400_000, -30_001, -300_000])
def test_an_old_reading_or_one_of_the_future_says_nothing(
    status: Status, milliseconds: int
) -> None:
    reading = a_reading(at=NOON, status=status)

    assert status_now(reading, NOON + milliseconds, 30 * SECOND) is Status.UNKNOWN


def test_without_a_reading_nothing_is_known() -> None:
    assert status_now(None, NOON, 30 * SECOND) is Status.UNKNOWN


@pytest.mark.parametrize(("ahead_ms", "is_so"), [(30_001, True), (30_000, False), (-30_001, False)])
def test_only_a_reading_of_the_future_tells_of_a_clock_that_is_ahead(
    ahead_ms: int, is_so: bool
) -> None:
    assert is_ahead(NOON + ahead_ms, NOON, 30 * SECOND) is is_so
