"""Features are about seconds, not about how often a device reports."""

from __future__ import annotations

import numpy as np
import pytest

from model.features import FEATURES, Look, compute, kind_codes
from tests.unit.model.builders import look_of, one_device


def feature(look: Look, name: str, rule: str = "heat", limit: float = 80.0) -> np.ndarray:
    names = [each.name for each in FEATURES[rule]]
    return compute(look, rule, np.full(len(look.windows), limit))[:, names.index(name)]


@pytest.mark.parametrize("cadence_s", [1, 2, 5, 10, 15, 30])
def test_the_same_heating_is_the_same_at_every_cadence(cadence_s: int) -> None:
    seconds = np.arange(0, 301, cadence_s)
    look = look_of(seconds, temperature_c=40 + seconds * 10 / 60)

    for name in ("heating_60s", "heating_120s", "heating_300s", "heating_last"):
        assert feature(look, name)[-1] == pytest.approx(10.0)


def test_a_steady_body_does_not_heat() -> None:
    look = look_of(np.arange(0, 100, 5), temperature_c=50.0)

    assert feature(look, "heating_60s")[-1] == 0.0
    assert feature(look, "seconds_left_60s")[-1] == 1000.0


def test_heating_is_not_known_from_one_sample() -> None:
    assert np.isnan(feature(look_of([0.0], temperature_c=[50.0]), "heating_60s"))


def test_samples_a_moment_apart_give_no_slope() -> None:
    look = look_of([4.999, 5.0], temperature_c=[50.0, 51.0])

    assert np.isnan(feature(look, "heating_60s")[1])


def test_headroom_and_projections_follow_the_limit() -> None:
    seconds = np.arange(0, 121, 5)
    look = look_of(seconds, temperature_c=40 + seconds / 10)

    assert feature(look, "headroom_c", limit=60)[-1] == pytest.approx(8.0)
    assert feature(look, "headroom_c", limit=90)[-1] == pytest.approx(38.0)
    assert feature(look, "projected_60s", limit=90)[-1] == pytest.approx(38 - 12)
    assert feature(look, "seconds_left_60s", limit=60)[-1] == pytest.approx(80)


def test_heating_that_slows_down_is_expected_to_go_on_slowing_down() -> None:
    seconds = np.arange(0, 121, 5)
    look = look_of(seconds, temperature_c=80 - 40 * np.exp(-seconds / 60))
    settles_below = 80 - 40 * np.exp(-240 / 60)

    assert feature(look, "settling_30s", limit=80)[-1] == pytest.approx(80 - settles_below, abs=1.5)
    assert feature(look, "projected_30s", limit=80)[-1] < -1.5


def test_the_mean_load_is_weighted_by_time() -> None:
    look = look_of([0, 10, 20, 30, 40, 60, 65, 70], load_pct=[0, 0, 0, 0, 0, 50, 100, 100])

    # The last 60 s: 30 s at 0 (10 to 40), 20 s at 50 (40 to 60), 10 s at 100.
    assert look.load_mean(60)[-1] == pytest.approx((20 * 50 + 10 * 100) / 60)


def test_the_mean_load_is_not_known_before_60_s_but_one_cadence() -> None:
    known = ~np.isnan(look_of(np.arange(0, 100, 5), load_pct=40.0).load_mean(60))

    assert known.tolist() == [False] * 11 + [True] * 9


def test_a_sample_every_two_minutes_speaks_for_those_two_minutes() -> None:
    mean = look_of([0, 120, 240], load_pct=[10.0, 70.0, 30.0]).load_mean(60)

    assert mean[1:].tolist() == [70.0, 30.0]


def test_a_long_silence_is_not_a_load() -> None:
    mean = look_of([0, 5, 10, 200], load_pct=100.0).load_mean(60)

    assert np.isnan(mean[3])


def test_the_time_at_this_load_ends_where_the_load_was_lower() -> None:
    look = look_of(np.arange(0, 50, 5), load_pct=[5, 5, 5, 90, 85, 88, 92, 90, 88, 87])

    assert feature(look, "load_held_s")[-1] == pytest.approx(30)
    assert feature(look, "load_held_s")[3] == 0.0


def test_a_channel_that_the_machine_lacks_is_not_known() -> None:
    look = look_of(np.arange(0, 100, 5), load_pct=50.0)
    features = compute(look, "heat", np.full(20, 80.0))
    names = [each.name for each in FEATURES["heat"]]

    missing = {name for name, value in zip(names, features[-1], strict=True) if np.isnan(value)}

    assert {"temperature_c", "headroom_c", "heating_60s", "power_w", "fan_cfm"} <= missing
    assert {"load_pct", "load_mean_60s", "cadence_s", "kind"}.isdisjoint(missing)


def test_little_history_is_not_enough_to_judge() -> None:
    assert look_of([0, 5, 10], load_pct=1.0).known.tolist() == [False, False, True]
    assert look_of([0, 4, 5], load_pct=1.0).known.tolist() == [False, False, False]
    assert look_of([0, 120, 240], load_pct=1.0).known.tolist() == [False, False, True]


def test_kinds_that_nobody_trained_for_are_not_known() -> None:
    assert kind_codes(["pc", "raspberry"]).tolist() == [0.0, 1.0]
    assert np.isnan(kind_codes(["camera"])[0])


def test_features_do_not_depend_on_when_it_is() -> None:
    early = one_device(np.arange(0, 100, 5), temperature_c=np.arange(20.0))
    late = one_device(np.arange(1e7, 1e7 + 100, 5), temperature_c=np.arange(20.0))

    np.testing.assert_array_equal(early.age_s, late.age_s)
