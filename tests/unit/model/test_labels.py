"""The questions that models are trained and judged on have the right answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model.labels import Labels, label
from tests.unit.model.builders import moments


def answers(
    seconds: Sequence[float], quantity: Sequence[float], slots: Sequence[int] | None = None
) -> Labels:
    of = np.zeros(len(seconds), np.int64) if slots is None else np.array(slots)
    return label(of, moments(seconds), np.array(quantity, np.float64), 80.0)


def test_a_limit_that_is_reached_within_120_s_is_reached() -> None:
    found = answers([0, 10, 130, 140], [60, 70, 80, 90])

    assert found.reached.tolist() == [False, True, True, False]
    assert found.seconds[1:3].tolist() == [120, 10]
    assert found.below.tolist() == [True, True, False, False]


def test_the_first_crossing_counts() -> None:
    assert answers([0, 10, 20, 30], [70, 85, 70, 85]).seconds[[0, 2]].tolist() == [10, 10]


def test_another_session_answers_nothing() -> None:
    found = answers([0, 10, 0, 10], [70, 70, 85, 85], [0, 0, 1, 1])

    assert not found.reached[:2].any()


def test_a_session_that_ends_early_leaves_the_answer_open() -> None:
    found = answers([0, 60, 121], [70, 70, 70])

    assert found.certain.tolist() == [True, False, False]
    assert answers([0, 60], [70, 80]).certain[0]


def test_a_question_needs_a_later_row_within_120_s() -> None:
    assert answers([0, 121, 241, 242], [70] * 4).followed.tolist() == [False, True, True, False]


def test_a_missing_value_is_below_nothing_and_reaches_nothing() -> None:
    found = answers([0, 10, 20], [np.nan, 70, 85])

    assert not found.below[0]
    assert found.reached[1]
