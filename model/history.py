"""The recent samples of every device, in dense arrays, and what each new row can look back on.

Time is cut into absolute buckets of 5 seconds. Of each bucket the newest sample is kept, for the 64
newest buckets of a device. A row's look-back is the row itself and the kept samples of the buckets
before its own: never of its own bucket, so that nothing depends on how rows were cut into batches,
and a history refilled after a restart gives the same features to the last bit.

A device whose clock is set back begins anew: what it said before is of another time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleetpulse.telemetry import COLUMN

BUCKET_S = 5
BUCKETS = 64
WINDOW_S = BUCKET_S * BUCKETS
_BUCKET_MS = BUCKET_S * 1000
_NEVER_MS = -(2**62)  # far from every time that can be asked for
_NEVER = _NEVER_MS // _BUCKET_MS

# How many buckets features look back on, by channel; the others are known only as they are now.
DEPTHS: Mapping[str, int] = {
    "temperature_c": BUCKETS,
    "load_pct": BUCKETS,
    "power_w": 25,
    "clock_ghz": 13,
    "load_1m": 13,
}
_KEPT = np.array([COLUMN[name] for name in DEPTHS])
_BACK = np.arange(BUCKETS, dtype=np.int64)[:, None]  # 0: the row itself

Int64s = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """What n rows can look back on; axis 0 goes back one bucket at a time and 0 is the row itself.

    NaN: no sample in that bucket, or the machine lacks the channel.
    """

    values: Floats  # [n, channels], the rows themselves
    age_s: Floats  # [BUCKETS, n]
    past: Mapping[str, Floats]  # by channel, [its depth, n]

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True)
class _Pass:
    """Rows sorted by device, in the order of arrival, each device's times never falling."""

    rows: Int64s  # where they stand in the batch
    slots: Int64s
    at: Int64s  # measured_at
    buckets: Int64s
    kept: Floats  # [len(DEPTHS), n]

    def firsts(self) -> Bools:
        """Which rows are the first of their device."""
        return _differs_from_previous(self.slots)

    def lasts_of_bucket(self) -> Bools:
        """Which rows are the newest of their device and bucket."""
        starts = self.firsts() | _differs_from_previous(self.buckets)
        return np.append(starts[1:], True)[: len(starts)]


class History:
    """The last WINDOW_S seconds of every device, thinned to one sample per 5 seconds.

    A device is a slot, a small number that the caller gives out. State: 3.1 KB a device.
    """

    def __init__(self, capacity: int = 64) -> None:
        self._newest = np.full(capacity, _NEVER)  # bucket, by slot
        self._at = np.full((capacity, BUCKETS), _NEVER_MS)  # ring: bucket % BUCKETS
        self._values = np.full((len(DEPTHS), capacity, BUCKETS), np.nan)

    @property
    def bytes_per_device(self) -> int:
        """What one more device costs in memory."""
        arrays = (self._newest, self._at, self._values)
        return sum(array.nbytes for array in arrays) // len(self._newest)

    def windows(
        self, slots: Int64s, measured_at: Int64s, values: Floats, set_back: Bools | None = None
    ) -> Windows:
        """The look-back of each row on the rows before it; the rows are remembered.

        slots, measured_at: [n], in the order of arrival; values: [n, channels]. A row that arrives
        late is put in its own place; one that is older than the whole window sees only itself.
        set_back: [n], the first rows after their device's clock was set back; they and those after
        them see nothing of what came before. None: no clock was.
        """
        self._grow_to(slots)
        seen: list[tuple[Int64s, Floats, list[Floats]]] = []
        for part in _passes(slots, measured_at, values, set_back):
            if set_back is not None:
                self.forget(part.slots[set_back[part.rows]])
            seen.append((np.sort(part.rows), *self._look_back(part)))
            self._store(part)
        age_s, past = _together(seen)
        return Windows(values=values, age_s=age_s, past=dict(zip(DEPTHS, past, strict=True)))

    def forget(self, slots: Int64s) -> None:
        """Empty these slots, for other devices."""
        known = slots[slots < len(self._newest)]
        self._newest[known] = _NEVER
        self._at[known] = _NEVER_MS
        self._values[:, known] = np.nan

    def _grow_to(self, slots: Int64s) -> None:
        needed = int(slots.max(initial=-1)) + 1
        capacity = len(self._newest)
        if needed <= capacity:
            return
        larger = History(max(needed, 2 * capacity))
        larger._newest[:capacity] = self._newest
        larger._at[:capacity] = self._at
        larger._values[:, :capacity] = self._values
        self._newest, self._at, self._values = larger._newest, larger._at, larger._values

    def _look_back(self, part: _Pass) -> tuple[Floats, list[Floats]]:
        """Ages [BUCKETS, n] and values by channel [depth, n], in the batch's order."""
        order = np.argsort(part.rows)
        slots, measured_at = part.slots[order], part.at[order]
        buckets = part.buckets[order] - _BACK
        if part.firsts().all():
            flat = self._values.reshape(len(DEPTHS), -1)
            at, cells = self._find(slots, buckets)
        else:
            times, flat, place = self._timeline(part)
            cells = place[order] - _BACK
            at = np.take(times, cells)
        hidden = at == _NEVER_MS
        newest = self._newest[slots]
        if (newest > buckets[0]).any():  # late rows: what is older than the window has gone
            hidden |= buckets <= newest - BUCKETS
        age_s = (measured_at - at) / 1000.0
        age_s[hidden] = np.nan
        age_s[0] = 0.0
        past = []
        for channel, depth in enumerate(DEPTHS.values()):
            values = np.take(flat[channel], cells[:depth])
            values[hidden[:depth]] = np.nan
            values[0] = part.kept[channel, order]
            past.append(values)
        return age_s, past

    def _find(self, slots: Int64s, buckets: Int64s) -> tuple[Int64s, Int64s]:
        """When the kept sample of each (slot, bucket) was measured, and where its values are.

        _NEVER_MS: there is none.
        """
        cells = slots * BUCKETS + (buckets & (BUCKETS - 1))
        at = np.take(self._at, cells)
        offset = at - buckets * _BUCKET_MS
        at[(offset < 0) | (offset >= _BUCKET_MS)] = _NEVER_MS
        return at, cells

    def _timeline(self, part: _Pass) -> tuple[Int64s, Floats, Int64s]:
        """The same look-up for devices with several rows: old and new samples side by side.

        Every device gets a stretch of cells, a cell a bucket, from BUCKETS before its first row to
        its last one (a longer gap takes no more than BUCKETS cells). Returns the cells' times,
        their values by channel, and the cell of each row's bucket.
        """
        firsts = part.firsts()
        step = np.minimum(np.diff(part.buckets, prepend=0), BUCKETS)
        step[firsts] = BUCKETS
        place = np.cumsum(step) - 1  # the cell of each row's own bucket
        back = np.repeat(place, step) - np.arange(place[-1] + 1)
        slots, buckets = np.repeat(part.slots, step), np.repeat(part.buckets, step) - back
        at, cells = self._find(slots, buckets)
        flat = np.take(self._values.reshape(len(DEPTHS), -1), cells, axis=1)
        kept = np.flatnonzero(part.lasts_of_bucket())
        kept = kept[part.at[kept] >= at[place[kept]]]
        at[place[kept]] = part.at[kept]
        flat[:, place[kept]] = part.kept[:, kept]
        return at, flat, place

    def _store(self, part: _Pass) -> None:
        kept = np.flatnonzero(part.lasts_of_bucket())
        cells = part.slots * BUCKETS + (part.buckets & (BUCKETS - 1))
        kept = kept[part.at[kept] >= np.take(self._at, cells[kept])]
        # Where a batch is longer than the ring, numpy's last assignment wins: the newest sample.
        self._at.reshape(-1)[cells[kept]] = part.at[kept]
        self._values.reshape(len(DEPTHS), -1)[:, cells[kept]] = part.kept[:, kept]
        np.maximum.at(self._newest, part.slots, part.buckets)


def _differs_from_previous(column: Int64s) -> Bools:
    return np.append(True, column[1:] != column[:-1])[: len(column)]


def _passes(
    slots: Int64s, measured_at: Int64s, values: Floats, set_back: Bools | None
) -> list[_Pass]:
    """The batch cut where a device's time falls back, so that late rows see what came before them.

    A row after which a device begins anew is the first of its device in its pass.

    Almost always one pass; a device whose rows alternate between two times costs one per fall.
    """
    order = np.argsort(slots, kind="stable")
    firsts = _differs_from_previous(slots[order])
    falls = np.append(False, np.diff(measured_at[order]) < 0)[: len(order)] & ~firsts
    if set_back is not None:
        falls |= set_back[order] & ~firsts
    if not falls.any():
        return [_pass_of(order, slots, measured_at, values)]
    count = np.cumsum(falls)
    count = count - np.maximum.accumulate(np.where(firsts, count, 0))
    by_pass = np.argsort(count, kind="stable")
    edges = np.flatnonzero(np.diff(count[by_pass])) + 1
    return [_pass_of(order[rows], slots, measured_at, values) for rows in np.split(by_pass, edges)]


def _pass_of(rows: Int64s, slots: Int64s, measured_at: Int64s, values: Floats) -> _Pass:
    at = measured_at[rows]
    return _Pass(rows, slots[rows], at, at // _BUCKET_MS, values[rows[:, None], _KEPT].T)


def _together(
    seen: list[tuple[Int64s, Floats, list[Floats]]],
) -> tuple[Floats, list[Floats]]:
    if len(seen) == 1:
        return seen[0][1], seen[0][2]
    back = np.argsort(np.concatenate([rows for rows, _, _ in seen]))
    ages = np.concatenate([age_s for _, age_s, _ in seen], axis=1)
    by_channel = zip(*(past for _, _, past in seen), strict=True)
    return ages[:, back], [np.concatenate(parts, axis=1)[:, back] for parts in by_channel]
