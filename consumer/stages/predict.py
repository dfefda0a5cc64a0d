"""How probable it is that a rule will hold soon: the model, once per batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from consumer.batch import Batch
from consumer.pipeline import Stage
from consumer.stages.rules import RuleBook
from fleetpulse.alerts import PREDICTED_RULES, RULE_NAMES


class Scores(Protocol):
    """What a predictor says of n rows."""

    @property
    def probability(self) -> Mapping[str, NDArray[np.float64]]:
        """By rule, [n]; NaN: not known."""

    @property
    def estimate(self) -> Mapping[str, NDArray[np.float64]]:
        """The same, also of rows with too little history to act on."""

    @property
    def expected_s(self) -> Mapping[str, NDArray[np.float64]]:
        """By rule, [n], seconds until it is expected to hold; NaN: not known."""

    @property
    def load_mean_60s(self) -> NDArray[np.float64]:
        """[n], %, NaN until a minute is known."""


class Predictor(Protocol):
    """The models of a fleet and their memory of recent samples."""

    @property
    def version(self) -> str:
        """Which models these are."""

    @property
    def versions(self) -> Mapping[str, str]:
        """Which model each rule has."""

    @property
    def thresholds(self) -> Mapping[str, float]:
        """Which probability means soon, by rule."""

    def score(
        self,
        slots: NDArray[np.int64],
        kinds: Sequence[str],
        measured_at: NDArray[np.int64],
        values: NDArray[np.float64],
        limits: Mapping[str, NDArray[np.float64]],
        set_back: NDArray[np.bool_] | None = None,
    ) -> Scores:
        """Score n rows and remember them.

        set_back: [n], the first rows after a device's clock was set back; None: no clock was.
        """

    def causes(self, scores: Any, rule: str, rows: Sequence[int]) -> Sequence[Sequence[str]]:
        """The top reasons for each of these rows' probabilities, in words with numbers."""

    def drifts(self) -> Mapping[str, Any]:
        """How far the fleet is from each rule's training, by feature; in any thread."""

    def learn(self, slot: int, period: int, means: Sequence[float], periods: float) -> None:
        """Take over what was normal for a device before; in any thread."""

    def forget(self, slots: NDArray[np.int64]) -> None:
        """Forget the samples of these devices."""


def predict(predictor: Predictor, rules: RuleBook) -> Stage:
    """Add each row's probability and expected time by rule, and the worst rule's as its own.

    A row's own is told from its first reading on, as an estimate; rules go by what is known.
    """

    def stage(batch: Batch) -> Batch:
        rules.refresh()
        limits = {
            name: rules.limit[batch.slots, RULE_NAMES.index(name)] for name in PREDICTED_RULES
        }
        scores = predictor.score(
            batch.slots,
            batch.kinds,
            batch.measured_at,
            batch.values,
            limits,
            batch.set_back if batch.set_back.any() else None,
        )
        rules.refresh_thresholds()
        probability, expected_s = worst(scores.estimate, scores.expected_s, len(batch))
        return replace(
            batch,
            scores=scores,
            rule_probability=scores.probability,
            load_mean_60s=scores.load_mean_60s,
            probability=probability,
            expected_s=expected_s,
            model_version=predictor.version,
        )

    return stage


def worst(
    probability: Mapping[str, NDArray[np.float64]],
    expected_s: Mapping[str, NDArray[np.float64]],
    rows: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The highest probability of each row's rules and its expected time; NaN: none is known."""
    highest, its_time = np.full(rows, np.nan), np.full(rows, np.nan)
    for rule, values in probability.items():
        higher = ~(values <= highest) & ~np.isnan(values)
        highest = np.where(higher, values, highest)
        its_time = np.where(higher, expected_s[rule], its_time)
    return highest, its_time
