"""/devices: the machines, each with its newest reading."""

from __future__ import annotations

from typing import Any

from flask import Response
from flask_restx import Model, Namespace, Resource, fields

from api import pages, query
from api.devices_known import devices_page, known_device
from api.documented import DEVICE_IN_PATH, UNKNOWN_DEVICE, documented, page_model, with_models
from api.fields import MaybeNested, count, moment, number, texts, words
from api.parts import now_ms, parts, store
from api.presence import DAY_MS, views_of
from api.resources.readings import READING
from api.snoozed import SNOOZE
from api.track_records import track_record_field, track_record_view
from fleetpulse.alerts import RULE_NAMES, Severity, State, Status
from fleetpulse.stores.pages import all_alerts
from fleetpulse.stores.protocols import Device

OPEN_ALERT = Model(
    "OpenAlert",
    {
        "alert_id": words("The episode", "pi-attic:heat:3"),
        "rule": words(f"Its rule, such as {', '.join(RULE_NAMES)}", "heat"),
        "state": words("Where it stands", "soon", enum=[str(each) for each in State]),
        "severity": words("The worst so far", "warning", enum=[str(each) for each in Severity]),
        "opened_at": moment("When the episode began"),
    },
)
PRESENCE = Model(
    "Presence",
    {
        "device_id": words("The device", "pi-attic"),
        "kind": words("What kind of machine it is", "raspberry"),
        "status": words(
            "Its status now; unknown when its newest reading is too old",
            "soon",
            enum=[str(each) for each in Status],
        ),
        "probability": number(
            "Probability, 0 to 1, that the worst rule holds within the model's horizon;"
            " an estimate where its status is unknown; null: no rule's channel was measured, or the"
            " machine is far from all that the model knows",
            0.83,
        ),
        "expected_s": number(
            "Seconds until it is expected to hold; null: it is not expected", 74.0
        ),
        "causes": texts("Why, in words", ["temperature rises 9 °C a minute"]),
        "first_seen_at": moment("When its first stored reading was measured"),
        "last_seen_at": moment("When its newest reading was measured", nullable=True),
        "age_s": number("Seconds since then; negative: its clock is ahead of ours", 2.4),
        "open_alerts": fields.List(
            fields.Nested(OPEN_ALERT), required=True, description="Its alerts that are not over"
        ),
        "snooze": MaybeNested(
            SNOOZE,
            required=True,
            description="The snooze of it, of its group or of everything that ends last",
        ),
        "clock_ahead_ms": number(
            "How far its clock is ahead, in milliseconds; null: it is not", 412000
        ),
        "clock_note": words(
            "The same in words, with what to do",
            "This device's clock is 6 min 52 s ahead, so its readings are refused: set its clock"
            " (or turn on NTP).",
            nullable=True,
        ),
        "latest": MaybeNested(READING, required=True, description="Its newest reading"),
    },
)
DEVICE = Model(
    "Device",
    {**PRESENCE, "rejected_24h": count("Impossible channel values in the last 24 hours", 0)},
)
DEVICE_PAGE = page_model(DEVICE)
DEVICE_SEEN = Model("DeviceSeen", {**DEVICE, "track_record": track_record_field()})

devices = with_models(
    Namespace("devices", "The machines that are watched", path="/api/v1/devices"),
    OPEN_ALERT,
    SNOOZE,
    PRESENCE,
    DEVICE,
    DEVICE_PAGE,
    DEVICE_SEEN,
)

PARAMETERS = (query.LIMIT, query.CURSOR)


@devices.route("")
class Devices(Resource):
    """All devices."""

    @documented(devices, DEVICE_PAGE, "A page of devices", parameters=PARAMETERS)
    def get(self) -> Response:
        """Every device by name: status, newest reading, open alerts"""
        asked = query.asked(*PARAMETERS)
        found = devices_page(pages.place(asked["cursor"], "devices", str), asked["limit"] + 1)
        views = views_with_rejected(found)
        return pages.page(
            views,
            asked["limit"],
            listed="devices",
            key=lambda view: view["device_id"],
            view=lambda view: view,
        )


@devices.route("/<string:device_id>")
@devices.doc(params=DEVICE_IN_PATH)
class OneDevice(Resource):
    """One device."""

    @documented(devices, DEVICE_SEEN, "The device", problems=UNKNOWN_DEVICE)
    def get(self, device_id: str) -> Response:
        """One device: status, newest reading, open alerts, and how often its warnings were right"""
        device = known_device(device_id)
        query.asked()
        seen = parts().track_records.past(device_id)
        view = views_with_rejected([device])[0]
        return pages.answer(view | {"track_record": track_record_view(seen)})


def views_with_rejected(found: list[Device]) -> list[dict[str, Any]]:
    """Devices as the API shows them, with their impossible values of the last day."""
    now = now_ms()
    alerts = {
        device.device_id: list(all_alerts(store(), device_id=device.device_id, open_only=True))
        for device in found
    }
    views = views_of(store(), found, alerts, now_ms=now, stale_after_ms=parts().stale_after_ms)
    names = [device.device_id for device in found]
    rejected = store().readings.rejected_since(names, now - DAY_MS)
    return [view | {"rejected_24h": rejected.get(view["device_id"], 0)} for view in views]
