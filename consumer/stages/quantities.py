"""What rules watch: a channel, or a quantity derived from several."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from consumer.batch import Batch
from fleetpulse.alerts import RULES

Quantity = Callable[[Batch], NDArray[np.float64]]

# Cores slow down on their own when idle: a low clock says nothing there.
_BUSY_PCT = 50.0
_SLOWED = 0.8  # of the requested clock
# 4.63 V is where the Pi's detector trips; its flag without a measurement means just below.
_FLAGGED_V = 4.62
# Below this a voltage is a core's, not the supply's; no Pi runs on less than 3 V.
_LOWEST_SUPPLY_V = 3.0


def throttle(batch: Batch) -> NDArray[np.float64]:
    """1 where the machine runs slower than asked under load, by its firmware or by its clock."""
    flag = batch.channel("throttled")
    slowed = batch.channel("clock_ghz") < _SLOWED * batch.channel("requested_clock_ghz")
    known = ~np.isnan(batch.channel("clock_ghz") + batch.channel("requested_clock_ghz"))
    by_clock = np.where(known, slowed & (batch.channel("load_pct") >= _BUSY_PCT), np.nan)
    return np.fmax(flag, by_clock)


def supply_voltage_v(batch: Batch) -> NDArray[np.float64]:
    """The voltage of the supply, V; just below the limit where the firmware says it is too low."""
    measured = batch.channel("voltage_v")
    supply = np.where(measured >= _LOWEST_SUPPLY_V, measured, np.nan)
    flagged = batch.channel("undervoltage") >= 1
    return np.where(flagged, np.fmin(supply, _FLAGGED_V), supply)


DERIVED: Mapping[str, Quantity] = {
    "load_mean_60s": lambda batch: batch.load_mean_60s,
    "throttle": throttle,
    "supply_voltage_v": supply_voltage_v,
}


_WATCHES = {rule.name: rule.watches for rule in RULES}


def quantity_of(batch: Batch, rule: str) -> NDArray[np.float64]:
    """What the rule of this name watches, [n]; NaN: not known."""
    return quantity(batch, _WATCHES[rule])


def quantity(batch: Batch, name: str) -> NDArray[np.float64]:
    """What a rule watches, [n]; NaN: not known."""
    derived = DERIVED.get(name)
    return derived(batch) if derived else batch.channel(name)
