"""When each device was last heard, and how often it speaks, in dense tables by slot."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from consumer.batch import Batch
from fleetpulse.alerts import LONGEST_GAP_MS

GAPS = 8  # of a device's newest ones
LONGEST_MS = 120_000  # the slowest cadence that is normal: taken for a device with no gap yet
_NEVER = -1


class Heard:
    """The arrival of each device's newest reading, by our clock, and the gaps between them.

    Gaps are of the device's own clock, since readings that were held up arrive all at once.
    """

    def __init__(self) -> None:
        self.at: NDArray[np.int64] = np.full(0, _NEVER)  # arrival, Unix ms; -1: never
        self.measured_at: NDArray[np.int64] = np.full(0, _NEVER)  # by the device's clock
        self.offset: NDArray[np.int64] = np.full(0, _NEVER)  # of the newest record
        self.live: NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)  # whether it came only now
        self._gaps: NDArray[np.float64] = np.empty((0, GAPS))
        self._next: NDArray[np.int64] = np.zeros(0, dtype=np.int64)  # which gap is given up next

    def note(self, batch: Batch, now: int) -> None:
        """Take in a batch that arrived now."""
        self._grow(int(batch.slots.max(initial=-1)) + 1)
        order = np.argsort(batch.slots, kind="stable")
        # Of equal slots the last one stays.
        self.at[batch.slots] = now
        self.offset[batch.slots[order]] = batch.offsets[order]
        self.live[batch.slots[order]] = ~batch.replayed[order]
        order = order[~batch.late[order]]
        slots, measured_at = batch.slots[order], batch.measured_at[order]
        first = np.ones(len(slots), dtype=np.bool_)
        first[1:] = slots[1:] != slots[:-1]
        before = np.empty(len(slots), dtype=np.int64)
        before[1:] = measured_at[:-1]
        before[first] = self.measured_at[slots[first]]
        gaps = measured_at - before
        self._note_gaps(slots, gaps, (before >= 0) & (gaps > 0) & (gaps <= LONGEST_GAP_MS))
        self.measured_at[slots] = measured_at

    def note_speaking(self, slots: NDArray[np.int64], now: int) -> None:
        """These have spoken, although their records were refused."""
        self._grow(int(slots.max(initial=-1)) + 1)
        self.at[slots] = now
        self.live[slots] = True

    def none_after(self, now: int) -> None:
        """Our clock was set back: what was heard after that moment was heard just now."""
        np.minimum(self.at, now, out=self.at)

    def interval_ms(self, slots: NDArray[np.int64]) -> NDArray[np.float64]:
        """How often each of these speaks.

        The median of its newest gaps, so that a lost reading does not count; but at least the very
        last one: a device that has become slower is known as such from its first gap on.
        """
        gaps = self._gaps[slots]
        known = ~np.isnan(gaps).all(axis=1)
        interval = np.full(len(slots), float(LONGEST_MS))
        last = gaps[np.arange(len(slots)), (self._next[slots] - 1) % GAPS]
        interval[known] = np.fmax(np.nanmedian(gaps[known], axis=1), last[known])
        return interval

    def forget(self, slots: NDArray[np.int64]) -> None:
        """These devices begin anew."""
        known = slots[slots < len(self.at)]
        self.at[known] = self.measured_at[known] = self.offset[known] = _NEVER
        self.live[known] = False
        self._gaps[known] = np.nan
        self._next[known] = 0

    def _note_gaps(
        self, slots: NDArray[np.int64], gaps: NDArray[np.int64], usable: NDArray[np.bool_]
    ) -> None:
        """slots: in order, and of one device in the order of time."""
        slots, gaps = slots[usable], gaps[usable]
        if not len(slots):
            return
        begins = np.flatnonzero(np.diff(slots, prepend=-1))
        counts = np.diff(begins, append=len(slots))
        rank = np.arange(len(slots)) - np.repeat(begins, counts)
        newest = rank >= np.repeat(counts, counts) - GAPS  # so that no place is written twice
        self._gaps[slots[newest], (self._next[slots] + rank)[newest] % GAPS] = gaps[newest]
        self._next[slots[begins]] += counts

    def _grow(self, slots: int) -> None:
        missing = slots - len(self.at)
        if missing > 0:
            room = max(missing, len(self.at), 64)
            never = np.full(room, _NEVER)
            self.at = np.concatenate([self.at, never])
            self.measured_at = np.concatenate([self.measured_at, never])
            self.offset = np.concatenate([self.offset, never])
            self.live = np.concatenate([self.live, np.zeros(room, dtype=np.bool_)])
            self._gaps = np.concatenate([self._gaps, np.full((room, GAPS), np.nan)])
            self._next = np.concatenate([self._next, np.zeros(room, dtype=np.int64)])
