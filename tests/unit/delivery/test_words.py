"""Numbers as people say them."""

from __future__ import annotations

import pytest

from fleetpulse.alerts import rule_named
from fleetpulse.delivery.words import about, ago, duration, number_of, past_limit, percent, quantity

NOW = 1_795_348_800_000


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59.6, "1 min"),
        (80, "1 min 20 s"),
        (3_600, "1 h"),
        (3_725, "1 h 2 min"),
        (86_400 + 7_200, "1 d 2 h"),
        (-3, "0 s"),
    ],
)
def test_a_duration_has_at_most_two_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "about 5 s"), (43, "about 45 s"), (81, "about 1 min 20 s"), (118, "about 2 min")],
)
def test_an_expectation_is_not_more_exact_than_it_is(seconds: float, words: str) -> None:
    assert about(seconds) == words


def test_a_moment_is_told_by_its_age_and_one_ahead_of_us_is_now() -> None:
    assert ago(NOW - 5_000, NOW) == "5 s ago"
    assert ago(NOW + 60_000, NOW) == "now"


@pytest.mark.parametrize(
    ("probability", "words"), [(0.0, "1 %"), (0.874, "87 %"), (0.9999, "99 %"), (1.0, "99 %")]
)
def test_a_probability_is_never_certain(probability: float, words: str) -> None:
    assert percent(probability) == words


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (0.0, "°C", "0 °C"),
        (80.04, "°C", "80 °C"),
        (4.634, "V", "4.63 V"),
        (1.0, "0 or 1", "yes"),
        (0.0, "0 or 1", "no"),
    ],
)
def test_a_value_has_its_unit(value: float, unit: str, words: str) -> None:
    assert quantity(value, unit) == words


def test_nouns_agree_with_their_number() -> None:
    assert [number_of(count, "device") for count in (0, 1, 1200)] == [
        "0 devices",
        "1 device",
        "1,200 devices",
    ]


def test_a_rule_with_a_hold_time_says_so() -> None:
    assert past_limit(rule_named("memory", "pc"), 95.0).startswith("memory at or above 95 % for ")
    assert past_limit(rule_named("heat", "pc"), 90.0) == "temperature at or above 90 °C"
