"""The pictures of a training report, as SVG to be put into a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve

from model.evaluate import CALIBRATION_BINS, Case, calibration_bins
from model.history import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _FAINT, _GRID = "#1b2733", "#8a97a3", "#e3e8ec"
_MODEL, _LIMIT, _CHANCE = "#1565c0", "#c62828", "#ef8f00"
_OTHERS = ("#8a97a3", "#5d4037")
_MOST_POINTS = 400  # of a curve: more are not seen


def precision_recall(
    reached: NDArray[np.bool_],
    scores: Mapping[str, Floats],
    at: tuple[float, float],
    precision: float,
) -> str:
    """Curves of the model, which comes first, and of what one would do without it.

    at: recall and precision at the threshold; precision: the one that was asked for.
    """

    def draw(axes: Axes) -> None:
        for (name, score), colour in zip(scores.items(), (_MODEL, *_OTHERS), strict=False):
            rights, recalls, _ = precision_recall_curve(reached, np.nan_to_num(score, nan=-1e9))
            places = _thinned(recalls)
            axes.plot(recalls[places], rights[places], color=colour, label=name, linewidth=1.8)
        axes.axhline(precision, color=_FAINT, linestyle=":", linewidth=1)
        axes.plot(*at, "o", color=_MODEL, markersize=7, label="at the threshold")
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
        axes.legend(frameon=False)

    return _drawn(draw)


def calibration(reached: NDArray[np.bool_], chance: Floats) -> str:
    """How often the limit was reached where so much was said, and how often that was said."""
    said, happened, share = calibration_bins(reached, chance)

    def draw(axes: Axes) -> None:
        middles = (np.arange(CALIBRATION_BINS) + 0.5) / CALIBRATION_BINS
        axes.bar(middles, share, width=0.09, color=_GRID, label="share of all answers")
        axes.plot([0, 1], [0, 1], color=_FAINT, linestyle=":", linewidth=1)
        axes.plot(said, happened, "o-", color=_MODEL, linewidth=1.8, label="model")
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="probability said", ylabel="how often it was")
        axes.legend(frameon=False)

    return _drawn(draw)


def lead_times(leads_s: Floats, horizon_s: float) -> str:
    """How long before the crossing the first warning came."""

    def draw(axes: Axes) -> None:
        axes.hist(leads_s, bins=np.linspace(0, horizon_s, 13).tolist(), color=_MODEL, rwidth=0.92)
        if len(leads_s):
            axes.axvline(float(np.median(leads_s)), color=_CHANCE, label="median")
            axes.legend(frameon=False)
        axes.set(xlim=(0, horizon_s), xlabel="seconds of warning", ylabel="crossings")

    return _drawn(draw)


def case(found: Case, threshold: float, unit: str) -> str:
    """What was measured of one machine, and what was said of it."""

    def draw(axes: Axes) -> None:
        axes.plot(found.seconds, found.quantity, ".-", color=_INK, linewidth=1)
        axes.axhline(found.limit, color=_LIMIT, linewidth=1)
        axes.set(xlabel="s", ylabel=unit)
        chances = axes.twinx()
        chances.plot(found.seconds, found.chance, ".-", color=_CHANCE, linewidth=1)
        chances.axhline(threshold, color=_CHANCE, linestyle=":", linewidth=1)
        chances.set_ylim(0, 1.02)
        chances.tick_params(colors=_CHANCE)
        chances.spines[["top", "right"]].set_visible(False)

    return _drawn(draw, size=(3.4, 1.9))


def _drawn(draw: Callable[[Axes], None], size: tuple[float, float] = (4.4, 3.2)) -> str:
    with mpl.rc_context(
        {
            # The same data give the same bytes, and texts stay texts.
            "svg.hashsalt": "fleetpulse",
            "svg.fonttype": "none",
            "font.size": 9.0,
            "axes.edgecolor": _FAINT,
            "axes.labelcolor": _INK,
            "text.color": _INK,
        }
    ):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes)
        file = StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = file.getvalue()
    return text[text.index("<svg") :]


def _thinned(recalls: Floats) -> Sequence[int]:
    """Places of a curve, evenly along the recall."""
    wanted = np.linspace(0, 1, _MOST_POINTS)
    places = np.searchsorted(-recalls, -wanted[::-1])
    return list(np.unique(np.clip(places, 0, len(recalls) - 1)))
