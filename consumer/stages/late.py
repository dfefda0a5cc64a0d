"""Which readings come after a newer one of the same device: they are stored, but judge nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Latest:
    """The newest reading of each device so far, by slot."""

    def __init__(self) -> None:
        self._at: NDArray[np.int64] = np.full(0, -1, dtype=np.int64)
        self._seq: NDArray[np.int64] = np.full(0, -1, dtype=np.int64)

    def late(
        self, slots: NDArray[np.int64], measured_at: NDArray[np.int64], seq: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """[n] in the order of arrival: whether a newer one of its device came before.

        A reading that is older by the clock but has a higher `seq` is not late: the device's clock
        was set back, and its time goes on from there.
        """
        self._grow(int(slots.max(initial=-1)) + 1)
        late = np.zeros(len(slots), dtype=np.bool_)
        order = np.argsort(slots, kind="stable")
        first = np.ones(len(slots), dtype=np.bool_)
        first[1:] = slots[order][1:] != slots[order][:-1]
        before = np.empty(len(slots), dtype=np.int64)
        before[1:] = measured_at[order][:-1]
        before[first] = self._at[slots[order][first]]
        backwards = np.unique(slots[order][measured_at[order] < before])
        for row in np.flatnonzero(np.isin(slots, backwards)).tolist():
            late[row] = self._is_late(int(slots[row]), int(measured_at[row]), int(seq[row]))
        steady = order[~np.isin(slots[order], backwards)]
        self._at[slots[steady]] = measured_at[steady]  # of equal slots the last one stays
        self._seq[slots[steady]] = seq[steady]
        return late

    def forget(self, slots: NDArray[np.int64]) -> None:
        """These devices begin anew."""
        known = slots[slots < len(self._at)]
        self._at[known] = -1
        self._seq[known] = -1

    def _is_late(self, slot: int, measured_at: int, seq: int) -> bool:
        if measured_at < self._at[slot] and seq <= self._seq[slot]:
            return True
        self._at[slot], self._seq[slot] = measured_at, seq
        return False

    def _grow(self, slots: int) -> None:
        missing = slots - len(self._at)
        if missing > 0:
            room = np.full(max(missing, len(self._at), 64), -1, dtype=np.int64)
            self._at = np.concatenate([self._at, room])
            self._seq = np.concatenate([self._seq, room])
