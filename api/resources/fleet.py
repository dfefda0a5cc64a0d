"""/fleet: all that a wall display needs, in one answer."""

from __future__ import annotations

from collections import Counter

from flask import Response
from flask_restx import Model, Namespace, Resource, fields

from api import pages, query
from api.callers import only_device
from api.devices_known import devices_shown
from api.documented import documented, with_models
from api.fields import count, moment, number, words
from api.parts import now_ms, parts, store
from api.presence import by_device, views_of, worst_first
from api.resources.devices import OPEN_ALERT, PRESENCE
from api.resources.readings import READING
from api.snoozed import SNOOZE
from fleetpulse.alerts import Status
from fleetpulse.stores.pages import all_alerts
from fleetpulse.telemetry import CHANNELS

COUNTS = Model("Counts", {str(each): count(f"Devices that are {each}", 1) for each in Status})
CHANNEL = Model(
    "Channel",
    {
        "name": words("Its field in a reading", "temperature_c"),
        "label": words("Its name for people", "temperature"),
        "unit": words("Its unit", "°C"),
    },
)
FLEET = Model(
    "Fleet",
    {
        "generated_at": moment("When this was answered"),
        "stale_after_s": number(
            "Seconds after which a device that is silent is unknown", 30.0, nullable=False
        ),
        "total": count("Devices", 3),
        "counts": fields.Nested(COUNTS, required=True, description="Devices by status"),
        "channels": fields.List(
            fields.Nested(CHANNEL), required=True, description="What readings hold, in order"
        ),
        "devices": fields.List(
            fields.Nested(PRESENCE), required=True, description="Every device, the worst first"
        ),
    },
)

fleet = with_models(
    Namespace("fleet", "Everything at a glance", path="/api/v1/fleet"),
    COUNTS,
    CHANNEL,
    READING,
    OPEN_ALERT,
    SNOOZE,
    PRESENCE,
    FLEET,
)


@fleet.route("")
class Fleet(Resource):
    """The fleet."""

    @documented(fleet, FLEET, "The fleet")
    def get(self) -> Response:
        """Devices by status, and every device with its newest reading, the worst first"""
        query.asked()
        now = now_ms()
        stale_after_ms = parts().stale_after_ms
        views = views_of(
            store(),
            devices_shown(),
            by_device(all_alerts(store(), device_id=only_device(), open_only=True)),
            now_ms=now,
            stale_after_ms=stale_after_ms,
        )
        by_status = Counter(view["status"] for view in views)
        return pages.answer(
            {
                "generated_at": now,
                "stale_after_s": stale_after_ms / 1000,
                "total": len(views),
                "counts": {str(each): by_status[each] for each in Status},
                "channels": [
                    {"name": each.name, "label": each.label, "unit": each.unit} for each in CHANNELS
                ],
                "devices": worst_first(views),
            }
        )
