"""What a model is worth, on one page with pictures: to be read before it is promoted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from model import report_pictures
from model.evaluate import (
    Case,
    Evidence,
    baselines,
    calibration_error,
    false_alarms,
    lead_times,
    misses,
)
from model.registry import ModelCard

_MOST_CASES = 6  # pictures of a kind
_UNITS: Mapping[str, str] = {"heat": "°C", "overload": "%"}
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1b2733; background: #f4f6f8; margin: 0 }
main { max-width: 1100px; margin: 0 auto; padding: 24px 16px 64px }
section { background: #fff; border: 1px solid #e3e8ec; border-radius: 10px; padding: 8px 20px 20px;
  margin: 20px 0 }
h1 { margin: 8px 0 0 } h2 { margin: 8px 0 }
.faint { color: #5d6b78 } .row { display: flex; flex-wrap: wrap; gap: 12px }
figure { margin: 0; flex: 1 1 300px } figcaption { color: #5d6b78; font-size: 13px }
svg { width: 100%; height: auto } table { border-collapse: collapse; margin: 8px 0 }
td, th { text-align: left; padding: 2px 18px 2px 0; border-bottom: 1px solid #e3e8ec }
td:last-child { font-variant-numeric: tabular-nums }
"""


def page(card: ModelCard, evidence: Sequence[Evidence]) -> str:
    """The report of a model as HTML, complete in itself.

    evidence: of each source, what models that had not seen the machine said.
    """
    title = f"{card.name} {card.version}"
    body = "".join(_of_source(card, each) for each in evidence if each.questions.reached.any())
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><main>{_head(card, title)}{body}{_foot(card)}"
        "</main></body></html>\n"
    )


def _head(card: ModelCard, title: str) -> str:
    precision = float(card.parameters["precision"])
    return (
        f"<h1>{escape(title)}</h1>"
        f'<p class="faint">{escape(card.question)} Made {escape(card.made_at)}.</p>'
        f"<p>From a probability of {card.threshold:.2f} on it says “soon”: warnings of machines"
        f" that it was not trained on are then right {100 * precision:.0f} times in 100. All"
        " figures and pictures here are of such machines.</p>"
    )


def _of_source(card: ModelCard, evidence: Evidence) -> str:
    source, questions, chance = evidence.source, evidence.questions, evidence.chance
    name = source.name
    precision = float(card.parameters["precision"])
    at = (
        _figure(card, f"{name}: recall at the threshold"),
        _figure(card, f"{name}: precision at the threshold"),
    )
    scores = {"model": chance, **baselines(card.name, questions)}
    warned = (chance >= card.threshold) & questions.known
    error = calibration_error(questions.reached, chance)
    pictures = [
        (
            report_pictures.precision_recall(questions.reached, scores, at, precision),
            "Of the warnings, the right ones (precision); of what happened, what was warned of"
            " (recall).",
        ),
        (
            report_pictures.calibration(questions.reached, chance),
            f"What is said, against how often it was so. Calibration error (ECE): {error:.3f}.",
        ),
        (
            report_pictures.lead_times(lead_times(questions, warned), card.horizon_s),
            "From the first warning to the crossing, of the crossings that were warned of.",
        ),
    ]
    lines = [
        (key.removeprefix(f"{name}: "), _said(value))
        for key, value in card.metrics.items()
        if key.startswith(f"{name}: ")
    ]
    return (
        f"<section><h2>{escape(name)}</h2>"
        f'<p class="faint">{escape(source.citation)}; {source.machines:,} machines,'
        f" {source.rows:,} readings, {len(questions):,} questions.</p>"
        f"{_figures(pictures)}{_table(lines)}"
        f"{_cases('Worst misses', misses(card.name, evidence, card.threshold), card)}"
        f"{_cases('Worst false alarms', false_alarms(card.name, evidence), card)}</section>"
    )


def _cases(title: str, cases: Iterable[Case], card: ModelCard) -> str:
    """Pictures of single machines: what was measured (dark), the limit, and the probability."""
    shown = [found for found, _ in zip(cases, range(_MOST_CASES), strict=False)]
    if not shown:
        return ""
    pictures = [
        (
            report_pictures.case(found, card.threshold, _UNITS[card.name]),
            f"{found.machine}, limit {found.limit:g} {_UNITS[card.name]}",
        )
        for found in shown
    ]
    words = "Dark: measured; red: the limit; orange: the probability, and where “soon” begins."
    return f'<h3>{escape(title)}</h3><p class="faint">{words}</p>{_figures(pictures)}'


def _figures(pictures: Iterable[tuple[str, str]]) -> str:
    drawn = (
        f"<figure>{svg}<figcaption>{escape(words)}</figcaption></figure>" for svg, words in pictures
    )
    return f'<div class="row">{"".join(drawn)}</div>'


def _table(lines: Iterable[tuple[str, str]]) -> str:
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(what)}</td></tr>" for name, what in lines
    )
    return f"<table>{rows}</table>"


def _foot(card: ModelCard) -> str:
    lines = [*card.parameters.items(), *card.libraries.items()]
    return (
        f"<section><h2>How it was made</h2><p>{escape(card.limits)}</p>"
        f"{_table((name, _said(value)) for name, value in lines)}</section>"
    )


def _figure(card: ModelCard, name: str) -> float:
    value = card.metrics[name]
    return value if isinstance(value, float) else 0.0


def _said(value: float | list[float] | str) -> str:
    if isinstance(value, list):
        return ", ".join(f"{one:g}" for one in value)
    return value if isinstance(value, str) else f"{value:g}"
