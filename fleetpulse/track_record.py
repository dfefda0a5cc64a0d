"""What warnings turned out to be: each one true or false, each stress foreseen or missed.

An outcome is worked out from the alert that is stored, so it is the same wherever it is asked for,
and nothing has to remember to resolve it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

import msgspec

from fleetpulse.alerts import HORIZON_S, PREDICTED_RULES
from fleetpulse.stores.pages import all_alerts
from fleetpulse.stores.protocols import Alert, Opinion, Store, Verdict

HORIZON_MS = round(1000 * HORIZON_S)
DAY_MS = 86_400_000
SPANS_DAYS = (7, 30)  # over which a record is shown


class Outcome(StrEnum):
    """What an alert of a predicted rule turned out to be."""

    TRUE = "true"  # warned, and within the horizon the rule held
    FALSE = "false"  # warned, and it did not
    MISSED = "missed"  # it held, and nobody had warned


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """How often a model was right. None: there was nothing to divide by.

    An owner's opinion counts more than the outcome: a machine that was cooled in time was warned
    of rightly.
    """

    true: int
    false: int
    missed: int
    waiting: int  # warnings whose horizon is not over
    precision: float | None  # of the warnings, the true ones
    recall: float | None  # of the stresses, those that were warned of
    median_lead_s: float | None  # from the warning to the stress, of the true ones
    confirmed: int  # warnings that an owner called right
    disputed: int  # warnings that an owner called false alarms


def outcome_of(alert: Alert, now_ms: int) -> Outcome | None:
    """What it turned out to be; None: it is too early to say, or nothing was predicted.

    now_ms: Unix ms, to see whether the horizon of a warning is over.
    """
    if alert.rule not in PREDICTED_RULES or alert.model_version is None:
        return None
    if alert.stressed_at is not None and alert.stressed_at <= alert.opened_at:
        return Outcome.MISSED
    if alert.stressed_at is not None and alert.stressed_at - alert.opened_at <= HORIZON_MS:
        return Outcome.TRUE
    is_over = alert.closed_at is not None or alert.stressed_at is not None
    return Outcome.FALSE if is_over or now_ms - alert.opened_at > HORIZON_MS else None


def record_of(alerts: Iterable[Alert], verdicts: Mapping[str, Verdict], now_ms: int) -> Record:
    """How often these alerts were right; verdicts: of owners, by alert_id."""
    counts = dict.fromkeys(Outcome, 0)
    waiting, leads_s, opinions = 0, list[float](), list[Opinion]()
    for alert in alerts:
        outcome = outcome_of(alert, now_ms)
        if outcome in (Outcome.TRUE, Outcome.FALSE) and alert.alert_id in verdicts:
            opinions.append(verdicts[alert.alert_id].opinion)
            outcome = _SAID[opinions[-1]]
        if outcome is not None:
            counts[outcome] += 1
        elif alert.rule in PREDICTED_RULES and alert.model_version is not None:
            waiting += 1
        if outcome is Outcome.TRUE and alert.stressed_at is not None:
            leads_s.append((alert.stressed_at - alert.opened_at) / 1000)
    true, false, missed = (counts[each] for each in Outcome)
    return Record(
        true=true,
        false=false,
        missed=missed,
        waiting=waiting,
        precision=_share(true, false),
        recall=_share(true, missed),
        median_lead_s=median(leads_s) if leads_s else None,
        confirmed=opinions.count(Opinion.RIGHT),
        disputed=opinions.count(Opinion.FALSE_ALARM),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """The alerts of the longest span, of one device or of all, and what owners said of them."""

    alerts: Sequence[Alert]
    verdicts: Mapping[str, Verdict]
    now_ms: int

    def records(self, model: ModelName | None = None) -> Mapping[int, Record]:
        """How often warnings were right, by days back; model: of this one only."""
        of_model = [alert for alert in self.alerts if model is None or model.foresaw(alert)]
        return {
            days: record_of(
                (each for each in of_model if each.opened_at >= self.now_ms - days * DAY_MS),
                self.verdicts,
                self.now_ms,
            )
            for days in SPANS_DAYS
        }


@dataclass(frozen=True, slots=True)
class ModelName:
    """The model of a rule, in one version."""

    rule: str
    version: str

    def foresaw(self, alert: Alert) -> bool:
        """Whether it was the one that watched for this alert."""
        return (alert.rule, alert.model_version) == (self.rule, self.version)


def models_of(alerts: Iterable[Alert]) -> Sequence[ModelName]:
    """The models that watched for these alerts, by rule and version."""
    found = {
        ModelName(alert.rule, alert.model_version)
        for alert in alerts
        if alert.rule in PREDICTED_RULES and alert.model_version is not None
    }
    return sorted(found, key=lambda name: (name.rule, name.version))


def past(store: Store, now_ms: int, device_id: str | None = None) -> Past:
    """What is stored of one device, or of all. Raises StoreError."""
    since = now_ms - max(SPANS_DAYS) * DAY_MS
    alerts = list(all_alerts(store, device_id=device_id, since=since))
    verdicts = store.alerts.verdicts_of([alert.alert_id for alert in alerts])
    return Past(alerts=alerts, verdicts=verdicts, now_ms=now_ms)


_SAID = {Opinion.RIGHT: Outcome.TRUE, Opinion.FALSE_ALARM: Outcome.FALSE}


def _share(part: int, others: int) -> float | None:
    return part / (part + others) if part + others else None
