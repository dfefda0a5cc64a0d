"""A device's last hour, day or week as a picture: what was measured, and what was said of it.

An hour is drawn from readings, longer spans from rollups, whose band is from lowest to highest;
of a device that is new there are none yet, so that its readings are drawn.
matplotlib is imported late, as for the charts of warnings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetpulse.alerts import Direction, Rule, rules_for
from fleetpulse.delivery.charts import (
    CHANCE,
    DANGER,
    INK,
    LINE,
    MOST_POINTS,
    as_png,
    channel_of,
    draw_risk,
    label_limit,
    shorten,
    two_panels,
)
from fleetpulse.stores.protocols import (
    BUCKET_MS,
    Alert,
    Device,
    Resolution,
    Rollup,
    Store,
    StoredReading,
)
from fleetpulse.telemetry import Channel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HOUR_MS = 3_600_000
MOST_ALERTS = 200
_RESOLUTIONS = (Resolution.HOUR, Resolution.MINUTE, None)  # None: readings
_FEWEST_POINTS = 2  # of a line
_GAP_STEPS = 3  # a longer silence parts the line


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """How far back a chart goes, and from what it is drawn."""

    name: str
    words: str
    lasts_ms: int
    resolution: Resolution | None  # None: readings
    ticks: Mapping[float, str]  # of the time axis, hours before now

    @property
    def step_h(self) -> float:
        """How far apart its points are, about."""
        return 30 / 3600 if self.resolution is None else BUCKET_MS[self.resolution] / _HOUR_MS


SPANS: Mapping[str, Span] = {
    span.name: span
    for span in (
        Span(
            name="1h",
            words="the last hour",
            lasts_ms=_HOUR_MS,
            resolution=None,
            ticks={-minutes / 60: f"-{minutes} min" for minutes in (60, 45, 30, 15)} | {0.0: "now"},
        ),
        Span(
            name="24h",
            words="the last 24 hours",
            lasts_ms=24 * _HOUR_MS,
            resolution=Resolution.MINUTE,
            ticks={-float(hours): f"-{hours} h" for hours in (24, 18, 12, 6)} | {0.0: "now"},
        ),
        Span(
            name="7d",
            words="the last 7 days",
            lasts_ms=7 * 24 * _HOUR_MS,
            resolution=Resolution.HOUR,
            ticks={-24.0 * days: f"-{days} d" for days in (7, 6, 5, 4, 3, 2, 1)} | {0.0: "now"},
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One moment of a chart. None: not measured, not known."""

    hours: float  # before now: negative
    value: float | None
    low: float | None
    high: float | None
    chance: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """While an alert of the channel's rule was open; hours before now."""

    begins: float
    stressed: float | None  # from here on the limit was reached
    ends: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """All that a chart shows."""

    title: str
    channel: Channel
    span: Span
    points: Sequence[Point]
    limit: float | None
    is_above: bool
    zones: Sequence[Zone]


def chart_of_device(
    store: Store, device: Device, channel: Channel, span: Span, now_ms: int
) -> bytes | None:
    """The picture as PNG, 800 x 450; None: nothing was measured in that time."""
    points = _points(store, device, channel, span, now_ms)
    if not any(point.value is not None for point in points):
        return None
    rule = _rule_of(store, device, channel)
    return drawn(
        Picture(
            title=f"{shorten(device.device_id)}: {channel.label}",
            channel=channel,
            span=span,
            points=points,
            limit=None if rule is None else rule.limit,
            is_above=rule is None or rule.direction is Direction.ABOVE,
            zones=[] if rule is None else zones_of(store, device, rule, span, now_ms),
        )
    )


def _points(
    store: Store, device: Device, channel: Channel, span: Span, now_ms: int
) -> Sequence[Point]:
    """What was measured; while the span's own resolution makes no line yet, a finer one does."""
    points: Sequence[Point] = []
    for resolution in _RESOLUTIONS[_RESOLUTIONS.index(span.resolution) :]:
        finer = _points_of(store, device, channel, span, resolution, now_ms)
        points = max(points, finer, key=_measured)
        if _measured(points) >= _FEWEST_POINTS:
            break
    return points


def _measured(points: Sequence[Point]) -> int:
    return sum(point.value is not None for point in points)


def _points_of(
    store: Store,
    device: Device,
    channel: Channel,
    span: Span,
    resolution: Resolution | None,
    now_ms: int,
) -> Sequence[Point]:
    since = now_ms - span.lasts_ms
    if resolution is None:
        readings = store.readings.page(
            device.device_id, since=since, until=now_ms + 1, limit=MOST_POINTS, newest_first=True
        )
        return [_point_of_reading(reading, channel, now_ms) for reading in readings[::-1]]
    rollups = store.readings.rollups(
        device.device_id,
        resolution,
        since=since,
        until=now_ms + 1,
        limit=MOST_POINTS,
        newest_first=True,
    )
    return [_point_of_rollup(rollup, channel, now_ms) for rollup in rollups[::-1]]


def _point_of_reading(reading: StoredReading, channel: Channel, now_ms: int) -> Point:
    value = getattr(reading, channel.name)
    return Point(
        hours=(reading.measured_at - now_ms) / _HOUR_MS,
        value=value,
        low=value,
        high=value,
        chance=reading.probability,
    )


def _point_of_rollup(rollup: Rollup, channel: Channel, now_ms: int) -> Point:
    spread = rollup.channels.get(channel.name)
    return Point(
        hours=(rollup.measured_at - now_ms) / _HOUR_MS,
        value=None if spread is None else spread.mean,
        low=None if spread is None else spread.min,
        high=None if spread is None else spread.max,
        chance=rollup.probability,
    )


def _rule_of(store: Store, device: Device, channel: Channel) -> Rule | None:
    """The rule whose limit is one of this channel."""
    for rule in rules_for(device.kind, store.rules.of(device.device_id)):
        if rule.enabled and rule.unit == channel.unit and channel_of(rule) is channel:
            return rule
    return None


def zones_of(store: Store, device: Device, rule: Rule, span: Span, now_ms: int) -> Sequence[Zone]:
    """The alerts of a rule that were open in that time, also those that began before it."""
    since = now_ms - span.lasts_ms
    alerts = store.alerts.page(device_id=device.device_id, until=now_ms + 1, limit=MOST_ALERTS)
    return [
        _zone_of(alert, now_ms)
        for alert in alerts
        if alert.rule == rule.name and (alert.closed_at is None or alert.closed_at >= since)
    ]


def _zone_of(alert: Alert, now_ms: int) -> Zone:
    def hours(at: int) -> float:
        return (at - now_ms) / _HOUR_MS

    return Zone(
        begins=hours(alert.opened_at),
        stressed=None if alert.stressed_at is None else hours(alert.stressed_at),
        ends=0.0 if alert.closed_at is None else hours(alert.closed_at),
    )


def drawn(picture: Picture) -> bytes:
    """The picture as PNG, 800 x 450."""
    figure, upper, lower = two_panels(picture.title)
    upper.set_title(picture.span.words, loc="right", fontsize=14, color=INK)
    _draw_values(upper, picture)
    known = [point for point in picture.points if point.chance is not None]
    draw_risk(lower, [each.hours for each in known], [100 * (each.chance or 0) for each in known])
    lower.set_xlim(-picture.span.lasts_ms / _HOUR_MS, 0)
    lower.set_xticks(list(picture.span.ticks), list(picture.span.ticks.values()))
    return as_png(figure)


def _draw_values(axes: Axes, picture: Picture) -> None:
    for zone in picture.zones:
        foreseen_until = zone.ends if zone.stressed is None else zone.stressed
        axes.axvspan(zone.begins, foreseen_until, color=CHANCE, alpha=0.18, linewidth=0)
        if zone.stressed is not None:
            axes.axvspan(zone.stressed, zone.ends, color=DANGER, alpha=0.18, linewidth=0)
    hours, lows, highs, values = _line(picture)
    axes.fill_between(hours, lows, highs, color=LINE, alpha=0.2, linewidth=0)
    axes.plot(hours, values, color=LINE, linewidth=2.2, solid_capstyle="round")
    if picture.limit is not None:
        axes.axhline(picture.limit, color=DANGER, linewidth=2)
        label_limit(axes, picture.limit, picture.channel, below=not picture.is_above)
    axes.margins(y=0.18)


def _line(picture: Picture) -> tuple[list[float], list[float], list[float], list[float]]:
    """Hours, lowest, highest and mean values, parted by NaN where nothing was measured."""
    nothing = float("nan")
    rows: list[tuple[float, float, float, float]] = []
    for point in picture.points:
        if rows and point.hours - rows[-1][0] > _GAP_STEPS * picture.span.step_h:
            rows.append((point.hours, nothing, nothing, nothing))
        values = (point.low, point.high, point.value)
        low, high, value = (nothing if each is None else each for each in values)
        rows.append((point.hours, low, high, value))
    hours, lows, highs, means = zip(*rows, strict=True)
    return list(hours), list(lows), list(highs), list(means)
