"""What the models see of a device: one definition for training, batch scoring and live.

Everything is measured in seconds, never in samples, so that a device that reports every second and
one that reports every two minutes mean the same. NaN: not known; the models take it as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fleetpulse.alerts import HORIZON_S, LONGEST_GAP_MS
from fleetpulse.telemetry import COLUMN, KINDS
from model import patterns
from model.history import BUCKET_S, Floats, Windows

# A limit that is farther away than this (in the rule's unit) is not reached within the horizon:
# models are neither trained nor asked there.
REACH: Mapping[str, float] = {"heat": 40.0, "overload": 100.0}
LONGEST_GAP_S = 130.0  # cadences up to two minutes are normal; a longer silence is not a load
MIN_SAMPLES = 3
MIN_SPAN_S = 10.0
_LEAST_SPREAD_S2 = 1.0  # samples closer together than this give no slope
# Over how many seconds slopes are taken, by channel.
SLOPES_S: Mapping[str, tuple[int, ...]] = {
    "temperature_c": (15, 30, 60, 120, 300),
    "power_w": (60,),
    "load_1m": (60,),
}
_NEVER_S = 1000.0  # stands for "not at this pace"
_SAME_LOAD_PCT = 15.0


class Look:
    """What n rows look like, worked out once each and only when asked for."""

    def __init__(self, windows: Windows, kinds: Floats) -> None:
        """kinds: [n], the place of each row's kind in KINDS, NaN for others."""
        self.windows = windows
        self.kinds = kinds
        self.age_s = windows.age_s
        self._slopes: dict[tuple[str, int], Floats] = {}
        self._load_means: dict[int, Floats] = {}

    def now(self, channel: str) -> Floats:
        """The channel at the row itself."""
        return self.windows.values[:, COLUMN[channel]]

    def past(self, channel: str, over_s: int) -> Floats:
        """The channel as it was, newest first, [buckets, n]."""
        return self.windows.past[channel][: over_s // BUCKET_S + 1]

    @cached_property
    def samples(self) -> NDArray[np.int64]:
        """How many samples the look-back holds, the row included."""
        count: NDArray[np.int64] = np.count_nonzero(~np.isnan(self.age_s), axis=0)
        return count

    @cached_property
    def span_s(self) -> Floats:
        """How far the look-back reaches."""
        return highest(self.age_s)

    @cached_property
    def cadence_s(self) -> Floats:
        """Mean time between samples (buckets merge those that are closer than 5 s)."""
        with np.errstate(invalid="ignore"):
            return self.span_s / (self.samples - 1)

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """Where there is enough to judge: samples, time between them, and no gap before now."""
        enough = (self.samples >= MIN_SAMPLES) & (self.span_s >= MIN_SPAN_S)
        known: NDArray[np.bool_] = enough & (1000 * lowest(self.age_s[1:]) <= LONGEST_GAP_MS)
        return known

    def slope(self, channel: str, over_s: int) -> Floats:
        """Least-squares change per second over the last `over_s` seconds."""
        if (channel, over_s) not in self._slopes:
            self._slopes |= self._slopes_of(channel)
        return self._slopes[channel, over_s]

    def _slopes_of(self, channel: str) -> dict[tuple[str, int], Floats]:
        past = self.windows.past[channel]
        change = past - past[0]
        absent = np.isnan(change)
        change[absent] = 0.0
        age = np.where(absent, 0.0, self.age_s[: len(past)])
        ends = [over_s // BUCKET_S for over_s in SLOPES_S[channel]]
        columns = (~absent).astype(np.float64), age, change, age * age, age * change
        sums = zip(*(running_sums(column, ends) for column in columns), strict=True)
        slopes = {}
        for over_s, (n, t, y, tt, ty) in zip(SLOPES_S[channel], sums, strict=True):
            spread = n * tt - t * t
            unknown = (spread < _LEAST_SPREAD_S2 * n * n) | np.isnan(past[0])
            with np.errstate(invalid="ignore", divide="ignore"):
                slopes[channel, over_s] = np.where(unknown, np.nan, (t * y - n * ty) / spread)
        return slopes

    @cached_property
    def _before(self) -> NDArray[np.int64]:
        """Where the temperature before the row's own stands, [1, n]; 0: there is none."""
        found = ~np.isnan(self.windows.past["temperature_c"])
        found[0] = False
        place: NDArray[np.int64] = np.argmax(found, axis=0)
        return place[None]

    @cached_property
    def last_rise(self) -> Floats:
        """Change of temperature since the sample before; NaN without one."""
        past = self.windows.past["temperature_c"]
        rise: Floats = past[0] - np.take_along_axis(past, self._before, axis=0)[0]
        return np.where(self._before[0] > 0, rise, np.nan)

    @cached_property
    def last_slope(self) -> Floats:
        """The same, per second."""
        with np.errstate(invalid="ignore", divide="ignore"):
            slope: Floats = self.last_rise / np.take_along_axis(self.age_s, self._before, axis=0)[0]
        return slope

    @cached_property
    def at_same_load(self) -> tuple[Floats, Floats]:
        """Mean rise within 120 s and highest temperature, earlier and at a load like now's."""
        past = self.windows.past
        return patterns.at_same_load(past["temperature_c"], past["load_pct"])

    def above_lowest(self, channel: str, over_s: int) -> Floats:
        """How far the channel is above its lowest of the window."""
        return self.now(channel) - lowest(self.past(channel, over_s))

    def above_highest(self, channel: str, over_s: int) -> Floats:
        """How far it is above its highest: 0 or less."""
        return self.now(channel) - highest(self.past(channel, over_s))

    @cached_property
    def _load_spans(self) -> tuple[Floats, Floats]:
        """From and to how many seconds ago each load sample counts, [buckets, n].

        A load is the mean since the sample before it; the oldest one covers no known time.
        """
        ages = np.where(np.isnan(self.windows.past["load_pct"]), np.inf, self.age_s)
        before = np.minimum.accumulate(ages[::-1], axis=0)[::-1]
        before = np.concatenate([before[1:], np.full_like(before[:1], np.inf)])
        with np.errstate(invalid="ignore"):
            gap = before - ages
        counts = (gap >= 0) & (gap <= LONGEST_GAP_S)
        return np.where(counts, ages, 0.0), np.where(counts, before, 0.0)

    def load_mean(self, over_s: int) -> Floats:
        """Time-weighted mean load; NaN until all of the window but one cadence is known."""
        if over_s not in self._load_means:
            self._load_means[over_s] = self._load_mean(over_s)
        return self._load_means[over_s]

    def _load_mean(self, over_s: int) -> Floats:
        rows = over_s // BUCKET_S + 2
        since, until = (ages[:rows] for ages in self._load_spans)
        weight = np.minimum(until, over_s) - np.minimum(since, over_s)
        load = self.windows.past["load_pct"][:rows]
        last = [len(load) - 1]
        (known_s,) = running_sums(weight, last)
        (total,) = running_sums(np.where(weight > 0, weight * load, 0.0), last)
        enough = (known_s > 0) & (known_s >= over_s - np.fmin(self.cadence_s, over_s))
        enough &= ~np.isnan(load[0])
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(enough, total / known_s, np.nan)

    @cached_property
    def load_held_s(self) -> Floats:
        """For how long the load has been as high as now, or hardly lower."""
        load = self.windows.past["load_pct"]
        held = np.logical_and.accumulate(~(load < load[0] - _SAME_LOAD_PCT), axis=0)
        with np.errstate(invalid="ignore"):
            held_s = highest(np.where(held, self.age_s, 0.0))
        return np.where(np.isnan(load[0]), np.nan, held_s)


def running_sums(columns: Floats, ends: Sequence[int]) -> list[Floats]:
    """The sums of rows 0 to `end` of [buckets, n], for each end in growing order.

    Added row by row: the same order whatever n is, so that a row's features do not depend on its
    company to the last bit, and four times as fast as numpy's cumsum down the columns.
    """
    total, sums, start = np.zeros(columns.shape[1]), [], 0
    for end in ends:
        for row in columns[start : end + 1]:
            total += row
        sums.append(total.copy())
        start = end + 1
    return sums


def highest(past: Floats) -> Floats:
    """The highest of each column [buckets, n], NaN ignored."""
    found: Floats = np.fmax.reduce(past, axis=0)
    return found


def lowest(past: Floats) -> Floats:
    """The lowest of each column, NaN ignored."""
    found: Floats = np.fmin.reduce(past, axis=0)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """A quantity that a model sees."""

    name: str
    unit: str
    words: str  # what it is, for people
    compute: Callable[[Look, Floats], Floats]  # the look, and each row's limit -> [n]


def _headroom(look: Look, limit: Floats) -> Floats:
    return limit - look.now("temperature_c")


def _projected(over_s: int) -> Callable[[Look, Floats], Floats]:
    def compute(look: Look, limit: Floats) -> Floats:
        return _headroom(look, limit) - HORIZON_S * look.slope("temperature_c", over_s)

    return compute


def _seconds_left(over_s: int) -> Callable[[Look, Floats], Floats]:
    def compute(look: Look, limit: Floats) -> Floats:
        slope = look.slope("temperature_c", over_s)
        with np.errstate(divide="ignore", invalid="ignore"):
            left = np.minimum(_headroom(look, limit) / slope, _NEVER_S)
        return np.where(np.isnan(slope), np.nan, np.where(slope > 0, left, _NEVER_S))

    return compute


def _settling(over_s: int) -> Callable[[Look, Floats], Floats]:
    """Room left at the horizon if heating goes on slowing down as it has been.

    A body that is heated evenly comes closer to its final temperature by the same share in equal
    times; the share is what the pace has become of the pace of the `over_s` seconds before.
    """

    def compute(look: Look, limit: Floats) -> Floats:
        pace = look.slope("temperature_c", over_s)
        before = 2 * look.slope("temperature_c", 2 * over_s) - pace
        slows = (pace > 0) & (before > pace)
        share = np.divide(pace, before, out=np.ones_like(pace), where=slows)
        times = sum(share**step for step in range(1, round(HORIZON_S / over_s) + 1))
        return _headroom(look, limit) - pace * over_s * times

    return compute


def _slope(channel: str, over_s: int, name: str, words: str, unit: str) -> Feature:
    return Feature(
        name=name,
        unit=unit,
        words=words,
        compute=lambda look, _: 60 * look.slope(channel, over_s),
    )


def _now(channel: str, unit: str, words: str) -> Feature:
    return Feature(name=channel, unit=unit, words=words, compute=lambda look, _: look.now(channel))


def _ratio(above: Floats, below: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below > 0, above / below, np.nan)


def _load_mean(over_s: int) -> Feature:
    return Feature(
        name=f"load_mean_{over_s}s",
        unit="%",
        words=f"mean load over {over_s} s",
        compute=lambda look, _: look.load_mean(over_s),
    )


_LOAD = (
    _now("load_pct", "%", "load"),
    *(_load_mean(over_s) for over_s in (15, 30, 60, 120)),
    Feature(
        name="load_change_120s",
        unit="%",
        words="load against its mean of 120 s",
        compute=lambda look, _: look.now("load_pct") - look.load_mean(120),
    ),
    Feature(
        name="load_held_s",
        unit="s",
        words="time at this load",
        compute=lambda look, _: look.load_held_s,
    ),
    _now("load_1m", "tasks", "load average"),
)
_SHAPE = (
    Feature(name="kind", unit="", words="kind", compute=lambda look, _: look.kinds),
    Feature(
        name="cadence_s",
        unit="s",
        words="time between readings",
        compute=lambda look, _: look.cadence_s,
    ),
    Feature(name="span_s", unit="s", words="known history", compute=lambda look, _: look.span_s),
)
_HEAT = (
    _now("temperature_c", "°C", "temperature"),
    Feature(name="headroom_c", unit="°C", words="below the limit", compute=_headroom),
    *(
        _slope("temperature_c", over_s, f"heating_{over_s}s", f"heating over {over_s} s", "°C/min")
        for over_s in SLOPES_S["temperature_c"]
    ),
    Feature(
        name="heating_last",
        unit="°C/min",
        words="heating since the last reading",
        compute=lambda look, _: 60 * look.last_slope,
    ),
    Feature(
        name="heating_change",
        unit="°C/min",
        words="heating over 30 s against 120 s",
        compute=lambda look, _: (
            60 * (look.slope("temperature_c", 30) - look.slope("temperature_c", 120))
        ),
    ),
    *(
        Feature(
            name=f"projected_{over_s}s",
            unit="°C",
            words=f"room left in 120 s at the pace of {over_s} s",
            compute=_projected(over_s),
        )
        for over_s in (30, 60, 120)
    ),
    *(
        Feature(
            name=f"settling_{over_s}s",
            unit="°C",
            words=f"room left in 120 s as heating slows down over {over_s} s",
            compute=_settling(over_s),
        )
        for over_s in (15, 30, 60)
    ),
    Feature(
        name="seconds_left_60s",
        unit="s",
        words="time to the limit at the pace of 60 s",
        compute=_seconds_left(60),
    ),
    Feature(
        name="above_coolest_120s",
        unit="°C",
        words="above the coolest of 120 s",
        compute=lambda look, _: look.above_lowest("temperature_c", 120),
    ),
    Feature(
        name="above_coolest_300s",
        unit="°C",
        words="above the coolest of 300 s",
        compute=lambda look, _: look.above_lowest("temperature_c", 300),
    ),
    Feature(
        name="below_hottest_300s",
        unit="°C",
        words="below the hottest of 300 s",
        compute=lambda look, _: look.above_highest("temperature_c", 300),
    ),
)
_POWER = (
    _now("power_w", "W", "power"),
    _slope("power_w", 60, "power_slope_60s", "power over 60 s", "W/min"),
    Feature(
        name="power_above_lowest_120s",
        unit="W",
        words="power above its lowest of 120 s",
        compute=lambda look, _: look.above_lowest("power_w", 120),
    ),
    _now("clock_ghz", "GHz", "clock"),
    Feature(
        name="clock_share",
        unit="",
        words="clock against the clock asked for",
        compute=lambda look, _: _ratio(look.now("clock_ghz"), look.now("requested_clock_ghz")),
    ),
    Feature(
        name="clock_share_60s",
        unit="",
        words="clock against its highest of 60 s",
        compute=lambda look, _: _ratio(look.now("clock_ghz"), highest(look.past("clock_ghz", 60))),
    ),
    _now("throttled", "", "throttled"),
    _now("fan_cfm", "CFM", "fan"),
)
_HABITS = (
    Feature(
        name="load_steps_300s",
        unit="1/min",
        words="changes of the load over 300 s",
        compute=lambda look, _: patterns.load_steps_per_min(look.past("load_pct", 300), look.age_s),
    ),
    _slope("load_1m", 60, "load_1m_slope_60s", "load average over 60 s", "tasks/min"),
    Feature(
        name="heating_last_c",
        unit="°C",
        words="hotter than at the last reading",
        compute=lambda look, _: look.last_rise,
    ),
    Feature(
        name="heating_at_load_c",
        unit="°C",
        words="mean rise within 120 s at such a load",
        compute=lambda look, _: look.at_same_load[0],
    ),
    Feature(
        name="below_hottest_at_load",
        unit="°C",
        words="below the hottest at such a load",
        compute=lambda look, _: look.now("temperature_c") - look.at_same_load[1],
    ),
    Feature(
        name="below_hottest_for_s",
        unit="s",
        words="time since the hottest of 320 s",
        compute=lambda look, _: patterns.since_hottest_s(
            look.windows.past["temperature_c"], look.age_s
        ),
    ),
    Feature(
        name="above_mean_300s",
        unit="°C",
        words="above the mean of 300 s",
        compute=lambda look, _: patterns.above_mean(look.past("temperature_c", 300)),
    ),
)
_ROOM = (
    Feature(
        name="load_room",
        unit="%",
        words="load below the limit",
        compute=lambda look, limit: limit - look.now("load_pct"),
    ),
    Feature(
        name="load_mean_room",
        unit="%",
        words="mean load below the limit",
        compute=lambda look, limit: limit - look.load_mean(60),
    ),
    Feature(
        name="load_peak_60s",
        unit="%",
        words="highest load of 60 s",
        compute=lambda look, _: highest(look.past("load_pct", 60)),
    ),
    Feature(
        name="load_dip_60s",
        unit="%",
        words="lowest load of 60 s",
        compute=lambda look, _: lowest(look.past("load_pct", 60)),
    ),
    Feature(
        name="load_peak_300s",
        unit="%",
        words="highest load of 300 s",
        compute=lambda look, _: highest(look.past("load_pct", 300)),
    ),
)

# By rule. The order is the order of columns that model files are made for.
FEATURES: dict[str, tuple[Feature, ...]] = {
    "heat": (*_SHAPE, *_HEAT, *_LOAD, *_POWER, *_HABITS),
    "overload": (*_SHAPE, *_LOAD, *_ROOM),
}


def compute(look: Look, rule: str, limit: Floats) -> Floats:
    """The features of a rule, [n, F], against each row's limit."""
    columns = np.empty((len(FEATURES[rule]), len(look.windows)))
    for column, feature in zip(columns, FEATURES[rule], strict=True):
        column[:] = feature.compute(look, limit)
    return np.ascontiguousarray(columns.T)


def kind_codes(kinds: Sequence[str] | NDArray[np.str_]) -> Floats:
    """The place of each kind in KINDS; NaN for a kind that the models do not know."""
    codes = {kind: float(code) for code, kind in enumerate(KINDS)}
    return np.fromiter((codes.get(kind, np.nan) for kind in kinds), np.float64, len(kinds))
