"""What a device did before says what it will do at such a load again."""

from __future__ import annotations

import numpy as np
import pytest

from model.patterns import LOAD_STEP_PCT
from tests.unit.model.builders import look_of
from tests.unit.model.test_features import feature


def test_the_rise_at_such_a_load_is_that_of_the_two_minutes_after_it() -> None:
    seconds = np.arange(0, 241, 5)
    load = np.where((seconds >= 50) & (seconds < 60) | (seconds == 240), 90.0, 10.0)
    temperature = np.where(seconds < 60, 50.0, np.where(seconds <= 170, 64.0, 70.0))
    look = look_of(seconds, temperature_c=temperature, load_pct=load)

    # 170 s is within 120 s of both readings at 90 %; 70 °C at 175 s is only of the second
    assert feature(look, "heating_at_load_c")[-1] == pytest.approx((14.0 + 20.0) / 2)
    assert feature(look, "below_hottest_at_load")[-1] == pytest.approx(70.0 - 50.0)


def test_what_it_does_at_a_load_is_not_known_until_it_had_it_a_minute_ago() -> None:
    look = look_of(np.arange(0, 100, 5), temperature_c=50.0, load_pct=[10.0] * 15 + [90.0] * 5)

    assert np.isnan(feature(look, "heating_at_load_c")[-1])
    assert np.isnan(feature(look, "below_hottest_at_load")[-1])


def test_past_rises_are_not_known_without_load_or_temperature() -> None:
    seconds = np.arange(0, 300, 5)

    assert np.isnan(feature(look_of(seconds, temperature_c=50.0), "heating_at_load_c")).all()
    assert np.isnan(feature(look_of(seconds, load_pct=50.0), "heating_at_load_c")).all()


def test_load_that_swings_has_steps_and_load_that_creeps_has_none() -> None:
    seconds = np.arange(0, 121, 10)
    swings = look_of(seconds, load_pct=np.where(seconds % 60 < 30, 10.0, 90.0))
    creeps = look_of(seconds, load_pct=np.arange(13) * (LOAD_STEP_PCT - 10))

    assert feature(swings, "load_steps_300s")[-1] == pytest.approx(4 / 2)
    assert feature(creeps, "load_steps_300s")[-1] == 0.0
    assert np.isnan(feature(swings, "load_steps_300s")[0])


def test_the_time_since_the_hottest_is_of_the_newest_one() -> None:
    look = look_of(np.arange(0, 50, 10), temperature_c=[50, 70, 70, 60, 55])

    assert feature(look, "below_hottest_for_s").tolist() == [0, 0, 0, 10, 20]


def test_above_the_mean_of_what_was_seen() -> None:
    look = look_of(np.arange(0, 40, 10), temperature_c=[50, 50, 50, 70], load_pct=50.0)

    assert feature(look, "above_mean_300s")[-1] == pytest.approx(15.0)


def test_the_last_rise_skips_readings_without_a_temperature() -> None:
    look = look_of(np.arange(0, 30, 10), temperature_c=[50, np.nan, 53])

    assert feature(look, "heating_last_c")[-1] == 3.0
    assert np.isnan(feature(look, "heating_last_c")[0])


def test_the_load_average_has_a_slope() -> None:
    seconds = np.arange(0, 100, 10)
    look = look_of(seconds, load_1m=1 + seconds / 60)

    assert feature(look, "load_1m_slope_60s")[-1] == pytest.approx(1.0)
