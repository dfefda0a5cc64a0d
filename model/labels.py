"""What the models are asked: will the limit be reached within the horizon?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleetpulse.alerts import HORIZON_S
from model.history import Floats, Int64s


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """The answers, by row."""

    reached: NDArray[np.bool_]  # the limit, by a later reading within the horizon
    seconds: Floats  # until then; NaN where it was not reached
    below: NDArray[np.bool_]  # the row itself is below the limit: only then is it a question
    followed: NDArray[np.bool_]  # there is a later reading within the horizon
    certain: NDArray[np.bool_]  # reached, or seen not to be: the session goes on past the horizon


def label(
    slots: Int64s,
    measured_at: Int64s,
    quantity: Floats | NDArray[np.float32],
    limit: float,
    horizon_s: float = HORIZON_S,
) -> Labels:
    """The answers for rows in order of (slot, measured_at); NaN quantities reach nothing."""
    horizon_ms = round(1000 * horizon_s)
    # Sessions one after the other on one time axis, far enough apart never to meet.
    length = int(np.ptp(measured_at)) + horizon_ms + 1 if len(slots) else 1
    at = measured_at - measured_at.min(initial=0) + slots * length
    over = quantity >= limit
    crossing = _next(np.where(over, at, np.iinfo(np.int64).max))
    wait = crossing - at
    reached = (crossing < np.iinfo(np.int64).max) & (wait <= horizon_ms)
    last = np.flatnonzero(np.append(slots[1:] != slots[:-1], True)[: len(slots)])
    ends = at[last[np.searchsorted(last, np.arange(len(slots)))]]
    following = _next(np.where(np.isnan(quantity), np.iinfo(np.int64).max, at))
    return Labels(
        reached=reached,
        seconds=np.where(reached, wait / 1000.0, np.nan),
        below=quantity < limit,
        followed=following - horizon_ms <= at,
        certain=reached | (ends - at >= horizon_ms),
    )


def _next(times: Int64s) -> Int64s:
    """The smallest of what comes after each place."""
    smallest = np.minimum.accumulate(times[::-1])[::-1]
    return np.append(smallest[1:], np.iinfo(np.int64).max)[: len(times)]
