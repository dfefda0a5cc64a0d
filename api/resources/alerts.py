"""/alerts: one item per episode, as its newest event left it."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Response
from flask_restx import Model, Namespace, Resource

from api import pages, query
from api.callers import only_device
from api.documented import documented, page_model, with_models
from api.fields import count, moment, number, texts, words
from api.parts import now_ms, store
from fleetpulse.alerts import RULE_NAMES, Severity, State
from fleetpulse.stores.protocols import Alert, Opinion, Verdict
from fleetpulse.track_record import Outcome, outcome_of

ALERT = Model(
    "Alert",
    {
        "alert_id": words("Device, rule and episode", "pi-attic:heat:3"),
        "device_id": words("The device", "pi-attic"),
        "kind": words("What kind of machine it is", "raspberry"),
        "rule": words(f"Its rule, such as {', '.join(RULE_NAMES)}", "heat"),
        "episode": count("Which time this rule opened for this device", 3),
        "state": words("Where it stands now", "recovered", enum=[str(each) for each in State]),
        "severity": words("The worst so far", "critical", enum=[str(each) for each in Severity]),
        "opened_at": moment("When it began"),
        "changed_at": moment("When its state last changed"),
        "closed_at": moment("When it was over; null: it is not", nullable=True),
        "stressed_at": moment("When the limit was reached; null: it was not", nullable=True),
        "probability": number("Probability, 0 to 1, when it was opened", 0.83),
        "expected_s": number("Seconds to stress that were expected when it was opened", 74.0),
        "value": number("Newest value of what the rule watches, in the rule's unit", 81.2),
        "limit": number("The limit, in the rule's unit", 80.0),
        "causes": texts("Why it was opened, in words", ["temperature rises 9 °C a minute"]),
        "model_version": words("The model that foresaw it", "2026-11-22-5f2c", nullable=True),
        "acknowledged_at": moment("When somebody had seen it; null: nobody has", nullable=True),
        "acknowledged_by": words("Who that was, in words", "Ada", nullable=True),
        "outcome": words(
            "What it turned out to be: a warning true or false, a stress that was missed; null:"
            " too early to say, or no model watches for this",
            "true",
            nullable=True,
            enum=[*map(str, Outcome), None],
        ),
        "opinion": words(
            "What its owner called it; null: nothing",
            "right",
            nullable=True,
            enum=[*map(str, Opinion), None],
        ),
    },
)
ALERT_PAGE = page_model(ALERT)

alerts = with_models(
    Namespace("alerts", "What needs somebody", path="/api/v1/alerts"), ALERT, ALERT_PAGE
)

PARAMETERS = (
    query.DEVICE_ID,
    query.OPEN,
    query.SINCE,
    query.UNTIL,
    query.LIMIT,
    query.CURSOR,
)


@alerts.route("")
class Alerts(Resource):
    """The alerts."""

    @documented(alerts, ALERT_PAGE, "A page of episodes", parameters=PARAMETERS)
    def get(self) -> Response:
        """Episodes, newest first by the moment they began"""
        asked = query.asked(*PARAMETERS)
        found = store().alerts.page(
            device_id=only_device(asked["device_id"]),
            open_only=asked["open"],
            since=asked["since"],
            until=asked["until"],
            before=pages.place(asked["cursor"], "alerts", tuple[pages.Whole, str]),
            limit=asked["limit"] + 1,
        )
        verdicts = store().alerts.verdicts_of([alert.alert_id for alert in found])
        return pages.page(
            found,
            asked["limit"],
            listed="alerts",
            key=key_of,
            view=lambda alert: alert_view(alert, verdicts.get(alert.alert_id)),
        )


def alert_view(alert: Alert, verdict: Verdict | None) -> dict[str, Any]:
    """An episode as the API shows it."""
    return msgspec.structs.asdict(alert) | {
        "outcome": outcome_of(alert, now_ms()),
        "opinion": verdict.opinion if verdict else None,
    }


def key_of(alert: Alert) -> tuple[int, str]:
    """An episode's place among all."""
    return alert.opened_at, alert.alert_id
