"""The trained models at work: rows of telemetry in, chances, times and reasons out.

A predictor keeps the recent samples of each device itself; the caller gives every device a slot, a
small number, and feeds rows in the order in which they arrived.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import cast

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from fleetpulse.alerts import HORIZON_S
from fleetpulse.errors import ModelError
from model import explain
from model.domain import LEAST_ROWS, Drift, DriftCount
from model.features import FEATURES, REACH, Look, compute, kind_codes
from model.files import FittedModel, load
from model.history import Floats, History, Int64s
from model.normals import Normals
from model.registry import ModelCard, Registry, open_registry

_ASK_FOR_SECONDS = 0.5  # of the threshold: below it no time is expected
CAUSES = 3
# The look-back of a row takes some 8 KB while it is scored; more rows at once are no faster.
PART_ROWS = 2_500


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A model that scores in the shadow of the one in use."""

    fitted: FittedModel
    threshold: float
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """The models of all rules, ready for use."""

    fitted: Mapping[str, FittedModel]
    thresholds: Mapping[str, float]  # which probability means soon
    versions: Mapping[str, str]  # by rule
    candidates: Mapping[str, Candidate] = field(default_factory=dict)  # by rule, if there is one

    @property
    def version(self) -> str:
        """Of all together."""
        return "+".join(dict.fromkeys(self.versions.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What is expected of n rows. NaN: not known."""

    probability: Mapping[str, Floats]  # by rule, that it will hold within the horizon
    # The same, also where there is too little history to act on it: NaN only without the channel,
    # or far from all that the model knows.
    estimate: Mapping[str, Floats]
    expected_s: Mapping[str, Floats]  # until the limit is reached; NaN where that is unlikely
    load_mean_60s: Floats  # NaN until 60 s, or all of them but one cadence, are known
    features: Mapping[str, Floats]  # by rule [n, F], for causes()
    normals: Floats  # [n, normals.CHANNELS], for causes()
    models: Models  # that scored them all
    candidate_probability: Mapping[str, Floats] = field(default_factory=dict)  # by rule with one

    @property
    def versions(self) -> Mapping[str, str]:
        """The models in use, by rule."""
        return self.models.versions

    @property
    def thresholds(self) -> Mapping[str, float]:
        """Which probability means soon to the models in use, by rule."""
        return self.models.thresholds

    @property
    def candidates(self) -> Mapping[str, Candidate]:
        """The models in their shadow, by rule."""
        return self.models.candidates


class FleetPredictor:
    """Scores rows of many devices at once."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._history, self._normals = History(), Normals()
        self._drift = _counts(models)
        self._learned: deque[tuple[int, int, Sequence[float], float]] = deque()
        # scikit-learn would start a thread per core for a handful of rows.
        self._threads = ThreadpoolController()

    @property
    def version(self) -> str:
        """Which models these are."""
        return self._models.version

    @property
    def versions(self) -> Mapping[str, str]:
        """Which model each rule has."""
        return self._models.versions

    @property
    def thresholds(self) -> Mapping[str, float]:
        """Which probability means soon, by rule."""
        return self._models.thresholds

    def use(self, models: Models) -> None:
        """Score with these from now on; what is remembered of the devices stays.

        Not while another thread is in score().
        """
        self._models, self._drift = models, _counts(models)

    def drifts(self) -> Mapping[str, Sequence[Drift]]:
        """How far the fleet is from each rule's training, by feature, the farthest first.

        Of the rows since the last answer; a rule with too few of them has none yet. It may be
        called in another thread.
        """
        counted = {rule: count for rule, count in self._drift.items() if count.rows >= LEAST_ROWS}
        self._drift = {**self._drift, **_counts(self._models, counted)}
        return {rule: count.drifts() for rule, count in counted.items()}

    def score(
        self,
        slots: Int64s,
        kinds: Sequence[str] | NDArray[np.str_] | NDArray[np.number],
        measured_at: Int64s,
        values: Floats,
        limits: Mapping[str, Floats],
        set_back: NDArray[np.bool_] | None = None,
    ) -> Scores:
        """What is expected of these rows, which are remembered.

        slots: [n], of the devices; kinds: [n], names or places in KINDS; measured_at: [n], Unix ms;
        values: [n, channels]; limits: by rule [n], NaN: not asked. Rows are in the order of
        arrival. set_back: [n], the first rows after a device's clock was set back; None: no clock
        was.
        """
        while self._learned:
            self._normals.learn(*self._learned.popleft())
        codes = _codes(kinds)
        parts = [
            self._score_part(
                slots[part],
                codes[part],
                measured_at[part],
                values[part],
                {rule: limit[part] for rule, limit in limits.items()},
                None if set_back is None else set_back[part],
            )
            for part in _parts(len(slots))
        ]
        return parts[0] if len(parts) == 1 else _together(parts)

    def _score_part(
        self,
        slots: Int64s,
        codes: Floats,
        measured_at: Int64s,
        values: Floats,
        limits: Mapping[str, Floats],
        set_back: NDArray[np.bool_] | None,
    ) -> Scores:
        look = Look(self._history.windows(slots, measured_at, values, set_back), codes)
        features = {rule: compute(look, rule, limits[rule]) for rule in self._models.fitted}
        quantities = {"heat": look.now("temperature_c"), "overload": look.load_mean(60)}
        needed = {"heat": "temperature_c", "overload": "load_pct"}
        probability, estimate, expected_s, shadow = {}, {}, {}, {}
        with self._threads.limit(limits=1, user_api="openmp"):
            for rule, model in self._models.fitted.items():
                # No limit, no question: the rule is switched off for this device.
                asked = ~np.isnan(look.now(needed[rule])) & ~np.isnan(limits[rule])
                asked &= ~_strange(model, rule, quantities[rule])
                over = quantities[rule] >= limits[rule]
                far = quantities[rule] < limits[rule] - REACH[rule]
                chance = _chances(model, features[rule], asked & ~over & ~far)
                chance[far & asked] = model.least
                chance[over] = 1.0
                estimate[rule] = chance
                probability[rule] = np.where(look.known | over, chance, np.nan)
                expected_s[rule] = self._seconds(rule, features[rule], probability[rule], over)
                known = look.known & asked & ~far
                self._drift[rule].add(features[rule], np.flatnonzero(known))
                if candidate := self._models.candidates.get(rule):
                    shadow[rule] = _chances(candidate.fitted, features[rule], known & ~over)
        return Scores(
            probability=probability,
            estimate=estimate,
            expected_s=expected_s,
            load_mean_60s=look.load_mean(60),
            features=features,
            normals=self._normals.means(slots, measured_at, values),
            models=self._models,
            candidate_probability=shadow,
        )

    def forget(self, slots: Int64s) -> None:
        """Empty these slots, for other devices."""
        self._history.forget(slots)
        self._normals.forget(slots)

    def learn(self, slot: int, period: int, means: Sequence[float], periods: float) -> None:
        """Take over what was normal for a device before (see Normals), at the next score().

        It may be called in another thread.
        """
        self._learned.append((slot, period, means, periods))

    def causes(self, scores: Scores, rule: str, rows: Sequence[int]) -> list[list[str]]:
        """The reasons that weigh most for each of these rows' chances, in words with numbers."""
        with self._threads.limit(limits=1, user_api="openmp"):
            return explain.causes(
                scores.models.fitted[rule],
                rule,
                scores.features[rule][list(rows)],
                scores.normals[list(rows)],
                CAUSES,
            )

    def _seconds(
        self, rule: str, features: Floats, chance: Floats, over: NDArray[np.bool_]
    ) -> Floats:
        seconds = np.full(len(chance), np.nan)
        likely = (chance >= _ASK_FOR_SECONDS * self._models.thresholds[rule]) & ~over
        if likely.any():
            expected = self._models.fitted[rule].seconds.predict(features[likely])
            seconds[likely] = np.clip(expected, 1.0, HORIZON_S)
        seconds[over] = 0.0
        return seconds


def _counts(models: Models, rules: Iterable[str] = tuple(FEATURES)) -> dict[str, DriftCount]:
    return {rule: DriftCount(models.fitted[rule].ranges) for rule in rules}


def _strange(model: FittedModel, rule: str, quantity: Floats) -> NDArray[np.bool_]:
    """Which rows are so hot or cold that the model never saw the like."""
    if rule != "heat":
        return np.zeros(len(quantity), dtype=np.bool_)
    return model.ranges.strange(quantity, model.features.index("temperature_c"))


def _parts(rows: int) -> list[slice]:
    """All rows, in order, a few thousand at a time, evenly; one part where there are none."""
    parts = max(1, math.ceil(rows / PART_ROWS))
    edges = [rows * part // parts for part in range(parts + 1)]
    return [slice(first, last) for first, last in pairwise(edges)]


def _together(parts: Sequence[Scores]) -> Scores:
    return Scores(
        probability=_by_rule([part.probability for part in parts]),
        estimate=_by_rule([part.estimate for part in parts]),
        expected_s=_by_rule([part.expected_s for part in parts]),
        load_mean_60s=np.concatenate([part.load_mean_60s for part in parts]),
        features=_by_rule([part.features for part in parts]),
        normals=np.concatenate([part.normals for part in parts]),
        models=parts[0].models,
        candidate_probability=_by_rule([part.candidate_probability for part in parts]),
    )


def _by_rule(parts: Sequence[Mapping[str, Floats]]) -> dict[str, Floats]:
    return {rule: np.concatenate([part[rule] for part in parts]) for rule in parts[0]}


def _codes(kinds: Sequence[str] | NDArray[np.str_] | NDArray[np.number]) -> Floats:
    if isinstance(kinds, np.ndarray) and np.issubdtype(kinds.dtype, np.number):
        return kinds.astype(np.float64)
    return kind_codes(cast("Sequence[str]", kinds))


def _chances(model: FittedModel, features: Floats, asked: NDArray[np.bool_]) -> Floats:
    if asked.all():
        return model.probability(features)
    chance = np.full(len(features), np.nan)
    chance[asked] = model.probability(features[asked])
    return chance


def load_predictor(models: str | Registry | None = None) -> FleetPredictor:
    """The predictor of the current models at an address (None: the shipped ones), or a registry.

    Raises ModelError.
    """
    registry = open_registry(models) if models is None or isinstance(models, str) else models
    return FleetPredictor(load_models(registry.current(), registry.read))


def load_models(cards: Mapping[str, ModelCard], read: Callable[[ModelCard], bytes]) -> Models:
    """The models of these cards, by rule, ready for use.

    read: gives the file of a card, its digest checked. Raises ModelError.
    """
    missing = [rule for rule in FEATURES if rule not in cards]
    if missing:
        raise ModelError(
            f"There is no model for {' and '.join(missing)}: make one with `fleetpulse train`."
        )
    return Models(
        fitted={rule: _fitted(rule, cards[rule], read) for rule in FEATURES},
        thresholds={rule: cards[rule].threshold for rule in FEATURES},
        versions={rule: cards[rule].version for rule in FEATURES},
    )


def load_candidates(
    cards: Mapping[str, ModelCard], read: Callable[[ModelCard], bytes]
) -> Mapping[str, Candidate]:
    """The models of these cards, by rule, ready to score in the shadow. Raises ModelError."""
    return {
        rule: Candidate(
            fitted=_fitted(rule, card, read), threshold=card.threshold, version=card.version
        )
        for rule, card in cards.items()
        if rule in FEATURES
    }


def _fitted(rule: str, card: ModelCard, read: Callable[[ModelCard], bytes]) -> FittedModel:
    if card.horizon_s != HORIZON_S:
        raise ModelError(
            f"The model {card.name} {card.version} looks {card.horizon_s:g} s ahead, and"
            f" {HORIZON_S:g} s are asked for: make it again with `fleetpulse train`."
        )
    names = [feature.name for feature in FEATURES[rule]]
    return load(read(card), card.file, names)
