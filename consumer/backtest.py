"""What would have been warned of: recorded readings through the live stages, and what followed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from consumer.batch import Batch
from consumer.csv_readings import Chunk
from consumer.scoring import Scoring
from consumer.stages.predict import Predictor
from consumer.stages.quantities import quantity_of
from fleetpulse.alerts import HORIZON_S, PREDICTED_RULES, RULE_NAMES, AlertEvent, State
from model.features import FEATURES
from model.history import Int64s
from model.judging import Answers, Judgement, Watched

# What people do without a model: warn a little below the limit, in the rule's unit.
MARGIN: Mapping[str, float] = {"heat": 5.0, "overload": 5.0}
_AHEAD = {"heat": "projected_60s", "overload": "load_room"}  # room left if it goes on like this


Floats32 = NDArray[np.float32]
Number = TypeVar("Number", bound=np.generic)


class Alerts(msgspec.Struct, frozen=True, kw_only=True):
    """The alerts of a rule that would have fired."""

    soon: int  # warnings
    right: int  # of these, those that "stressed" followed within the horizon
    stressed: int
    unforeseen: int  # of these, those without a warning before


class RuleReport(msgspec.Struct, frozen=True, kw_only=True):
    """One rule: its alerts, and the model beside what one would do without it."""

    alerts: Alerts
    threshold: float
    model: Judgement
    candidate: Judgement | None  # the model in the shadow, if there is one, from its own threshold
    static_limit: Judgement
    extrapolation: Judgement


@dataclass(slots=True)
class _Columns:
    """What is kept of each reading for one rule, batch by batch: ten million fit into memory."""

    room: list[Floats32] = field(default_factory=list)
    chance: list[Floats32] = field(default_factory=list)
    ahead: list[Floats32] = field(default_factory=list)
    candidate: list[Floats32] = field(default_factory=list)


class Backtest:
    """Readings in, chunk by chunk; a report of each predicted rule out.

    threshold: from which probability on "soon" is said, in place of the models'.
    candidate_thresholds: of the models in the shadow, by rule. For the rest see Scoring.
    """

    def __init__(
        self,
        predictor: Predictor,
        kind: str,
        limits: Mapping[str, float],
        threshold: float | None = None,
        candidate_thresholds: Mapping[str, float] | None = None,
    ) -> None:
        self._predictor, self._threshold = predictor, threshold
        self._candidate_thresholds = candidate_thresholds or {}
        self._slots: list[NDArray[np.int32]] = []
        self._measured_at: list[Int64s] = []
        self._columns = {rule: _Columns() for rule in PREDICTED_RULES}
        self.events: list[AlertEvent] = []
        self.scoring = Scoring(predictor, kind, limits, threshold=threshold, predicted=self._keep)

    def add(self, chunk: Chunk) -> None:
        """Take in some more; a device's readings must come in order of time."""
        self.events += self.scoring.score(chunk).events

    def report(self) -> dict[str, RuleReport]:
        """By rule that was in force for any device. To be asked for once: readings are let go."""
        slots, measured_at = _whole(self._slots), _whole(self._measured_at)
        return {
            rule: self._of(rule, columns, slots, measured_at)
            for rule, columns in self._columns.items()
            if any((~np.isnan(room)).any() for room in columns.room)
        }

    def _keep(self, batch: Batch) -> None:
        """Note what each rule saw and said of a batch that was just predicted."""
        self._slots.append(batch.slots.astype(np.int32))
        self._measured_at.append(batch.measured_at)
        for rule, columns in self._columns.items():
            limit = self.scoring.rules.limit[batch.slots, RULE_NAMES.index(rule)]
            names = [feature.name for feature in FEATURES[rule]]
            room = limit - quantity_of(batch, rule)
            columns.room.append(room.astype(np.float32))
            columns.chance.append(batch.rule_probability[rule].astype(np.float32))
            if rule in batch.scores.candidates:
                shadow = batch.scores.candidate_probability[rule]
                columns.candidate.append(shadow.astype(np.float32))
            features = batch.scores.features[rule]
            columns.ahead.append(features[:, names.index(_AHEAD[rule])].astype(np.float32))

    def _of(
        self, rule: str, columns: _Columns, slots: NDArray[np.int32], measured_at: Int64s
    ) -> RuleReport:
        room = _whole(columns.room)
        answers = Answers(Watched(slots=slots, measured_at=measured_at, room=room))
        default = self._predictor.thresholds[rule]
        threshold = default if self._threshold is None else self._threshold
        return RuleReport(
            alerts=alerts_of(self.events, rule),
            threshold=threshold,
            model=answers.judge(_whole(columns.chance), threshold),
            candidate=answers.judge(_whole(columns.candidate), self._candidate_thresholds[rule])
            if columns.candidate
            else None,
            static_limit=answers.judge(-room, -MARGIN[rule]),
            extrapolation=answers.judge(-_whole(columns.ahead), 0.0),
        )


def _whole(parts: list[NDArray[Number]]) -> NDArray[Number]:
    """The parts as one; they are let go of."""
    whole = np.concatenate(parts)
    parts.clear()
    return whole


def alerts_of(events: Sequence[AlertEvent], rule: str) -> Alerts:
    """The alerts of one rule; the events of a device in order of time."""
    of_rule = [event for event in events if event.rule == rule]
    soon = {(one.device_id, one.episode): one.at for one in of_rule if one.state is State.SOON}
    stressed = {
        (one.device_id, one.episode): one.at for one in of_rule if one.state is State.STRESSED
    }
    right = sum(
        0 <= stressed[episode] - at <= 1000 * HORIZON_S
        for episode, at in soon.items()
        if episode in stressed
    )
    return Alerts(
        soon=len(soon),
        right=right,
        stressed=len(stressed),
        unforeseen=len(set(stressed) - set(soon)),
    )
