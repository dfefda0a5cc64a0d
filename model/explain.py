"""Why a chance is high, in words: what would it be if one thing were as usual?

Features are put in groups that people know (load, heating, room left, …). Each group in turn is set
to what is typical, and the fall in probability is the group's weight: one prediction of a few rows
per warning. A first order answer: things that only matter together share their weight by chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from model.features import FEATURES
from model.files import FittedModel
from model.history import Floats

Values = Mapping[str, float]  # by feature name


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Features that are one thing for people, and how that thing is said."""

    features: tuple[str, ...]  # beginnings of their names
    say: Callable[[Values], str | None]  # None: nothing is known to say


def _load(values: Values) -> str | None:
    load, held_s = values["load_pct"], values["load_held_s"]
    if math.isnan(load):
        return None
    return f"load {load:.0f} % for {held_s:.0f} s" if held_s >= 1 else f"load {load:.0f} %"


def _heating(values: Values) -> str | None:
    for name in ("heating_30s", "heating_60s", "heating_last", "heating_120s"):
        if not math.isnan(values[name]):
            pace = values[name]
            return f"heating {pace:.1f} °C/min" if pace > 0 else f"cooling {-pace:.1f} °C/min"
    return None


def _room(values: Values) -> str | None:
    room = values["headroom_c"]
    if math.isnan(room):
        return None
    return f"{room:.1f} °C below the limit" if room > 0 else f"{-room:.1f} °C past the limit"


def _power(values: Values) -> str | None:
    power, above = values["power_w"], values["power_above_lowest_120s"]
    if math.isnan(power):
        return None
    return f"power {power:.1f} W, {above:.1f} W above its lowest of 2 min"


def _clock(values: Values) -> str | None:
    share = values["clock_share"]
    if values["throttled"] >= 1:
        return "throttled"
    if not math.isnan(share) and share < 0.95:
        return f"clock at {100 * share:.0f} % of what is asked for"
    clock = values["clock_ghz"]
    return None if math.isnan(clock) else f"clock {clock:.1f} GHz"


def _fan(values: Values) -> str | None:
    fan = values["fan_cfm"]
    return None if math.isnan(fan) else f"fan moves {fan:.1f} CFM"


def _mean_load(values: Values) -> str | None:
    mean = values["load_mean_60s"]
    return None if math.isnan(mean) else f"mean load {mean:.0f} % over 60 s"


def _load_room(values: Values) -> str | None:
    room = values["load_mean_room"]
    if math.isnan(room):
        return None
    return f"{room:.0f} % below the limit" if room > 0 else f"{-room:.0f} % past the limit"


def _peak(values: Values) -> str | None:
    low, high = values["load_dip_60s"], values["load_peak_60s"]
    return None if math.isnan(low) else f"load between {low:.0f} and {high:.0f} % in 60 s"


def _load_average(values: Values) -> str | None:
    average = values["load_1m"]
    return None if math.isnan(average) else f"load average {average:.1f}"


GROUPS: Mapping[str, tuple[Group, ...]] = {
    "heat": (
        Group(features=("load_",), say=_load),
        Group(features=("heating_", "above_coolest", "below_hottest"), say=_heating),
        Group(features=("headroom_c", "projected_", "seconds_left", "temperature_c"), say=_room),
        Group(features=("power_",), say=_power),
        Group(features=("clock_", "throttled"), say=_clock),
        Group(features=("fan_",), say=_fan),
    ),
    "overload": (
        Group(features=("load_pct", "load_room", "load_held_s"), say=_load),
        Group(features=("load_mean_", "load_change"), say=_mean_load),
        Group(features=("load_mean_room",), say=_load_room),
        Group(features=("load_peak", "load_dip"), say=_peak),
        Group(features=("load_1m",), say=_load_average),
    ),
}


def causes(model: FittedModel, rule: str, features: Floats, most: int) -> list[list[str]]:
    """At most `most` causes of the chance of each row of [m, F], the weightiest first.

    One prediction for all rows and groups: a prediction costs the same for one row as for hundreds.
    """
    groups = GROUPS[rule]
    variants = np.repeat(features[:, None, :], len(groups), axis=1)
    for place, group in enumerate(groups):
        columns = _columns(rule, group)
        variants[:, place, columns] = model.typical[columns]
    # The classifier's own probability: the calibrated one has steps that hide small falls.
    raw = model.chance.predict_proba(variants.reshape(-1, features.shape[1]))[:, 1]
    weighty = np.argsort(raw.reshape(-1, len(groups)), axis=1, kind="stable")
    return [
        _said(groups, order, rule, row, most)
        for order, row in zip(weighty.tolist(), features.tolist(), strict=True)
    ]


def _said(
    groups: Sequence[Group], order: Sequence[int], rule: str, row: Sequence[float], most: int
) -> list[str]:
    names = (feature.name for feature in FEATURES[rule])
    values = dict(zip(names, row, strict=True))
    said = (groups[group].say(values) for group in order)
    return [words for words in said if words is not None][:most]


def _columns(rule: str, group: Group) -> list[int]:
    return [
        column
        for column, feature in enumerate(FEATURES[rule])
        if feature.name.startswith(group.features)
    ]
