"""What is normal for each device: the mean of a day and more, to hold a warning against.

Means are of whole periods of 5 minutes of absolute time, and a row sees the periods before its own,
so that nothing depends on how rows were cut into batches. Older periods count less and less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fleetpulse.telemetry import COLUMN
from model.history import Floats, Int64s

CHANNELS = ("load_pct", "temperature_c", "power_w")
PERIOD_MS = 300_000
FORGETS_AFTER_S = 86_400.0  # a period this old counts 1/e
_LEAST_PERIODS = 2
_COLUMNS = np.array([COLUMN[name] for name in CHANNELS])
_NONE = -1


class Normals:
    """The means of every device. A device is a slot; state: 0.1 KB a device."""

    def __init__(self, capacity: int = 64) -> None:
        self._period = np.full(capacity, _NONE)  # the one that is open, by slot
        self._known = np.zeros(capacity)  # periods behind the means
        # Sums and weights, [slots, channels]: of the open period, and of those before it.
        self._open, self._open_weight = _zeros(capacity), _zeros(capacity)
        self._sum, self._weight = _zeros(capacity), _zeros(capacity)

    @property
    def bytes_per_device(self) -> int:
        """What one more device costs in memory."""
        return sum(int(table.nbytes) for table in vars(self).values()) // len(self._period)

    def means(self, slots: Int64s, measured_at: Int64s, values: Floats) -> Floats:
        """What was normal before each row, [n, CHANNELS], NaN: not known yet; rows are added.

        slots, measured_at: [n], in the order of arrival; values: [n, channels]. A late row, of a
        period that is over, sees what the newest one before it does, and adds nothing.
        """
        self._grow_to(slots)
        periods, chosen = measured_at // PERIOD_MS, values[:, _COLUMNS]
        newest = self._newest(slots, periods)
        found = np.empty_like(chosen)
        for period in np.unique(newest).tolist():
            rows = np.flatnonzero(newest == period)
            self._close(np.unique(slots[rows]), period)
            found[rows] = self._now(slots[rows])
            self._add(rows[periods[rows] == period], slots, chosen)
        return found

    def _newest(self, slots: Int64s, periods: Int64s) -> Int64s:
        """The newest period of each row's device so far, this row included, [n]."""
        order = np.argsort(slots, kind="stable")
        known = np.maximum(periods, self._period[slots])[order]
        # One device after the other on one axis, so that a maximum never reaches into the next.
        _, device = np.unique(slots[order], return_inverse=True)
        span = int(known.max(initial=0)) + 1
        newest: Int64s = np.empty_like(known)
        newest[order] = np.maximum.accumulate(device * span + known) - device * span
        return newest

    def learn(self, slot: int, period: int, means: Sequence[float], periods: float) -> None:
        """Take over what was normal for a device before this process saw it.

        means: by CHANNELS, NaN: not known; periods: how many are behind them. A device of which
        more is known already is left alone.
        """
        self._grow_to(np.array([slot]))
        if self._known[slot] >= periods:
            return
        self._known[slot] = periods
        self._weight[slot] = np.where(np.isnan(means), 0.0, periods)
        self._sum[slot] = np.nan_to_num(np.asarray(means)) * periods
        self._period[slot] = max(self._period[slot], period)

    def forget(self, slots: Int64s) -> None:
        """Empty these slots, for other devices."""
        known = slots[slots < len(self._period)]
        self._period[known] = _NONE
        for table in (self._known, self._open, self._open_weight, self._sum, self._weight):
            table[known] = 0.0

    def _close(self, slots: Int64s, period: int) -> None:
        """End the open period of those that have come to this one."""
        ended = slots[self._period[slots] < period]
        begun = ended[self._period[ended] != _NONE]
        decay = np.exp((self._period[begun] - period) * (PERIOD_MS / 1000) / FORGETS_AFTER_S)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = self._open[begun] / self._open_weight[begun]
        measured = self._open_weight[begun] > 0
        self._sum[begun] = decay[:, None] * (self._sum[begun] + np.where(measured, mean, 0.0))
        self._weight[begun] = decay[:, None] * (self._weight[begun] + measured)
        self._known[begun] += measured.any(axis=1)
        self._open[ended] = self._open_weight[ended] = 0.0
        self._period[ended] = period

    def _now(self, slots: Int64s) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            means: Floats = self._sum[slots] / self._weight[slots]
        means[self._known[slots] < _LEAST_PERIODS] = np.nan
        return means

    def _add(self, rows: Int64s, slots: Int64s, chosen: Floats) -> None:
        measured = ~np.isnan(chosen[rows])
        np.add.at(self._open, slots[rows], np.where(measured, chosen[rows], 0.0))
        np.add.at(self._open_weight, slots[rows], measured)

    def _grow_to(self, slots: Int64s) -> None:
        needed, capacity = int(slots.max(initial=-1)) + 1, len(self._period)
        if needed <= capacity:
            return
        larger = Normals(max(needed, 2 * capacity))
        for name, table in vars(self).items():
            getattr(larger, name)[:capacity] = table
        vars(self).update(vars(larger))


def named(means: Floats) -> Mapping[str, float]:
    """The means of one row, by channel."""
    return dict(zip(CHANNELS, means.tolist(), strict=True))


def _zeros(capacity: int) -> Floats:
    return np.zeros((capacity, len(CHANNELS)))
