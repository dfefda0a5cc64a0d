"""/devices/{device_id}/predictions: what was foreseen, without the measurements."""

from __future__ import annotations

from typing import Any

from flask import Response
from flask_restx import Model, Namespace, Resource

from api import pages, query
from api.devices_known import known_device
from api.documented import DEVICE_IN_PATH, UNKNOWN_DEVICE, documented, page_model, with_models
from api.resources.readings import PREDICTION_FIELDS, key_of, readings_asked
from fleetpulse.stores.protocols import StoredReading

PREDICTION = Model("Prediction", PREDICTION_FIELDS)
PREDICTION_PAGE = page_model(PREDICTION)

predictions = with_models(
    Namespace("predictions", "What was foreseen", path="/api/v1/devices"),
    PREDICTION,
    PREDICTION_PAGE,
)

PARAMETERS = (query.SINCE, query.UNTIL, query.ORDER, query.LIMIT, query.CURSOR)


@predictions.route("/<string:device_id>/predictions")
@predictions.doc(params=DEVICE_IN_PATH)
class Predictions(Resource):
    """The predictions of a device."""

    @documented(
        predictions,
        PREDICTION_PAGE,
        "A page of predictions, one for each reading",
        parameters=PARAMETERS,
        problems=UNKNOWN_DEVICE,
    )
    def get(self, device_id: str) -> Response:
        """Predictions of one device: how likely stress was, when, and why"""
        known_device(device_id)
        asked = query.asked(*PARAMETERS)
        return pages.page(
            readings_asked(device_id, asked),
            asked["limit"],
            listed=f"readings-{asked['order']}",
            key=key_of,
            view=prediction_view,
        )


def prediction_view(reading: StoredReading) -> dict[str, Any]:
    """The prediction in a reading's row."""
    return {name: getattr(reading, name) for name in PREDICTION_FIELDS}
