"""Why a chance is high, in words: which things weigh most, held against what is normal here.

Features are put in groups that people know (load, heating, room left, …). A group's weight is its
Shapley value: how much it moves the log-odds from those of a typical machine of the same kind and
cadence, averaged over every order in which the groups could be made known (Shapley, 1953; with one
typical machine to compare with, "baseline Shapley": Sundararajan and Najmi, ICML 2020). Six groups
have 64 combinations, so the values are exact: 64 predictions for each warning, and only for
warnings.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from model.features import FEATURES
from model.files import FittedModel
from model.history import Floats
from model.normals import named

Values = Mapping[str, float]  # by feature name, or by channel
_ROWS_AT_ONCE = 256  # their combinations take some 5 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Features that are one thing for people, and how that thing is said."""

    features: tuple[str, ...]  # beginnings of their names
    # Of the features and of what is normal for the device; None: nothing is known to say.
    say: Callable[[Values, Values], str | None]


def _load(values: Values, normal: Values) -> str | None:
    load, held_s = values["load_pct"], values["load_held_s"]
    if math.isnan(load):
        return None
    said = f"load {load:.0f} % for {held_s:.0f} s" if held_s >= 1 else f"load {load:.0f} %"
    return said + _normally(normal["load_pct"], "%")


def _heating(values: Values, normal: Values) -> str | None:
    for name in ("heating_30s", "heating_60s", "heating_last", "heating_120s"):
        if not math.isnan(values[name]):
            pace = values[name]
            return f"heating {pace:.1f} °C/min" if pace > 0 else f"cooling {-pace:.1f} °C/min"
    return None


def _room(values: Values, normal: Values) -> str | None:
    room = values["headroom_c"]
    if math.isnan(room):
        return None
    said = _beside_the_limit(room, "°C", 1)
    usual = normal["temperature_c"]
    return said if math.isnan(usual) else f"{said}, normally at {usual:.0f} °C"


def _power(values: Values, normal: Values) -> str | None:
    power, above = values["power_w"], values["power_above_lowest_120s"]
    if math.isnan(power):
        return None
    usual = _normally(normal["power_w"], "W")
    return f"power {power:.1f} W" + (usual or f", {above:.1f} W above its lowest of 2 min")


def _clock(values: Values, normal: Values) -> str | None:
    share = values["clock_share"]
    if values["throttled"] >= 1:
        return "throttled"
    if not math.isnan(share) and share < 0.95:
        return f"clock at {100 * share:.0f} % of what is asked for"
    clock = values["clock_ghz"]
    return None if math.isnan(clock) else f"clock {clock:.1f} GHz"


def _fan(values: Values, normal: Values) -> str | None:
    fan = values["fan_cfm"]
    return None if math.isnan(fan) else f"fan moves {fan:.1f} CFM"


def _mean_load(values: Values, normal: Values) -> str | None:
    mean = values["load_mean_60s"]
    if math.isnan(mean):
        return None
    return f"mean load {mean:.0f} % over 60 s" + _normally(normal["load_pct"], "%")


def _load_room(values: Values, normal: Values) -> str | None:
    room = values["load_mean_room"]
    if math.isnan(room):
        return None
    return _beside_the_limit(room, "%", 0)


def _peak(values: Values, normal: Values) -> str | None:
    low, high = values["load_dip_60s"], values["load_peak_60s"]
    return None if math.isnan(low) else f"load between {low:.0f} and {high:.0f} % in 60 s"


def _load_average(values: Values, normal: Values) -> str | None:
    average = values["load_1m"]
    return None if math.isnan(average) else f"load average {average:.1f}"


GROUPS: Mapping[str, tuple[Group, ...]] = {
    "heat": (
        Group(features=("load_",), say=_load),
        Group(features=("heating_", "settling_", "above_", "below_hottest"), say=_heating),
        Group(features=("headroom_c", "projected_", "seconds_left", "temperature_c"), say=_room),
        Group(features=("power_",), say=_power),
        Group(features=("clock_", "throttled"), say=_clock),
        Group(features=("fan_",), say=_fan),
    ),
    "overload": (
        Group(features=("load_pct", "load_room", "load_held_s"), say=_load),
        Group(
            features=("load_mean_1", "load_mean_3", "load_mean_6", "load_change"), say=_mean_load
        ),
        Group(features=("load_mean_room",), say=_load_room),
        Group(features=("load_peak", "load_dip"), say=_peak),
        Group(features=("load_1m",), say=_load_average),
    ),
}


def causes(
    model: FittedModel, rule: str, features: Floats, normals: Floats, most: int
) -> list[list[str]]:
    """At most `most` causes of the chance of each row of [m, F], the weightiest first.

    normals: [m, normals.CHANNELS], what is normal for the devices. Only what raises the chance is
    a cause.
    """
    weights = shapley_values(model, rule, features)
    return [
        _said(GROUPS[rule], weight, rule, row, named(normal), most)
        for weight, row, normal in zip(weights, features.tolist(), normals, strict=True)
    ]


def shapley_values(model: FittedModel, rule: str, features: Floats) -> Floats:
    """How much each group of features moves the log-odds of each row of [m, F]: [m, groups].

    They sum up to the row's log-odds less those of a typical machine of its kind and cadence.
    """
    columns = [_columns(rule, group) for group in GROUPS[rule]]
    parts = [
        _log_odds(model, features[first : first + _ROWS_AT_ONCE], columns)
        for first in range(0, len(features), _ROWS_AT_ONCE)
    ]
    values: Floats = np.concatenate(parts) @ _shares(len(columns))
    return values


def _log_odds(model: FittedModel, features: Floats, columns: Sequence[Sequence[int]]) -> Floats:
    """With only some groups known, for every combination of them: [m, 2 ** groups].

    Bit k of a combination's number: group k is as the row says, not as is typical.
    """
    combinations = 2 ** len(columns)
    variants = np.repeat(features[:, None, :], combinations, axis=1)
    for group, places in enumerate(columns):
        absent = np.flatnonzero(~(np.arange(combinations) >> group & 1).astype(np.bool_))
        variants[:, absent[:, None], places] = model.typical[places]
    # The classifier's own log-odds: the calibrated chance has steps that hide small weights.
    raw: Floats = model.chance.decision_function(variants.reshape(-1, features.shape[1]))
    return raw.reshape(len(features), combinations)


@cache
def _shares(groups: int) -> Floats:
    """What each combination's log-odds count in each group's Shapley value, [2 ** groups, groups].

    A combination of s groups comes just after a group joined it in (s-1)!(n-s)! of n! orders.
    """
    shares = np.zeros((2**groups, groups))
    orders = math.factorial(groups)
    for combination in range(2**groups):
        size = combination.bit_count()
        for group in range(groups):
            if combination >> group & 1:
                after = math.factorial(size - 1) * math.factorial(groups - size)
                shares[combination, group] = after / orders
                shares[combination ^ 1 << group, group] = -after / orders
    return shares


def _said(
    groups: Sequence[Group],
    weights: NDArray[np.float64],
    rule: str,
    row: Sequence[float],
    normal: Values,
    most: int,
) -> list[str]:
    names = (feature.name for feature in FEATURES[rule])
    values = dict(zip(names, row, strict=True))
    weighty = np.argsort(-weights, kind="stable")
    said = (groups[place].say(values, normal) for place in weighty if weights[place] > 0)
    return [words for words in said if words is not None][:most]


def _beside_the_limit(room: float, unit: str, digits: int) -> str:
    if round(abs(room), digits) == 0:
        return "at the limit"
    side = "below" if room > 0 else "past"
    return f"{abs(room):.{digits}f} {unit} {side} the limit"


def _normally(usual: float, unit: str) -> str:
    return "" if math.isnan(usual) else f", normally {usual:.0f} {unit}"


def _columns(rule: str, group: Group) -> list[int]:
    return [
        column
        for column, feature in enumerate(FEATURES[rule])
        if feature.name.startswith(group.features)
    ]
