"""Warnings held against what happened: every figure by hand on a few readings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from model.judging import Answers, Judgement, Watched

EVERY_S = 10


def answers(*devices: Sequence[float]) -> Answers:
    """Devices whose readings, 10 s apart, were so far below the limit."""
    rooms = [np.array(room, dtype=np.float64) for room in devices]
    return Answers(
        Watched(
            slots=np.repeat(np.arange(len(rooms)), [len(room) for room in rooms]),
            measured_at=np.concatenate([np.arange(len(room)) * EVERY_S * 1000 for room in rooms]),
            room=np.concatenate(rooms),
        )
    )


def judged(room: Sequence[float], score: Sequence[float]) -> Judgement:
    return answers(room).judge(np.array(score), 0.5)


def test_a_warning_before_the_limit_is_right_and_one_without_it_false() -> None:
    found = judged([30, 20, 10, 0] + [50] * 20, [0, 1, 1] + [0] * 17 + [1] + [0] * 3)

    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == pytest.approx(2 / 3)
    assert (found.crossings, found.warned_crossings, found.median_lead_s) == (1, 1, 20.0)
    assert found.false_alarms == 1


def test_a_limit_that_comes_later_than_the_horizon_was_not_warned_of() -> None:
    found = judged([9] * 14 + [0], [1] + [0] * 14)

    assert (found.precision, found.recall) == (0.0, 0.0)
    assert (found.crossings, found.warned_crossings, found.median_lead_s) == (1, 0, None)


def test_what_is_at_the_limit_already_is_no_question() -> None:
    found = judged([0, 0, 5, 5], [1, 1, 0, 0])

    assert found.precision is None
    assert found.recall is None
    assert found.average_precision is None


def test_a_run_of_false_warnings_is_one_false_alarm_until_it_pauses() -> None:
    score = [1, 1, 1] + [0] * 14 + [1] + [0] * 4

    assert judged([50] * 22, score).false_alarms == 2


def test_a_run_that_becomes_right_is_no_false_alarm() -> None:
    found = judged([50] * 8 + [9] * 8 + [0], [1] * 16 + [0])

    assert found.false_alarms == 0
    assert found.precision == pytest.approx(12 / 16)


def test_false_alarms_are_counted_per_day_that_a_device_was_watched() -> None:
    two = answers([50] * 8_641, [50] * 8_641)  # a day each

    found = two.judge(np.tile([1] + [0] * 8_640, 2), 0.5)

    assert found.false_alarms == 2
    assert found.false_alarms_per_device_day == pytest.approx(1.0)


def test_devices_do_not_answer_for_each_other() -> None:
    found = answers([5, 5, 5], [5, 0, 5]).judge(np.array([1, 1, 1, 0, 0, 0]), 0.5)

    assert found.precision == 0.0
    assert (found.crossings, found.warned_crossings) == (1, 0)


def test_the_order_of_rows_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    room, score = rng.uniform(-5, 20, 200), rng.uniform(0, 1, 200)
    slots, at = np.repeat(np.arange(4), 50), np.tile(np.arange(50) * 10_000, 4)
    mixed = rng.permutation(200)

    first = Answers(Watched(slots=slots, measured_at=at, room=room)).judge(score, 0.5)
    second = Answers(Watched(slots=slots[mixed], measured_at=at[mixed], room=room[mixed])).judge(
        score[mixed], 0.5
    )

    assert first == second


def test_what_is_not_known_warns_of_nothing() -> None:
    found = judged([20, 10, 0], [np.nan, np.nan, np.nan])

    assert found.warned_crossings == 0
    assert found.precision is None
    assert found.recall == 0.0
