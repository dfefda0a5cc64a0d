"""Which minutes and hours of which devices are over, so that the store can roll them up.

The store works a rollup out from the readings that it has, so it does not matter how often a
bucket is named here, only that it is named once more after its last reading. A bucket is over when
its device goes on to another one, or has said nothing for a while. A late reading names its old
bucket again. After a restart the refill brings back the open buckets: it reaches further back than
a bucket stays open.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from consumer.batch import Batch
from consumer.roster import Roster
from fleetpulse.clock import Clock
from fleetpulse.stores.protocols import BUCKET_MS, Bucket

SILENT_MS = 90_000  # by our clock: then a device's open buckets are rolled as they are
_LOOK_MS = 10_000
_SHIFT = 32  # bits for the number of a bucket; above them is the slot


class Buckets:
    """The open buckets of one length, by slot."""

    def __init__(self, length_ms: int) -> None:
        self._length_ms = length_ms
        self._open: NDArray[np.int64] = np.zeros(0, dtype=np.int64)  # number of the bucket
        self._waits: NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)  # for its rollup

    def closed_by(
        self, slots: NDArray[np.int64], measured_at: NDArray[np.int64]
    ) -> list[tuple[int, int]]:
        """The buckets (slot, beginning in ms) that are over with these readings."""
        self._grow(int(slots.max(initial=-1)) + 1)
        numbers = measured_at // self._length_ms
        touched = np.unique(slots)
        before = touched[self._waits[touched]]
        named = np.unique(np.concatenate([_key(slots, numbers), _key(before, self._open[before])]))
        self._open[slots] = numbers  # of equal slots the last one stays
        self._waits[touched] = True
        owners = named >> _SHIFT
        over = named[(named & (2**_SHIFT - 1)) != self._open[owners]]
        return self._named(over >> _SHIFT, over & (2**_SHIFT - 1))

    def close(self, slots: NDArray[np.int64]) -> list[tuple[int, int]]:
        """The open buckets of these slots that wait, as if they were over."""
        known = slots[slots < len(self._waits)]
        waiting = known[self._waits[known]]
        self._waits[waiting] = False
        return self._named(waiting, self._open[waiting])

    def _named(self, slots: NDArray[np.int64], numbers: NDArray[np.int64]) -> list[tuple[int, int]]:
        return list(zip(slots.tolist(), (numbers * self._length_ms).tolist(), strict=True))

    def _grow(self, slots: int) -> None:
        missing = slots - len(self._open)
        if missing > 0:
            room = max(missing, len(self._open), 64)
            self._open = np.concatenate([self._open, np.zeros(room, dtype=np.int64)])
            self._waits = np.concatenate([self._waits, np.zeros(room, dtype=np.bool_)])


class RollUp:
    """The stage: names what is to be rolled up once the batch is stored.

    keep_ms: how long single readings are kept; what is older may be gone in part, and its rollup
    stays as it is.
    """

    def __init__(self, roster: Roster, clock: Clock, keep_ms: int) -> None:
        self._roster, self._clock, self._keep_ms = roster, clock, keep_ms
        self._buckets = {length: Buckets(ms) for length, ms in BUCKET_MS.items()}
        self._heard_at: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._looked_at = clock.now_ms()

    def __call__(self, batch: Batch) -> Batch:
        """The batch with the buckets that are over."""
        now = self._clock.now_ms()
        closed = {
            resolution: buckets.closed_by(batch.slots, batch.measured_at)
            for resolution, buckets in self._buckets.items()
        }
        self._hear(batch.slots, now)
        if abs(now - self._looked_at) >= _LOOK_MS:
            self._looked_at = now
            silent = np.flatnonzero(np.abs(now - self._heard_at) >= SILENT_MS)
            for resolution, buckets in self._buckets.items():
                closed[resolution] += buckets.close(silent)
        return replace(
            batch,
            closed={
                resolution: self._kept(found, now - self._keep_ms)
                for resolution, found in closed.items()
            },
        )

    def _hear(self, slots: NDArray[np.int64], now: int) -> None:
        missing = len(self._roster) - len(self._heard_at)
        if missing > 0:
            room = np.full(max(missing, len(self._heard_at), 64), now, dtype=np.int64)
            self._heard_at = np.concatenate([self._heard_at, room])
        self._heard_at[slots] = now

    def _kept(self, found: list[tuple[int, int]], oldest: int) -> list[Bucket]:
        ids = self._roster.device_ids
        return [(ids[slot], start) for slot, start in found if start >= oldest]


def _key(slots: NDArray[np.int64], numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    return (slots << _SHIFT) | numbers
