"""Slow degradation: whether a machine gets hotter at the same load than it did at first.

A clogged fan or dried thermal paste raises the thermal resistance: every watt heats more than it
did. A warm room raises the temperature at rest as well, and a cold one keeps fans slow, so that the
load heats more, but from lower. So two things must be: a busy hour is hotter than busy hours were,
and it has risen further from rest. Over hourly means, each day by itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from model.history import Bools, Floats, Int64s

DAY_MS = 86_400_000
REFERENCE_DAYS = 28  # from the first day on: as it was
RECENT_DAYS = 28
_SAME_LOAD_PCT = 10.0
_LEAST_SPREAD_PCT = 25.0  # from rest to a busy hour: less says nothing of load
_LEAST_DAYS = 5  # of either time
# A notice is worth having from here on: far above what sensors and fan curves bring.
WORN_C, _WORN_SHARE, _WORN_SIGMA = 6.0, 0.25, 4.0
_WELL_C = 2.0
_MAD_TO_SIGMA = 1.4826  # of a normal distribution (Rousseeuw and Croux, JASA 1993)
_REST_PERCENTILE, _BUSY_PERCENTILE = 25.0, 85.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Hourly means of one device, in order of time."""

    begins_at: Int64s  # [n], Unix ms
    temperature_c: Floats  # [n], NaN: not measured
    load_pct: Floats  # [n]

    def of(self, rows: Bools) -> Hours:
        """Some of them."""
        return Hours(
            begins_at=self.begins_at[rows],
            temperature_c=self.temperature_c[rows],
            load_pct=self.load_pct[rows],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wear:
    """A busy hour, in the first weeks and now; rises are from rest to it."""

    load_pct: float
    temperature_then_c: float
    temperature_now_c: float
    rise_then_c: float
    rise_now_c: float
    sigma: float  # the difference of the rises, in standard errors

    @property
    def hotter_c(self) -> float:
        """How much hotter it gets that the room does not explain."""
        return min(
            self.temperature_now_c - self.temperature_then_c, self.rise_now_c - self.rise_then_c
        )

    @property
    def is_worn(self) -> bool:
        """Whether its owner should look at fan and vents."""
        least_c = max(WORN_C, _WORN_SHARE * self.rise_then_c)
        return self.hotter_c >= least_c and self.sigma >= _WORN_SIGMA

    @property
    def is_well(self) -> bool:
        """Whether it cools as it did; between this and worn nothing changes."""
        return self.rise_now_c - self.rise_then_c < _WELL_C

    def words(self) -> str:
        """For its owner."""
        return (
            f"It gets {self.hotter_c:.0f} °C hotter under load than in its first weeks: at"
            f" {self.load_pct:.0f} % load {self.temperature_now_c:.0f} °C, it was"
            f" {self.temperature_then_c:.0f} °C, and the room does not explain it. Clean the fan"
            " and the vents."
        )


def wear_of(first: Hours, recent: Hours) -> Wear | None:
    """The first weeks against the last ones; None: too little is known, or its load never changes.

    Rises are medians over days, so that a day of sensor trouble changes nothing.
    """
    known = [hours.of(~np.isnan(hours.temperature_c + hours.load_pct)) for hours in (first, recent)]
    loads = np.concatenate([hours.load_pct for hours in known])
    if not len(loads):
        return None
    rest_pct, busy_pct = np.percentile(loads, (_REST_PERCENTILE, _BUSY_PERCENTILE))
    then, now = (_days(hours, rest_pct, busy_pct) for hours in known)
    if busy_pct - rest_pct < _LEAST_SPREAD_PCT or min(len(then), len(now)) < _LEAST_DAYS:
        return None
    rises = [days[:, 1] - days[:, 0] for days in (then, now)]
    error_c = math.hypot(*(_standard_error(rise) for rise in rises))
    more_c = float(np.median(rises[1]) - np.median(rises[0]))
    return Wear(
        load_pct=float(busy_pct),
        temperature_then_c=float(np.median(then[:, 1])),
        temperature_now_c=float(np.median(now[:, 1])),
        rise_then_c=float(np.median(rises[0])),
        rise_now_c=float(np.median(rises[1])),
        sigma=more_c / error_c if error_c > 0 else float(np.inf * np.sign(more_c)),
    )


def _days(hours: Hours, rest_pct: float, busy_pct: float) -> Floats:
    """Mean temperature of hours at rest and of busy ones, of each day that has both, [days, 2]."""
    days = np.unique(hours.begins_at // DAY_MS)
    day = np.searchsorted(days, hours.begins_at // DAY_MS)
    means = np.full((len(days), 2), np.nan)
    for column, load_pct in enumerate((rest_pct, busy_pct)):
        near = np.abs(hours.load_pct - load_pct) <= _SAME_LOAD_PCT
        total = np.bincount(day[near], hours.temperature_c[near], len(days))
        count = np.bincount(day[near], minlength=len(days))
        np.divide(total, count, out=means[:, column], where=count > 0)
    found: Floats = means[~np.isnan(means).any(axis=1)]
    return found


def _standard_error(daily: Floats) -> float:
    spread = _MAD_TO_SIGMA * float(np.median(np.abs(daily - np.median(daily))))
    return spread / float(np.sqrt(len(daily)))
