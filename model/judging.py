"""How good a way of warning is: warnings of many devices held against what happened then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from model.evaluate import average_precision, runs_right
from model.history import Floats, Int64s
from model.labels import label

DAY_S = 86_400.0
_ROWS_AT_ONCE = 500_000
LONGEST_GAP_S = 300.0  # between two readings of a device that was watched all the time


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """n readings of many devices, in any order, and how one rule sees them."""

    slots: Int64s | NDArray[np.int32]  # [n], of the devices
    measured_at: Int64s  # [n], Unix ms
    room: (
        Floats | NDArray[np.float32]
    )  # [n], how far below the limit, in the rule's unit; NaN: not known

    def __len__(self) -> int:
        return len(self.slots)


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What warnings were worth. None: there was nothing to divide by."""

    average_precision: float | None
    precision: float | None  # of the warned readings, those that the limit followed in time
    recall: float | None  # of the readings that the limit followed in time, the warned ones
    crossings: int  # times that a limit was reached
    warned_crossings: int  # of these, those with a warning before
    median_lead_s: float | None  # from the first warning within the horizon to the crossing
    false_alarms: int  # runs of warnings that no crossing followed
    false_alarms_per_device_day: float | None


@dataclass(slots=True)
class Answers:
    """What happened after each reading of one rule."""

    watched: Watched
    order: NDArray[np.int32] = field(init=False)  # by device and time
    # [n] each, in that order. Asked: the reading is below the limit, and another follows in time.
    asked: NDArray[np.bool_] = field(init=False)
    reached: NDArray[np.bool_] = field(init=False)
    seconds: NDArray[np.float32] = field(init=False)
    device_days: float = field(init=False)

    def __post_init__(self) -> None:
        watched, rows = self.watched, len(self.watched)
        self.order = np.lexsort((watched.measured_at, watched.slots)).astype(np.int32)
        self.asked, self.reached = np.zeros(rows, np.bool_), np.zeros(rows, np.bool_)
        self.seconds, self.device_days = np.empty(rows, np.float32), 0.0
        for part in self._devices():
            places = self.order[part]
            slots, at = watched.slots[places].astype(np.int64), watched.measured_at[places]
            found = label(slots, at, -watched.room[places], 0.0)
            self.asked[part] = found.below & found.followed
            self.reached[part], self.seconds[part] = found.reached, found.seconds
            gap_s = np.diff(at) / 1000.0
            known = (np.diff(slots) == 0) & (gap_s <= LONGEST_GAP_S)
            self.device_days += float(gap_s[known].sum()) / DAY_S

    def _devices(self) -> Iterator[slice]:
        """All rows in that order, some whole devices at a time: millions need no more memory."""
        slots = self.watched.slots[self.order]
        begins = np.flatnonzero(np.append(True, slots[1:] != slots[:-1])[: len(slots)])
        wanted = np.arange(0, len(slots), _ROWS_AT_ONCE)
        if not len(wanted):
            return
        starts = np.unique(begins[np.searchsorted(begins, wanted, side="right") - 1])
        for start, end in zip(starts, np.append(starts[1:], len(slots)), strict=True):
            yield slice(int(start), int(end))

    def judge(self, score: Floats | NDArray[np.float32], threshold: float) -> Judgement:
        """What warnings would have been worth that begin at this score (NaN: none); [n]."""
        score = score[self.order]
        asked, reached = self.asked, self.reached & self.asked
        with np.errstate(invalid="ignore"):
            warned = (score >= threshold) & asked
        right = warned & reached
        crossings = self._crossings(reached)
        leads = [float(self.seconds[rows][right[rows]].max(initial=0.0)) for rows in crossings]
        found = [lead for lead in leads if lead > 0]
        slots, at = self.watched.slots[self.order], self.watched.measured_at[self.order]
        false = int((~runs_right(slots, at, warned, right)).sum())
        return Judgement(
            average_precision=(
                average_precision(reached[asked], score[asked]) if reached.any() else None
            ),
            precision=_share(right, warned),
            recall=_share(right, reached),
            crossings=len(crossings),
            warned_crossings=len(found),
            median_lead_s=float(np.median(found)) if found else None,
            false_alarms=false,
            false_alarms_per_device_day=false / self.device_days if self.device_days else None,
        )

    def _crossings(self, reached: NDArray[np.bool_]) -> Sequence[Int64s]:
        """Of each time that a limit was reached, the rows that it followed in time."""
        rows = np.flatnonzero(reached)
        at = self.watched.measured_at[self.order][rows] + np.round(1000 * self.seconds[rows])
        keys = np.stack([self.watched.slots[self.order][rows], at.astype(np.int64)])
        _, crossing = np.unique(keys, axis=1, return_inverse=True)
        places = np.argsort(crossing.ravel(), kind="stable")
        ends = np.cumsum(np.bincount(crossing.ravel()))
        return [part for part in np.split(rows[places], ends) if len(part)]


def _share(part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float | None:
    return float(part.sum() / whole.sum()) if whole.any() else None
