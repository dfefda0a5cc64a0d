"""/devices/{device_id}/readings: what was measured, with what was predicted from it."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Response
from flask_restx import Model, Namespace, Resource, fields

from api import pages, query
from api.devices_known import known_device
from api.documented import DEVICE_IN_PATH, UNKNOWN_DEVICE, documented, page_model, with_models
from api.fields import channel_fields, count, moment, number, texts, words
from api.parts import store
from fleetpulse.alerts import Status
from fleetpulse.stores.protocols import StoredReading

PREDICTION_FIELDS: dict[str, fields.Raw] = {
    "device_id": words("The device", "pi-attic"),
    "measured_at": moment("When it was measured"),
    "seq": count("The device's own count of its readings; grows across restarts", 412),
    "probability": number(
        "Probability, 0 to 1, that the worst rule holds within the model's horizon;"
        " null: not enough data to say",
        0.83,
    ),
    "expected_s": number("Seconds until it is expected to hold; null: it is not expected", 74.0),
    "status": words(
        "Status by the worst rule at this reading", "soon", enum=[str(each) for each in Status]
    ),
    "causes": texts(
        "Why, in words; only warnings have causes", ["temperature rises 9 °C a minute"]
    ),
    "model_version": words("The model that predicted", "2026-11-22-5f2c", nullable=True),
}
READING = Model(
    "Reading",
    {
        **PREDICTION_FIELDS,
        **channel_fields(),
        "rejected": count("Channels that came with an impossible value (stored as null)", 0),
    },
)
READING_PAGE = page_model(
    READING, resolution=words("The resolution of these items", "raw", enum=["raw"])
)

readings = with_models(
    Namespace("readings", "What was measured", path="/api/v1/devices"), READING, READING_PAGE
)

PARAMETERS = (
    query.SINCE,
    query.UNTIL,
    query.ORDER,
    query.RESOLUTION,
    query.LIMIT,
    query.CURSOR,
)


@readings.route("/<string:device_id>/readings")
@readings.doc(params=DEVICE_IN_PATH)
class Readings(Resource):
    """The readings of a device."""

    @documented(
        readings,
        READING_PAGE,
        "A page of readings",
        parameters=PARAMETERS,
        problems=UNKNOWN_DEVICE,
    )
    def get(self, device_id: str) -> Response:
        """Readings of one device: every channel in its unit, and the prediction"""
        known_device(device_id)
        asked = query.asked(*PARAMETERS)
        return pages.page(
            readings_asked(device_id, asked),
            asked["limit"],
            listed=f"readings-{asked['order']}",
            key=key_of,
            view=msgspec.to_builtins,
            resolution=asked["resolution"],
        )


def readings_asked(device_id: str, asked: dict[str, Any]) -> list[StoredReading]:
    """The readings that were asked for, and one more if there is one."""
    listed = f"readings-{asked['order']}"
    return list(
        store().readings.page(
            device_id,
            since=asked["since"],
            until=asked["until"],
            after=pages.place(asked["cursor"], listed, tuple[pages.Whole, pages.Whole]),
            limit=asked["limit"] + 1,
            newest_first=asked["order"] == "desc",
        )
    )


def key_of(reading: StoredReading) -> tuple[int, int]:
    """A reading's place among those of its device."""
    return reading.measured_at, reading.seq
