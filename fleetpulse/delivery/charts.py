"""A small picture of what led to a warning, made to be read on a phone.

matplotlib is imported late, by `warm_up` in a thread of its own: loading it takes seconds on a
small machine, and neither the start of the bot nor its first warning should wait for that.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from fleetpulse.alerts import AlertEvent, Direction, Rule, State
from fleetpulse.delivery.words import quantity, rule_called
from fleetpulse.stores.protocols import Store, StoredReading
from fleetpulse.telemetry import CHANNEL, Channel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SPAN_MS = 10 * 60_000  # of readings before the event
SHORTEST_MINUTES = 2.0  # of the time axis
MOST_POINTS = 2000
TITLE_CHARACTERS = 32  # of a device's name
LATEST_EXPECTED_S = 180.0  # an expectation further ahead is not drawn
INK, PAPER, FAINT = "#1b2733", "#ffffff", "#8a97a3"
LINE, DANGER, CHANCE = "#1565c0", "#c62828", "#ef8f00"

# What is drawn for a quantity that is derived from a channel.
_DERIVED = {"load_mean_60s": "load_pct", "throttle": "clock_ghz", "supply_voltage_v": "voltage_v"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What one chart shows; times in minutes, 0 at the event."""

    title: str
    channel: Channel
    minutes: Sequence[float]
    values: Sequence[float]
    chance_minutes: Sequence[float]
    chances_pct: Sequence[float]
    limit: float | None  # None: it is not a limit of this channel
    is_above: bool  # stress is above the limit, or below
    expected_minutes: float | None


def chart_of(store: Store, event: AlertEvent) -> bytes | None:
    """The minutes before the event as PNG; None when there is nothing to draw."""
    rule = rule_called(event.rule, event.kind)
    channel = None if rule is None else channel_of(rule)
    if rule is None or channel is None:
        return None
    readings = store.readings.page(
        event.device_id,
        since=event.at - SPAN_MS,
        until=event.at + 1,
        limit=MOST_POINTS,
        newest_first=True,
    )
    curve = curve_of(event, rule, channel, readings[::-1])
    return None if len(curve.values) < 2 else drawn(curve)


def channel_of(rule: Rule) -> Channel | None:
    """What is drawn for a rule: what it watches, or what that is derived from."""
    return CHANNEL.get(_DERIVED.get(rule.watches, rule.watches))


def curve_of(
    event: AlertEvent, rule: Rule, channel: Channel, readings: Sequence[StoredReading]
) -> Curve:
    """What the chart of an event shows. readings: in time order."""
    points = [
        (_minutes(reading, event), value)
        for reading in readings
        if (value := getattr(reading, channel.name)) is not None
    ]
    chances = [
        (_minutes(reading, event), 100 * reading.probability)
        for reading in readings
        if reading.probability is not None
    ]
    limit = rule.limit if event.limit is None else event.limit
    expected_s = event.expected_s if event.state is State.SOON else None
    return Curve(
        title=f"{shorten(event.device_id)}: {channel.label}",
        channel=channel,
        minutes=[minutes for minutes, _ in points],
        values=[value for _, value in points],
        chance_minutes=[minutes for minutes, _ in chances],
        chances_pct=[chance for _, chance in chances],
        limit=limit if channel.unit == rule.unit else None,
        is_above=rule.direction is Direction.ABOVE,
        expected_minutes=None
        if expected_s is None or expected_s > LATEST_EXPECTED_S
        else expected_s / 60,
    )


def shorten(name: str) -> str:
    """A name that fits into a title."""
    return name if len(name) <= TITLE_CHARACTERS else f"{name[: TITLE_CHARACTERS - 1]}…"


def _minutes(reading: StoredReading, event: AlertEvent) -> float:
    return (reading.measured_at - event.at) / 60_000


def warm_up() -> None:
    """Load all that drawing needs, by drawing a picture for nobody in a thread of its own.

    It takes a second or two, which the end of the process waits for: a daemon that is ended inside
    the library's C++ takes the process with it (SIGABRT).
    """
    threading.Thread(target=example_chart, name="warm-up", daemon=False).start()


def example_chart() -> bytes:
    """The picture of the warning that `example_post` shows."""
    channel = CHANNEL["temperature_c"]
    return drawn(
        Curve(
            title=f"example: {channel.label}",
            channel=channel,
            minutes=[-2.0, -1.5, -1.0, -0.5, 0.0],
            values=[58.5, 63.5, 68.5, 73.0, 76.5],
            chance_minutes=[-2.0, -1.5, -1.0, -0.5, 0.0],
            chances_pct=[2.0, 6.0, 21.0, 55.0, 83.0],
            limit=80.0,
            is_above=True,
            expected_minutes=1.0,
        )
    )


def drawn(curve: Curve) -> bytes:
    """The curve as PNG, 800 x 450."""
    figure, upper, lower = two_panels(curve.title)
    newest = quantity(curve.values[-1], curve.channel.unit)
    upper.set_title(newest, loc="right", fontsize=19, fontweight="bold", color=LINE)
    _draw_values(upper, curve)
    draw_risk(lower, curve.chance_minutes, curve.chances_pct)
    for axes in (upper, lower):
        axes.axvline(0, color=INK, linewidth=1.2, linestyle=(0, (4, 3)))
    _draw_time(lower, curve)
    return as_png(figure)


def two_panels(title: str) -> tuple[Figure, Axes, Axes]:
    """A picture of 800 x 450: values above, the risk below, on one time axis."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    around = ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.1)  # inches: chats round the corners off
    figure = Figure(figsize=(8, 4.5), dpi=100, facecolor=PAPER, layout=around)
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(
        2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 1], "hspace": 0.06}
    )
    upper.set_title(title, loc="left", fontsize=17, fontweight="bold", color=INK)
    for axes in (upper, lower):
        axes.tick_params(labelsize=14, labelcolor=INK, length=0, pad=6)
        axes.grid(axis="y", color=FAINT, alpha=0.25)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_color(FAINT)
    return figure, upper, lower


def as_png(figure: Figure) -> bytes:
    """The picture as a file."""
    png = BytesIO()
    figure.savefig(png, format="png", pil_kwargs={"optimize": True})
    return png.getvalue()


def _draw_values(axes: Axes, curve: Curve) -> None:
    axes.plot(curve.minutes, curve.values, color=LINE, linewidth=3, solid_capstyle="round")
    low, high = _range(curve)
    axes.set_ylim(low, high)
    now = (curve.minutes[-1], curve.values[-1])
    if curve.limit is not None:
        zone = (curve.limit, high) if curve.is_above else (low, curve.limit)
        axes.axhspan(*zone, color=DANGER, alpha=0.10, linewidth=0)
        axes.axhline(curve.limit, color=DANGER, linewidth=2)
        label_limit(axes, curve.limit, curve.channel)
        if curve.expected_minutes is not None:
            ends = (curve.expected_minutes, curve.limit)
            axes.plot(*zip(now, ends, strict=True), color=LINE, linewidth=2, linestyle=(0, (2, 2)))
            axes.plot(*ends, marker="o", markersize=9, color=PAPER, markeredgecolor=DANGER, mew=2.5)
    axes.plot(*now, marker="o", markersize=10, color=LINE, markeredgecolor=PAPER, mew=2)


def label_limit(axes: Axes, limit: float, channel: Channel, *, below: bool = False) -> None:
    """Name the line of a limit, above or below it."""
    axes.annotate(
        f"limit {quantity(limit, channel.unit)}",
        (0.01, limit),
        xycoords=axes.get_yaxis_transform(),
        xytext=(2, -18 if below else 4),
        textcoords="offset points",
        fontsize=14,
        color=DANGER,
    )


def draw_risk(axes: Axes, times: Sequence[float], chances_pct: Sequence[float]) -> None:
    """The lower panel."""
    axes.fill_between(times, chances_pct, color=CHANCE, alpha=0.35, linewidth=0)
    axes.plot(times, chances_pct, color=CHANCE, linewidth=2)
    axes.set_ylim(0, 105)
    axes.set_yticks([0, 100], ["0", "100 %"])
    axes.text(0.01, 0.9, "risk", transform=axes.transAxes, fontsize=14, color=INK, va="top")


def _draw_time(axes: Axes, curve: Curve) -> None:
    begin = min(-SHORTEST_MINUTES, curve.minutes[0])
    axes.set_xlim(begin, max(-begin * 0.03, 1.15 * (curve.expected_minutes or 0)))
    step = 2 if begin < -5 else 1
    ticks = [-minutes for minutes in range(0, int(-begin) + 1, step)]
    axes.set_xticks(ticks, [f"{tick} min" if tick else "now" for tick in ticks])


def _range(curve: Curve) -> tuple[float, float]:
    """A value axis that holds the curve and its limit, with room on both sides."""
    shown: list[Any] = [*curve.values, *([] if curve.limit is None else [curve.limit])]
    room = max(0.12 * (max(shown) - min(shown)), 0.01 * max(map(abs, shown)), 0.05)
    return min(shown) - room, max(shown) + 1.6 * room
