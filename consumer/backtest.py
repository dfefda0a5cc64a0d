"""What would have been warned of: recorded readings through the live stages, and what followed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from consumer.batch import Batch
from consumer.csv_readings import Chunk
from consumer.scoring import Scoring
from consumer.stages.predict import Predictor
from consumer.stages.quantities import quantity
from fleetpulse.alerts import HORIZON_S, PREDICTED_RULES, RULE_NAMES, RULES, AlertEvent, State
from model.features import FEATURES
from model.history import Floats
from model.judging import Answers, Judgement, Watched

# What people do without a model: warn a little below the limit, in the rule's unit.
MARGIN: Mapping[str, float] = {"heat": 5.0, "overload": 5.0}
_AHEAD = {"heat": "projected_60s", "overload": "load_room"}  # room left if it goes on like this


_WATCHES = {rule.name: rule.watches for rule in RULES}


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
    static_limit: Judgement
    extrapolation: Judgement


@dataclass(slots=True)
class _Columns:
    """What is kept of each reading for one rule, batch by batch."""

    slots: list[np.ndarray[tuple[int], np.dtype[np.int64]]] = field(default_factory=list)
    measured_at: list[np.ndarray[tuple[int], np.dtype[np.int64]]] = field(default_factory=list)
    room: list[Floats] = field(default_factory=list)
    chance: list[Floats] = field(default_factory=list)
    ahead: list[Floats] = field(default_factory=list)


class Backtest:
    """Readings in, chunk by chunk; a report of each predicted rule out.

    thresholds: from which probability on "soon" is said, in place of the models'. For the rest see
    Scoring.
    """

    def __init__(
        self,
        predictor: Predictor,
        kind: str,
        limits: Mapping[str, float],
        threshold: float | None = None,
    ) -> None:
        self._predictor, self._threshold = predictor, threshold
        self._columns = {rule: _Columns() for rule in PREDICTED_RULES}
        self.events: list[AlertEvent] = []
        self.scoring = Scoring(predictor, kind, limits, threshold=threshold, predicted=self._keep)

    def add(self, chunk: Chunk) -> None:
        """Take in some more; a device's readings must come in order of time."""
        self.events += self.scoring.score(chunk).events

    def report(self) -> dict[str, RuleReport]:
        """By rule that was in force for any device."""
        return {
            rule: self._of(rule, columns)
            for rule, columns in self._columns.items()
            if any((~np.isnan(room)).any() for room in columns.room)
        }

    def _keep(self, batch: Batch) -> None:
        """Note what each rule saw and said of a batch that was just predicted."""
        for rule, columns in self._columns.items():
            limit = self.scoring.rules.limit[batch.slots, RULE_NAMES.index(rule)]
            names = [feature.name for feature in FEATURES[rule]]
            columns.slots.append(batch.slots)
            columns.measured_at.append(batch.measured_at)
            columns.room.append(limit - quantity(batch, _WATCHES[rule]))
            columns.chance.append(batch.rule_probability[rule].astype(np.float32))
            features = batch.scores.features[rule]
            columns.ahead.append(features[:, names.index(_AHEAD[rule])].astype(np.float32))

    def _of(self, rule: str, columns: _Columns) -> RuleReport:
        room = np.concatenate(columns.room)
        answers = Answers(
            Watched(
                slots=np.concatenate(columns.slots),
                measured_at=np.concatenate(columns.measured_at),
                room=room,
            )
        )
        default = self._predictor.thresholds[rule]
        threshold = default if self._threshold is None else self._threshold
        return RuleReport(
            alerts=alerts_of(self.events, rule),
            threshold=threshold,
            model=answers.judge(np.concatenate(columns.chance), threshold),
            static_limit=answers.judge(-room, -MARGIN[rule]),
            extrapolation=answers.judge(-np.concatenate(columns.ahead), 0.0),
        )


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
