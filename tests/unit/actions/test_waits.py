"""How long a receiver asks us to wait."""

from __future__ import annotations

import pytest

from fleetpulse.actions.waits import LONGEST_S, retry_after_s

AT = 1_795_348_800_000  # Sun, 22 Nov 2026 12:00:00 GMT


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("30", 30.0),
        ("0", 1.0),
        ("999999999", LONGEST_S),
        ("Sun, 22 Nov 2026 12:02:00 GMT", 120.0),
        ("Sun, 22 Nov 2026 12:02:00 -0000", 120.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 1.0),
        ("soon", None),
        ("²", None),
        (None, None),
    ],
)
def test_a_number_or_a_date_within_reason(asked: str | None, seconds: float | None) -> None:
    assert retry_after_s(asked, AT) == seconds
