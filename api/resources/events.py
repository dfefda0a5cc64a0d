"""/events: every change of state, with the fields of an alert event on the wire."""

from __future__ import annotations

import msgspec
from flask import Response
from flask_restx import Model, Namespace, Resource

from api import pages, query
from api.callers import only_device
from api.documented import documented, page_model, with_models
from api.fields import count, moment, number, texts, words
from api.parts import store
from fleetpulse.alerts import RULE_NAMES, AlertEvent, Severity, State

STATES = [str(each) for each in State]

EVENT = Model(
    "Event",
    {
        "event_id": words("Device, rule, episode and state", "pi-attic:heat:3:soon"),
        "device_id": words("The device", "pi-attic"),
        "kind": words("What kind of machine it is", "raspberry"),
        "rule": words(f"Its rule, such as {', '.join(RULE_NAMES)}", "heat"),
        "episode": count("Which time this rule opened for this device", 3),
        "state": words("What has begun", "soon", enum=STATES),
        "previous_state": words("What was before", "ok", enum=STATES),
        "at": moment("When it began, by the device's clock"),
        "probability": number("Probability, 0 to 1, that the rule will hold", 0.83),
        "expected_s": number("Seconds until it is expected to hold", 74.0),
        "value": number("Value of what the rule watches, in the rule's unit", 74.9),
        "limit": number("The limit, in the rule's unit", 80.0),
        "causes": texts("Why, in words", ["temperature rises 9 °C a minute"]),
        "model_version": words("The model that foresaw it", "2026-11-22-5f2c", nullable=True),
        "severity": words("How much it matters", "warning", enum=[str(each) for each in Severity]),
        "said_by": words("Who has acknowledged it, in words", "Ada", nullable=True),
    },
)
EVENT_PAGE = page_model(EVENT)

events = with_models(
    Namespace("events", "What has changed", path="/api/v1/events"), EVENT, EVENT_PAGE
)

PARAMETERS = (query.DEVICE_ID, query.SINCE, query.UNTIL, query.LIMIT, query.CURSOR)


@events.route("")
class Events(Resource):
    """The events."""

    @documented(events, EVENT_PAGE, "A page of events", parameters=PARAMETERS)
    def get(self) -> Response:
        """Every change of state, newest first"""
        asked = query.asked(*PARAMETERS)
        found = store().alerts.events_page(
            device_id=only_device(asked["device_id"]),
            since=asked["since"],
            until=asked["until"],
            before=pages.place(asked["cursor"], "events", tuple[pages.Whole, str]),
            limit=asked["limit"] + 1,
        )
        return pages.page(
            found, asked["limit"], listed="events", key=key_of, view=msgspec.to_builtins
        )


def key_of(event: AlertEvent) -> tuple[int, str]:
    """An event's place among all."""
    return event.at, event.event_id
