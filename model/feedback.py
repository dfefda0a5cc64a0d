"""What owners said of warnings, as lessons for the next training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fleetpulse.alerts import HORIZON_S, rule_named
from fleetpulse.stores.pages import all_alerts
from fleetpulse.stores.protocols import Alert, Opinion, Store
from fleetpulse.telemetry import KINDS
from fleetpulse.track_record import outcome_of
from model.questions import Questions
from model.sessions import machine_of

# One verdict stands for the many warnings of its kind that nobody judged.
VERDICT_WEIGHT = 10.0
# More cannot be told from the few crossings that a fleet has lived through.
_SUREST = 0.95
_HORIZON_MS = round(1000 * HORIZON_S)
_MOST_DECIDING = 200_000  # of these questions, each with all its features
_EVER = 2**62  # Unix ms: every horizon is over


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """A warning, and whether its owner calls it right."""

    rule: str
    machine: str  # as groups of questions name it
    limit: float
    begins_at: int  # Unix ms, when it was warned
    ends_at: int  # when the warning was over
    was_right: bool


def lessons_in(store: Store, *, since: int) -> Sequence[Lesson]:
    """What owners said of the warnings since then (Unix ms). Raises StoreError."""
    warnings = [
        alert
        for alert in all_alerts(store, since=since)
        if outcome_of(alert, _EVER) is not None and alert.limit is not None
    ]
    verdicts = store.alerts.verdicts_of([alert.alert_id for alert in warnings])
    return [
        _lesson(alert, alert.limit, verdicts[alert.alert_id].opinion)
        for alert in warnings
        if alert.alert_id in verdicts and alert.limit is not None
    ]


def _lesson(alert: Alert, limit: float, opinion: Opinion) -> Lesson:
    ends_at = alert.stressed_at or alert.closed_at or alert.opened_at + _HORIZON_MS
    return Lesson(
        rule=alert.rule,
        machine=machine_of(alert.device_id),
        limit=limit,
        begins_at=alert.opened_at,
        ends_at=ends_at,
        was_right=opinion is Opinion.RIGHT,
    )


def precision_wanted(lessons: Sequence[Lesson], rule: str, asked: float) -> float:
    """How many of the warnings are to be right after the next training: half as many false ones.

    asked: at least so many, and just so many where nobody called a warning false.
    """
    judged = [lesson.was_right for lesson in lessons if lesson.rule == rule]
    if all(judged):
        return asked
    return max(asked, min(_SUREST, 1 - judged.count(False) / len(judged) / 2))


def limits_of(lessons: Sequence[Lesson], rule: str) -> set[float]:
    """The limits that a rule had when it was judged."""
    return {lesson.limit for lesson in lessons if lesson.rule == rule}


def in_force(questions: Questions, rule: str, lessons: Sequence[Lesson], seed: int) -> Questions:
    """All questions of a fleet at the limits that warnings are of; of a big one, of some machines.

    The limits are the rule's own and those that it had when it was judged.
    """
    limits = {rule_named(rule, kind).limit for kind in KINDS} | limits_of(lessons, rule)
    asked = np.flatnonzero(np.isin(questions.limit, list(limits)))
    machines, place, counts = np.unique(
        questions.groups[asked], return_inverse=True, return_counts=True
    )
    drawn = np.random.default_rng(seed).permutation(len(machines))
    enough = drawn[np.cumsum(counts[drawn]) - counts[drawn] < _MOST_DECIDING]
    return questions.of(asked[np.isin(place, enough)])


def taught(
    questions: Questions, rule: str, lessons: Sequence[Lesson]
) -> tuple[Questions, NDArray[np.bool_]]:
    """The questions with the owners' answers, which count more; and which ones these are.

    A lesson is about the rows of its machine and limit while the warning stood. What was rightly
    warned of counts as reached, a false alarm as not, whatever happened then.
    """
    reached, weight = questions.reached.copy(), questions.weight.copy()
    certain, judged = questions.certain.copy(), np.zeros(len(questions), dtype=np.bool_)
    for lesson in lessons:
        if lesson.rule != rule:
            continue
        meant = (
            (questions.groups == lesson.machine)
            & (questions.limit == lesson.limit)
            & (questions.measured_at >= lesson.begins_at)
            & (questions.measured_at <= lesson.ends_at)
        )
        reached[meant], certain[meant], weight[meant] = lesson.was_right, True, VERDICT_WEIGHT
        judged |= meant
    seconds = np.where(reached, questions.seconds, np.nan)
    return replace(
        questions, reached=reached, seconds=seconds, certain=certain, weight=weight
    ), judged
