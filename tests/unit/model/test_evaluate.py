"""Figures mean what they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.evaluate import (
    Evidence,
    calibration_bins,
    calibration_error,
    false_alarms,
    first_warnings,
    lead_times,
    misses,
    runs_right,
    threshold_for,
    threshold_of_warnings,
    warnings_at,
)
from model.questions import Questions, ask
from model.registry import Source
from model.sessions import Sessions
from tests.unit.model.builders import moments, rows

SOURCE = Source(name="bench", citation="a", licence="b", machines=2, rows=120)


def two_machines() -> Sessions:
    """One reaches 60 °C after 5 minutes, evenly; one stays at 55 °C."""
    seconds = np.arange(0, 600, 10)
    temperature = np.concatenate([40 + seconds / 15, np.full(60, 55.0)])
    return Sessions(
        slots=np.repeat([0, 1], 60),
        measured_at=moments(np.tile(seconds, 2)),
        values=rows(120, temperature_c=temperature, load_pct=50.0),
        kinds=np.ones(120),
        groups=np.repeat(["hot", "calm"], 60),
    )


def evidence_of(chances: dict[str, float]) -> Evidence:
    questions = ask(two_machines(), "heat", [60.0])
    chance = np.array([chances[str(machine)] for machine in questions.groups])
    fold = np.zeros(len(questions), dtype=np.int64)
    return Evidence(source=SOURCE, questions=questions, chance=chance, fold=fold)


def test_what_comes_true_as_often_as_is_said_is_calibrated() -> None:
    chance = np.repeat([0.25, 0.75], 400)
    reached = np.tile([True, False, False, False], 100)
    reached = np.concatenate([reached, ~reached])

    assert calibration_error(reached, chance) == pytest.approx(0.0)
    assert calibration_error(~reached, chance) == pytest.approx(0.5)


def test_bins_are_of_equal_width_and_the_empty_ones_say_nothing() -> None:
    said, happened, share = calibration_bins(
        np.array([True, False, True]), np.array([0.31, 0.39, 1.0])
    )

    assert said[3] == pytest.approx(0.35)
    assert happened[3] == 0.5
    assert share[[3, 9]] == pytest.approx([2 / 3, 1 / 3])
    assert np.isnan(said[5])


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=60))
def test_the_calibration_error_is_between_none_and_all(
    answers: list[tuple[bool, float]],
) -> None:
    reached, chance = (np.array(column) for column in zip(*answers, strict=True))

    assert 0 <= calibration_error(reached, chance) <= 1
    assert calibration_bins(reached, chance)[2].sum() == pytest.approx(1.0)


def test_the_threshold_is_the_lowest_that_is_right_often_enough() -> None:
    chance = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    reached = np.array([False, False, True, True, True])

    assert threshold_for(reached, chance, 0.75, np.ones(5)) == 0.2
    assert threshold_for(reached, chance, 0.8, np.ones(5)) == 0.3


def test_warnings_that_nothing_followed_are_counted_as_runs_and_not_by_their_readings() -> None:
    devices = np.array([0, 0, 0, 0, 1, 1])
    at = moments(np.array([0, 100, 200, 321, 321, 331]))
    warned = np.array([True, True, True, True, True, False])
    right = np.array([False, True, False, False, False, True])

    assert runs_right(devices, at, warned, right).tolist() == [True, False, False]
    assert not len(runs_right(devices, at, np.zeros(6, dtype=np.bool_), right))


@pytest.mark.parametrize("precision", [0.5, 0.9])
def test_the_threshold_of_warnings_is_the_lowest_with_so_many_right_runs(
    precision: float,
) -> None:
    questions = ask(two_machines(), "heat", [60.0])
    before_the_limit = np.clip(np.nan_to_num(1 - questions.seconds / 200), 0.3, 1)
    chance = np.where(questions.groups == "hot", before_the_limit, 0.5)

    threshold = threshold_of_warnings(questions, chance, precision)

    # The calm machine's one long warning is as good as the other's: half are right until it ends.
    assert (threshold > 0.5) == (precision > 0.5)


def test_a_lead_is_counted_from_the_first_warning() -> None:
    questions = ask(two_machines(), "heat", [60.0])

    leads = lead_times(questions, questions.seconds <= 80)

    assert leads.tolist() == [80.0]


def test_a_session_s_first_warning_counts_however_early_it_came() -> None:
    questions = ask(two_machines(), "heat", [60.0])
    hot = questions.groups == "hot"
    early = hot & (questions.measured_at == questions.measured_at[hot].min())
    reached = np.isfinite(questions.seconds)

    (from_early,) = first_warnings(questions, early | reached)
    (from_reached,) = first_warnings(questions, reached)

    assert from_early > from_reached == questions.seconds[reached].max()
    assert not len(first_warnings(questions, ~hot))


def test_a_crossing_that_nothing_was_said_of_is_a_miss() -> None:
    (missed,) = misses("heat", evidence_of({"hot": 0.1, "calm": 0.1}), threshold=0.5)

    assert (missed.machine, missed.limit) == ("hot", 60.0)
    assert missed.quantity[-1] == pytest.approx(60.0, abs=1.0)
    assert not list(misses("heat", evidence_of({"hot": 0.9, "calm": 0.1}), threshold=0.5))


def test_the_worst_false_alarm_is_where_most_was_said_and_nothing_followed() -> None:
    found = list(false_alarms("heat", evidence_of({"hot": 0.2, "calm": 0.9})))

    assert [case.machine for case in found] == ["calm", "hot"]
    assert (found[0].chance == 0.9).all()
    assert found[0].quantity == pytest.approx(55.0)


def without_answers() -> Questions:
    questions = ask(two_machines(), "heat", [60.0])
    return replace(questions, certain=np.zeros(len(questions), dtype=np.bool_))


def test_nobody_is_blamed_for_what_is_not_known() -> None:
    evidence = replace(evidence_of({"hot": 0.9, "calm": 0.9}), questions=without_answers())

    assert not list(false_alarms("heat", evidence))


def test_where_too_little_is_known_nobody_is_warned() -> None:
    evidence = evidence_of({"hot": 0.9, "calm": 0.1})
    unsure = replace(evidence.questions, known=np.zeros(len(evidence.questions), dtype=np.bool_))

    assert warnings_at(evidence.questions, evidence.chance, 0.5)["crossings warned of"] == 1
    assert warnings_at(unsure, evidence.chance, 0.5)["crossings warned of"] == 0
