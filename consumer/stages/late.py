"""Whose readings come in a wrong order, and why: they are late, or the device's clock was set back.

A late reading is stored, but judges nothing. After a clock was set back, time goes on from there:
what the device said before is of another time.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from consumer.batch import Batch
from fleetpulse.clock import Clock
from fleetpulse.stores.protocols import ClockAhead

SET_BACK_MS = 60_000  # less is what a time server does now and then, and leaves the look-back whole


class Order:
    """The stage; it knows the newest reading of each device."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._latest = clock, Latest()

    def __call__(self, batch: Batch) -> Batch:
        """The batch with who is late, whose clock was set back, and word of that for its owner."""
        late, back_ms = self._latest.late(batch.slots, batch.measured_at, batch.seq)
        set_back = back_ms > SET_BACK_MS
        now = self._clock.now_ms()
        found = [
            ClockAhead(
                device_id=batch.device_ids[row],
                kind=batch.kinds[row],
                ahead_ms=-int(back_ms[row]),
                at=now,
            )
            for row in np.flatnonzero(set_back & ~batch.replayed).tolist()
        ]
        return replace(
            batch, late=late, set_back=set_back, clocks_ahead=[*batch.clocks_ahead, *found]
        )

    def forget(self, slots: NDArray[np.int64]) -> None:
        """These devices begin anew."""
        self._latest.forget(slots)


class Latest:
    """The newest reading of each device so far, by slot."""

    def __init__(self) -> None:
        self._at: NDArray[np.int64] = np.full(0, -1, dtype=np.int64)
        self._seq: NDArray[np.int64] = np.full(0, -1, dtype=np.int64)

    def late(
        self, slots: NDArray[np.int64], measured_at: NDArray[np.int64], seq: NDArray[np.int64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """[n] each, in the order of arrival: who is late, and how far a clock was set back, in ms.

        A reading is late when a newer one of its device came before. One that is older by the clock
        but has a higher `seq` is not: the device's clock was set back, and its time goes on from
        there.
        """
        self._grow(int(slots.max(initial=-1)) + 1)
        late = np.zeros(len(slots), dtype=np.bool_)
        back_ms = np.zeros(len(slots), dtype=np.int64)
        order = np.argsort(slots, kind="stable")
        first = np.ones(len(slots), dtype=np.bool_)
        first[1:] = slots[order][1:] != slots[order][:-1]
        before = np.empty(len(slots), dtype=np.int64)
        before[1:] = measured_at[order][:-1]
        before[first] = self._at[slots[order][first]]
        backwards = np.unique(slots[order][measured_at[order] < before])
        for row in np.flatnonzero(np.isin(slots, backwards)).tolist():
            slot, at = int(slots[row]), int(measured_at[row])
            behind_ms = int(self._at[slot]) - at
            late[row] = behind_ms > 0 and seq[row] <= self._seq[slot]
            if not late[row]:
                back_ms[row] = max(0, behind_ms)
                self._at[slot], self._seq[slot] = at, seq[row]
        steady = order[~np.isin(slots[order], backwards)]
        self._at[slots[steady]] = measured_at[steady]  # of equal slots the last one stays
        self._seq[slots[steady]] = seq[steady]
        return late, back_ms

    def forget(self, slots: NDArray[np.int64]) -> None:
        """These devices begin anew."""
        known = slots[slots < len(self._at)]
        self._at[known] = -1
        self._seq[known] = -1

    def _grow(self, slots: int) -> None:
        missing = slots - len(self._at)
        if missing > 0:
            room = np.full(max(missing, len(self._at), 64), -1, dtype=np.int64)
            self._at = np.concatenate([self._at, room])
            self._seq = np.concatenate([self._seq, room])
