"""What the predictor says of rows, and when it says that it does not know."""

from __future__ import annotations

import numpy as np
import pytest

from fleetpulse.telemetry import CHANNEL_NAMES, COLUMN
from model.domain import DRIFTED
from model.features import FEATURES
from model.history import Floats
from model.predictor import FleetPredictor, Scores, load_predictor
from tests.unit.model.builders import moments, rows


@pytest.fixture
def predictor() -> FleetPredictor:
    return load_predictor()


def score(
    predictor: FleetPredictor,
    seconds: Floats,
    values: Floats,
    *,
    heat: float = 80.0,
    overload: float = 95.0,
) -> Scores:
    count = len(values)
    limits = {"heat": np.full(count, heat), "overload": np.full(count, overload)}
    slots = np.zeros(count, np.int64)
    return predictor.score(slots, ["raspberry"] * count, moments(seconds), values, limits)


def heating(count: int = 30) -> tuple[Floats, Floats]:
    """A Pi under full load that comes nearer to 80 °C by the minute."""
    seconds = np.arange(0, 5 * count, 5.0)
    busy = seconds >= 20
    temperature = 48 + np.where(busy, 42 * (1 - np.exp(-(seconds - 20) / 70)), 0)
    load = np.where(busy, 99.0, 4.0)
    return seconds, rows(count, temperature_c=temperature, load_pct=load, clock_ghz=1.8)


def test_little_history_is_unknown_never_calm(predictor: FleetPredictor) -> None:
    seconds, values = heating(4)

    scores = score(predictor, seconds, values)

    for chances in scores.probability.values():
        assert np.isnan(chances[:2]).all()
        assert not np.isnan(chances[2:]).any()


def test_a_machine_without_a_thermometer_is_predicted_for_overload(
    predictor: FleetPredictor,
) -> None:
    seconds = np.arange(0, 100, 5.0)

    scores = score(predictor, seconds, rows(20, load_pct=100.0))

    assert np.isnan(scores.probability["heat"]).all()
    assert not np.isnan(scores.probability["overload"][2:]).any()


def test_a_value_that_is_missing_now_is_unknown_now(predictor: FleetPredictor) -> None:
    seconds, values = heating(20)
    values[-1, CHANNEL_NAMES.index("temperature_c")] = np.nan

    chances = score(predictor, seconds, values).probability["heat"]

    assert np.isnan(chances[-1])
    assert not np.isnan(chances[-2])


def test_a_rule_without_a_limit_is_not_asked(predictor: FleetPredictor) -> None:
    seconds, values = heating()

    scores = score(predictor, seconds, values, overload=float("nan"))

    assert np.isnan(scores.probability["overload"]).all()
    assert np.isfinite(scores.probability["heat"][2:]).all()


def test_at_the_limit_it_is_certain_even_without_history(predictor: FleetPredictor) -> None:
    scores = score(predictor, np.zeros(1), rows(1, temperature_c=81.0))

    assert scores.probability["heat"].tolist() == [1.0]
    assert scores.expected_s["heat"].tolist() == [0.0]


def test_far_from_the_limit_the_chance_is_next_to_nothing(predictor: FleetPredictor) -> None:
    seconds = np.arange(0, 100, 5.0)

    scores = score(predictor, seconds, rows(20, temperature_c=30.0, load_pct=5.0))

    assert scores.probability["heat"][-1] < 0.02
    assert np.isnan(scores.expected_s["heat"][-1])


def test_the_expected_time_lies_within_the_horizon(predictor: FleetPredictor) -> None:
    seconds, values = heating()

    expected = score(predictor, seconds, values).expected_s["heat"]

    known = expected[~np.isnan(expected)]
    assert len(known)
    assert ((known >= 0) & (known <= 120)).all()


def test_a_lower_limit_makes_the_same_machine_likelier_to_reach_it(
    predictor: FleetPredictor,
) -> None:
    seconds, values = heating(14)

    strict = score(load_predictor(), seconds, values, heat=70.0).probability["heat"][-1]
    lenient = score(load_predictor(), seconds, values, heat=95.0).probability["heat"][-1]

    assert strict > predictor.thresholds["heat"] > lenient


def test_the_causes_of_a_warning_are_words_with_numbers(predictor: FleetPredictor) -> None:
    seconds, values = heating(22)
    scores = score(predictor, seconds, values)
    row = int(np.flatnonzero(scores.probability["heat"] >= predictor.thresholds["heat"])[0])

    (causes,) = predictor.causes(scores, "heat", [row])

    assert len(causes) in {2, 3}  # what lowers the chance is no cause
    assert all(any(letter.isdigit() for letter in cause) for cause in causes)
    assert any("below the limit" in cause or "heating" in cause for cause in causes)


def test_causes_never_speak_of_what_the_machine_lacks(predictor: FleetPredictor) -> None:
    seconds = np.arange(0, 100, 5.0)
    scores = score(predictor, seconds, rows(20, load_pct=np.linspace(20, 100, 20)))

    for rule in ("heat", "overload"):
        assert not any("nan" in cause for cause in predictor.causes(scores, rule, [19])[0])


def test_rows_of_many_devices_at_once_score_as_they_do_alone() -> None:
    seconds, values = heating(24)
    together, alone = load_predictor(), load_predictor()
    limits = {"heat": np.full(24, 80.0), "overload": np.full(24, 95.0)}

    slots = np.arange(24) % 3
    at_once = together.score(slots, ["raspberry"] * 24, moments(seconds), values, limits)
    for row in range(24):
        one = slice(row, row + 1)
        found = alone.score(
            slots[one],
            ["raspberry"],
            moments(seconds)[one],
            values[one],
            {rule: limit[one] for rule, limit in limits.items()},
        )
        for rule in limits:
            np.testing.assert_array_equal(found.probability[rule], at_once.probability[rule][one])
            np.testing.assert_array_equal(found.expected_s[rule], at_once.expected_s[rule][one])


def test_a_restart_that_remembers_the_window_changes_nothing() -> None:
    seconds, values = heating(30)
    whole = score(load_predictor(), seconds, values)

    restarted = load_predictor()
    score(restarted, seconds[:20], values[:20])
    rest = score(restarted, seconds[20:], values[20:])

    np.testing.assert_array_equal(rest.probability["heat"], whole.probability["heat"][20:])
    np.testing.assert_array_equal(rest.load_mean_60s, whole.load_mean_60s[20:])


def test_no_rows_are_no_scores(predictor: FleetPredictor) -> None:
    scores = score(predictor, np.empty(0), rows(0))

    assert len(scores.probability["heat"]) == 0


def test_the_version_names_both_models(predictor: FleetPredictor) -> None:
    assert len(predictor.version.split("+")) == 2


def test_after_a_gap_of_more_than_two_and_a_half_minutes_nothing_is_known() -> None:
    seconds = np.array([0.0, 5, 10, 15, 160, 165, 320])
    found = score(load_predictor(), seconds, rows(7, temperature_c=60.0, load_pct=50.0))

    unknown = np.isnan(found.probability["heat"])

    assert unknown.tolist() == [True, True, False, False, False, False, True]


def test_a_fleet_like_the_training_s_has_not_drifted_and_one_with_dead_sensors_has() -> None:
    calm, broken = load_predictor(), load_predictor()
    for number in range(30):
        seconds, values = heating(400)
        score(calm, seconds + 10_000 * number, values)
        values[:, COLUMN["load_pct"]] = np.nan
        score(broken, seconds + 10_000 * number, values)

    names = {
        name: {
            FEATURES["heat"][drift.feature].name
            for drift in predictor.drifts()["heat"]
            if drift.index >= DRIFTED
        }
        for name, predictor in (("calm", calm), ("broken", broken))
    }

    assert "load_pct" in names["broken"]
    assert "load_pct" not in names["calm"]


def test_drift_is_answered_once_enough_was_counted() -> None:
    predictor = load_predictor()
    seconds, values = heating(50)
    score(predictor, seconds, values)

    assert predictor.drifts() == {}


def test_what_was_normal_before_is_known_from_the_next_score_on() -> None:
    predictor = load_predictor()
    seconds, values = heating(3)
    score(predictor, seconds, values)

    predictor.learn(0, 2**40, [12.0, 40.0, np.nan], 24.0)
    scores = score(predictor, seconds + 20, values)

    assert scores.normals[-1, :2].tolist() == [12.0, 40.0]
