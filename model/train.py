"""How models are made: simulated fleets and recorded sessions in, fitted models and cards out."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import sklearn
import skops
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import GroupKFold

from fleetpulse.alerts import HORIZON_S
from model import evaluate
from model.domain import Ranges
from model.evaluate import Evidence, Figures
from model.features import FEATURES
from model.files import FittedModel, dump
from model.history import Bools, Floats, Int64s
from model.questions import Questions
from model.registry import ModelCard, Source

FOLDS = 5
PRECISION = 0.8
_CALIBRATION_POINTS = 41
# Few and shallow trees: a reading costs microseconds, and boards are not known by heart.
_SHAPE: Mapping[str, float | int] = {
    "max_leaf_nodes": 31,
    "min_samples_leaf": 100,
    "l2_regularization": 20.0,
}
# Heat has more features that say nearly the same: fewer at a time.
CHANCE_PARAMETERS: Mapping[str, Mapping[str, float | int]] = {
    "heat": {
        **_SHAPE,
        "max_iter": 80,
        "learning_rate": 0.12,
        "max_depth": 8,
        "max_features": 0.2,
    },
    "overload": {
        **_SHAPE,
        "max_iter": 60,
        "learning_rate": 0.15,
        "max_depth": 7,
        "max_features": 0.4,
    },
}
SECONDS_PARAMETERS: Mapping[str, float | int | str] = {
    "loss": "squared_error",
    "max_iter": 40,
    "learning_rate": 0.1,
    "max_leaf_nodes": 15,
    "min_samples_leaf": 100,
    "l2_regularization": 10.0,
}
Parameters = dict[str, float | int | str]
Progress = Callable[[str], None]
# For each fold, for each part, the questions to learn from and those to be asked.
Splits = Sequence[Sequence[tuple[Int64s, Int64s]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Questions from one source of data."""

    source: Source
    questions: Questions
    weight: float = 1.0  # of the whole part, however many rows it has
    judged: Bools | None = None  # the questions that figures are of; None: all
    # Not taught: the threshold follows from the warnings that these would bring. All questions of
    # some of the same machines, at the limits that warnings will be of.
    deciding: Questions | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A model file, its card, and what the card's figures are worked out from."""

    content: bytes
    card: ModelCard
    evidence: Sequence[Evidence] = field(compare=False, repr=False)


def make(
    rule: str,
    parts: Sequence[Part],
    *,
    seed: int = 0,
    precision: float = PRECISION,
    made_at: datetime | None = None,
    progress: Progress = lambda step: None,
) -> Made:
    """The model of a rule. The same parts and seed give the same bytes.

    The machines are cut into FOLDS; figures, calibration and threshold come from models that never
    saw the machine in question. The model itself is then fitted on all of them. precision: of the
    warnings on such machines; the threshold follows from it.
    """
    out_of_fold = [np.full(len(part.questions), np.nan) for part in parts]
    deciding = [np.full(len(part.deciding or ()), np.nan) for part in parts]
    folds = _folds(parts, seed)
    splits = _splits(folds)
    for number, fold in enumerate(splits):
        progress(f"{rule}: fold {number + 1} of {FOLDS}")
        seen = [part.questions.of(inside) for part, (inside, _) in zip(parts, fold, strict=True)]
        fitted = _fit_chance(rule, parts, seen, seed)
        for place, (part, (_, outside)) in enumerate(zip(parts, fold, strict=True)):
            out_of_fold[place][outside] = _chances(fitted, part.questions.features[outside])
            if part.deciding is not None:
                rows = np.isin(part.deciding.groups, np.unique(part.questions.groups[outside]))
                deciding[place][rows] = _chances(fitted, part.deciding.features[rows])
    progress(f"{rule}: fit on everything")
    questions = [part.questions for part in parts]
    chance = _fit_chance(rule, parts, questions, seed)
    calibration = _calibration(parts, out_of_fold)
    model = FittedModel(
        chance=chance,
        seconds=_fit_seconds(parts, questions, seed),
        calibration=calibration,
        typical=_typical(questions),
        ranges=_ranges(parts),
        features=tuple(feature.name for feature in FEATURES[rule]),
    )
    calibrated = _calibrated(parts, out_of_fold, splits)
    evidence = [
        _evidence(part, chance, fold)
        for part, chance, fold in zip(parts, calibrated, folds, strict=True)
        if (fold >= 0).any()
    ]
    deciding = [np.interp(raw, *calibration) for raw in deciding]
    threshold = _threshold(parts, calibrated, deciding, precision)
    metrics = evaluate.figures(rule, evidence, threshold)
    parameters: Parameters = {"seed": seed, "precision": precision, **CHANCE_PARAMETERS[rule]}
    made_at = made_at or datetime.now(UTC)
    content, card = _with_card(rule, model, threshold, parts, metrics, parameters, made_at)
    return Made(content=content, card=card, evidence=evidence)


def _folds(parts: Sequence[Part], seed: int) -> list[Int64s]:
    """In which of FOLDS each question is left out: a machine in the same one in all parts.

    -1, never: one that is alone in its part teaches and is not asked.
    """
    fold_of: dict[str, int] = {}
    for part in parts:
        groups = part.questions.groups[~np.isin(part.questions.groups, list(fold_of))]
        folds = min(FOLDS, len(np.unique(groups)))
        if folds > 1:
            splitter = GroupKFold(folds, shuffle=True, random_state=seed)
            for fold, (_, outside) in enumerate(splitter.split(groups, groups=groups)):
                fold_of |= dict.fromkeys(np.unique(groups[outside]).tolist(), fold)
    return [
        np.array([fold_of.get(group, -1) for group in part.questions.groups.tolist()])
        for part in parts
    ]


def _splits(folds: Sequence[Int64s]) -> Splits:
    """The same as places: of each fold and part, those inside and those left out."""
    return [
        [(np.flatnonzero(of_part != fold), np.flatnonzero(of_part == fold)) for of_part in folds]
        for fold in range(FOLDS)
    ]


def _evidence(part: Part, chance: Floats, fold: Int64s) -> Evidence:
    judged = slice(None) if part.judged is None else np.flatnonzero(part.judged)
    questions = part.questions if part.judged is None else part.questions.of(part.judged)
    return Evidence(
        source=part.source,
        questions=questions,
        chance=chance[judged],
        fold=fold[judged],
    )


def _fit_chance(
    rule: str, parts: Sequence[Part], questions: Sequence[Questions], seed: int
) -> HistGradientBoostingClassifier:
    sure = [part.of(part.certain) for part in questions]
    model = HistGradientBoostingClassifier(
        early_stopping=False, random_state=seed, **CHANCE_PARAMETERS[rule]
    )
    weights = _weights(parts, sure) * np.concatenate([part.weight for part in sure])
    return model.fit(
        _without_empty_columns(np.concatenate([part.features for part in sure])),
        np.concatenate([part.reached for part in sure]),
        sample_weight=weights,
    )


def _chances(model: HistGradientBoostingClassifier, features: Floats) -> Floats:
    if not len(features):
        return np.empty(0)
    chances: Floats = model.predict_proba(features)[:, 1]
    return chances


def _fit_seconds(
    parts: Sequence[Part], questions: Sequence[Questions], seed: int
) -> HistGradientBoostingRegressor:
    crossings = [part.of(~np.isnan(part.seconds)) for part in questions]
    model = HistGradientBoostingRegressor(
        early_stopping=False, random_state=seed, **SECONDS_PARAMETERS
    )
    return model.fit(
        _without_empty_columns(np.concatenate([part.features for part in crossings])),
        np.concatenate([part.seconds for part in crossings]),
        sample_weight=_weights(parts, crossings),
    )


def _without_empty_columns(features: Floats) -> Floats:
    """The same, zeros in columns of nothing but NaN: scikit-learn 1.9 cannot bin those.

    All of the column: of many rows it looks at a sample, and would miss a single zero.
    """
    features[:, np.isnan(features).all(axis=0)] = 0.0
    return features


def _weights(parts: Sequence[Part], questions: Sequence[Questions]) -> Floats:
    """Every part counts as much as its weight says; the mean of all is 1."""
    counts = np.array([len(asked) for asked in questions])
    shares = np.array([part.weight for part in parts]) * counts.astype(bool)
    by_part = shares / shares.sum() * counts.sum() / np.maximum(counts, 1)
    weights: Floats = np.repeat(by_part, counts)
    return weights


def _calibration(parts: Sequence[Part], out_of_fold: Sequence[Floats]) -> Floats:
    """What the model's chances have meant, [2, points]; a chance of NaN is left out."""
    raw, reached, weights = _known(parts, out_of_fold)
    isotonic = IsotonicRegression(out_of_bounds="clip", y_min=0.001, y_max=0.999)
    isotonic.fit(raw, reached, sample_weight=weights)
    points = np.linspace(0, 1, _CALIBRATION_POINTS)
    # A little slope everywhere keeps the order of chances where the steps are flat.
    means = 0.99 * isotonic.predict(points) + 0.01 * points
    return np.stack([points, means])


def _calibrated(
    parts: Sequence[Part], out_of_fold: Sequence[Floats], splits: Splits
) -> list[Floats]:
    """The chances of each fold by what the other folds' have meant: as of machines never seen."""
    found = [chances.copy() for chances in out_of_fold]
    for fold in splits:
        others = [chances.copy() for chances in out_of_fold]
        for chances, (_, outside) in zip(others, fold, strict=True):
            chances[outside] = np.nan
        points, means = _calibration(parts, others)
        for chances, raw, (_, outside) in zip(found, out_of_fold, fold, strict=True):
            chances[outside] = np.interp(raw[outside], points, means)
    return found


def _threshold(
    parts: Sequence[Part],
    chances: Sequence[Floats],
    deciding: Sequence[Floats],
    precision: float,
) -> float:
    """From which chance on "soon" is said."""
    for part, chance in zip(parts, deciding, strict=True):
        if part.deciding is not None:
            rows = part.deciding.certain & ~np.isnan(chance)
            if part.deciding.reached[rows].any():
                asked = part.deciding.of(rows)
                return evaluate.threshold_of_warnings(asked, chance[rows], precision)
    known, reached, weights = _known(
        [_judged(part) for part in parts],
        [
            chance if part.judged is None else chance[part.judged]
            for part, chance in zip(parts, chances, strict=True)
        ],
    )
    return evaluate.threshold_for(reached, known, precision, weights)


def _judged(part: Part) -> Part:
    """The questions that figures are of."""
    if part.judged is None:
        return part
    return replace(part, questions=part.questions.of(part.judged), judged=None)


def _known(
    parts: Sequence[Part], chances: Sequence[Floats]
) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Chances, answers and weights of all questions that have both."""
    rows = [
        part.questions.certain & ~np.isnan(chance)
        for part, chance in zip(parts, chances, strict=True)
    ]
    sure = [part.questions.of(these) for part, these in zip(parts, rows, strict=True)]
    return (
        np.concatenate([chance[these] for chance, these in zip(chances, rows, strict=True)]),
        np.concatenate([part.reached for part in sure]),
        _weights(parts, sure),
    )


def _typical(questions: Sequence[Questions]) -> Floats:
    features = np.concatenate([part.features for part in questions])
    return np.nanmedian(_without_empty_columns(features), axis=0)


def _ranges(parts: Sequence[Part]) -> Ranges:
    questions = [part.questions for part in parts]
    features = np.concatenate([part.features for part in questions])
    return Ranges.of(features, _weights(parts, questions))


def _with_card(
    rule: str,
    model: FittedModel,
    threshold: float,
    parts: Sequence[Part],
    metrics: Figures,
    parameters: Parameters,
    made_at: datetime,
) -> tuple[bytes, ModelCard]:
    content = dump(model)
    digest = hashlib.sha256(content).hexdigest()
    card = ModelCard(
        name=rule,
        version=f"{made_at:%Y-%m-%d}.{digest[:8]}",
        made_at=made_at.isoformat(timespec="seconds"),
        file=f"{rule}.skops",
        sha256=digest,
        size_bytes=len(content),
        horizon_s=HORIZON_S,
        threshold=round(threshold, 4),
        features=list(model.features),
        libraries={
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
            "skops": skops.__version__,
        },
        sources=[part.source for part in parts],
        metrics=metrics,
        parameters=parameters,
        question=evaluate.QUESTIONS[rule],
        limits=evaluate.CAVEATS[rule],
    )
    return content, card


def save(made: Made, folder: Path) -> None:
    """Put a model and its card into a folder; each file is there whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    card = msgspec.json.format(msgspec.json.encode(made.card), indent=2)
    for name, content in ((made.card.file, made.content), (f"{made.card.name}.json", card + b"\n")):
        partial = folder / f".{name}.partial"
        partial.write_bytes(content)
        partial.replace(folder / name)
