"""What a model was trained on, as ranges: rows that are far outside, and fleets that drift out.

A fleet that is idler than the training's is no drift: the model knows such rows. Drift is that many
rows are where the training hardly was, so that nobody knows what the model says there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.history import Bools, Floats, Int64s

# Of the training's values, so many are outside: it was hardly trained there.
OUTSIDE_SHARE = 0.01
# "Population stability index" from which on a population has shifted (Siddiqi, Credit Risk
# Scorecards, 2006: 0.25; below 0.1 it has not).
DRIFTED, STEADY = 0.25, 0.1
LEAST_ROWS = 5_000
_ROWS_A_BATCH = 200  # are looked at: drift is slow, and rows of a batch are much alike
_STRANGE_C = 15.0  # past the coldest or hottest reading of the training


@dataclass(frozen=True, slots=True)
class Ranges:
    """Where the training's values were, by feature, [F] each."""

    table: Floats  # [5, F]: lowest, low, high, highest, and whether it may be missing

    @classmethod
    def of(cls, features: Floats, weights: Floats) -> Ranges:
        """The ranges of [m, F] rows that count as much as their weights say."""
        columns = [_range_of(column, weights) for column in features.T]
        return cls(np.array(columns).T)

    def outside(self, features: Floats) -> NDArray[np.int64]:
        """How many of [n, F] rows are where the training hardly was, by feature."""
        _, low, high, _, may_miss = self.table
        missing = np.isnan(features)
        with np.errstate(invalid="ignore"):
            out = (features < low) | (features > high) | (missing & (may_miss == 0))
        count: NDArray[np.int64] = out.sum(axis=0)
        return count

    def strange(self, values: Floats, feature: int) -> Bools:
        """[n], which temperatures are far from all that the training had; NaN is not."""
        with np.errstate(invalid="ignore"):
            out: Bools = (values < self.table[0, feature] - _STRANGE_C) | (
                values > self.table[3, feature] + _STRANGE_C
            )
        return out


def _range_of(column: Floats, weights: Floats) -> tuple[float, float, float, float, float]:
    known = ~np.isnan(column)
    missing_share = float(weights[~known].sum() / weights.sum())
    if not known.any():
        return (-math.inf, -math.inf, math.inf, math.inf, 1.0)
    order = np.argsort(column[known], kind="stable")
    values = column[known][order]
    shares = np.cumsum(weights[known][order]) / weights[known].sum()
    low, high = np.searchsorted(shares, (OUTSIDE_SHARE / 2, 1 - OUTSIDE_SHARE / 2))
    return (
        float(values[0]),
        float(values[low]),
        float(values[min(high, len(values) - 1)]),
        float(values[-1]),
        float(missing_share >= OUTSIDE_SHARE),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A feature that a fleet has elsewhere than the training had it."""

    feature: int
    outside_share: float  # of the fleet's rows
    index: float  # population stability index of outside and inside


class DriftCount:
    """Counts a fleet's rows against a model's ranges."""

    def __init__(self, ranges: Ranges) -> None:
        self._ranges = ranges
        self._outside: NDArray[np.int64] = np.zeros(ranges.table.shape[1], dtype=np.int64)
        self.rows = 0

    def add(self, features: Floats, rows: Int64s) -> None:
        """Count some of these rows of [n, F], evenly spread."""
        some = rows[:: max(1, len(rows) // _ROWS_A_BATCH)]
        self._outside += self._ranges.outside(features[some])
        self.rows += len(some)

    def drifts(self) -> Sequence[Drift]:
        """Of every feature, the farthest first."""
        shares = self._outside / max(1, self.rows)
        found = [
            Drift(feature=feature, outside_share=float(share), index=stability_index(float(share)))
            for feature, share in enumerate(shares)
        ]
        return sorted(found, key=lambda drift: -drift.index)


def stability_index(outside_share: float) -> float:
    """How far so much outside is from what the training had: sum of (a - e) ln(a / e).

    Being outside less often than the training is no drift.
    """
    if outside_share <= OUTSIDE_SHARE:
        return 0.0
    shares = ((outside_share, OUTSIDE_SHARE), (1 - outside_share, 1 - OUTSIDE_SHARE))
    return sum((now - then) * math.log(max(now, 1e-6) / then) for now, then in shares)
