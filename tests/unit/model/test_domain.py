"""What a model was trained on is known as ranges; a fleet that leaves them has drifted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.domain import DRIFTED, STEADY, DriftCount, Ranges, stability_index
from model.history import Floats


def training() -> Floats:
    """Two features: one spread over 0 to 100, one that most machines lack."""
    rng = np.random.default_rng(1)
    sparse = np.where(rng.random(10_000) < 0.7, np.nan, 5.0)
    return np.stack([rng.uniform(0, 100, 10_000), sparse], axis=1)


def ranges() -> Ranges:
    rows = training()
    return Ranges.of(rows, np.ones(len(rows)))


def counted(features: Floats) -> DriftCount:
    count = DriftCount(ranges())
    count.add(features, np.arange(len(features)))
    return count


def test_of_the_training_itself_hardly_anything_is_outside() -> None:
    outside = ranges().outside(training())

    assert outside[0] == pytest.approx(100, abs=4)
    assert outside[1] == 0


def test_a_fleet_like_the_training_has_not_drifted() -> None:
    assert all(drift.index < STEADY for drift in counted(training()).drifts())


def test_a_fleet_that_is_idler_has_not_drifted() -> None:
    idle = np.stack([np.full(500, 10.0), np.full(500, 5.0)], axis=1)

    assert all(drift.index < STEADY for drift in counted(idle).drifts())


def test_a_feature_that_goes_where_the_training_hardly_was_has_drifted_and_comes_first() -> None:
    rows = training()
    rows[: len(rows) // 4, 0] += 200

    first, second = counted(rows).drifts()

    assert first.feature == 0
    assert first.index >= DRIFTED
    assert first.outside_share == pytest.approx(0.25, abs=0.05)
    assert second.index < STEADY


def test_a_channel_that_fails_has_drifted_unless_machines_often_lack_it() -> None:
    blind = np.full((500, 2), np.nan)

    by_feature = {drift.feature: drift for drift in counted(blind).drifts()}

    assert by_feature[0].outside_share == 1.0
    assert by_feature[1].outside_share == 0.0


def test_weights_count() -> None:
    rows = np.array([[float(value)] for value in range(1_000)])
    weights = np.where(np.arange(1_000) < 500, 1.0, 1e-9)

    assert Ranges.of(rows, weights).table[2, 0] <= 500


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_farther_outside_the_higher_the_index(one: float, other: float) -> None:
    low, high = sorted((one, other))

    assert 0 <= stability_index(low) <= stability_index(high)


def test_a_few_rows_of_a_large_batch_are_looked_at() -> None:
    rows = training()

    assert counted(rows).rows <= 400
