"""What a device has done before: how it heated at a load like this one, and how its load moves.

All look at [buckets, n] columns of a look-back, newest first, 5 s apart; row 0 is the row itself.
Sums are made row by row, so that a row's features do not depend on its company to the last bit.
"""

from __future__ import annotations

import numpy as np

from model.history import BUCKET_S, Floats

SAME_LOAD_PCT = 12.0
LOAD_STEP_PCT = 15.0
_EARLIER = 60 // BUCKET_S  # what is newer says what happens now, not what happened before
_LEAST_SPAN_S = 30.0


def at_same_load(temperature: Floats, load: Floats) -> tuple[Floats, Floats]:
    """How much it heated within 120 s, on average, and how hot it was at most, at such a load.

    Of the buckets that are a minute old or older. NaN: it had no such load then.
    """
    known = temperature.copy()
    known[np.isnan(known)] = -np.inf
    ahead = _hottest_ahead(known)
    n = load.shape[1]
    total, count, hottest = np.zeros(n), np.zeros(n), np.full(n, -np.inf)
    away, rise, least = np.empty(n), np.empty(n), np.full(n, -np.inf)
    with np.errstate(invalid="ignore", divide="ignore"):
        for bucket in range(_EARLIER, len(load)):
            then = known[bucket]
            np.abs(np.subtract(load[bucket], load[0], out=away), out=away)
            same = away < SAME_LOAD_PCT
            np.maximum(hottest, np.where(same, then, least), out=hottest)
            np.subtract(ahead[bucket], then, out=rise)
            same &= np.isfinite(rise)
            total += np.where(same, rise, 0.0)
            count += same
        return total / count, np.where(hottest > -np.inf, hottest, np.nan)


def _hottest_ahead(known: Floats) -> list[Floats]:
    """The highest of the 24 buckets (120 s) after each bucket; -inf: none is known."""
    window = list(known)  # of 1, 2, 4, 8 buckets, each bucket and what is newer
    for size in (1, 2, 4):
        window = _wider(window, window, size)
    sixteen = _wider(window, window, 8)
    return [np.full(known.shape[1], -np.inf), *_wider(sixteen, window, 16)[:-1]]


def _wider(window: list[Floats], newer: list[Floats], by: int) -> list[Floats]:
    return window[:by] + [
        np.maximum(far, near) for far, near in zip(window[by:], newer[:-by], strict=True)
    ]


def load_steps_per_min(load: Floats, age_s: Floats) -> Floats:
    """How often the load changes from sample to sample by more than a little."""
    last, steps, span_s = load[0].copy(), np.zeros(load.shape[1]), np.zeros(load.shape[1])
    for row, age in zip(load[1:], age_s[1:], strict=False):
        seen = ~np.isnan(row)
        with np.errstate(invalid="ignore"):
            steps += np.abs(row - last) > LOAD_STEP_PCT
        np.copyto(last, row, where=seen)
        np.copyto(span_s, age, where=seen)
    return np.where(span_s > 0, 60 * steps / np.maximum(span_s, _LEAST_SPAN_S), np.nan)


def above_mean(past: Floats) -> Floats:
    """How far the row is above the mean of its look-back."""
    total, count = np.zeros(past.shape[1]), np.zeros(past.shape[1])
    for row in past:
        seen = ~np.isnan(row)
        np.add(total, row, out=total, where=seen)
        count += seen
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Floats = total / count
    above: Floats = past[0] - mean
    return above


def since_hottest_s(temperature: Floats, age_s: Floats) -> Floats:
    """How long ago it was as hot as at most in its look-back; NaN without a temperature now."""
    place = np.argmax(np.nan_to_num(temperature, nan=-np.inf), axis=0)[None]
    age: Floats = np.take_along_axis(age_s, place, axis=0)[0]
    return np.where(np.isnan(temperature[0]), np.nan, age)
