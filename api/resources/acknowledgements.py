"""/devices/{device_id}/acknowledgements: somebody has seen an alert."""

from __future__ import annotations

import msgspec
from flask import Response
from flask_restx import Model, Namespace, Resource

from api import pages, query
from api.bodies import body_as
from api.callers import caller
from api.devices_known import AlertId, alert_of_device
from api.documented import DEVICE_IN_PATH, WRITTEN, documented, with_models
from api.fields import words
from api.parts import now_ms, store
from api.resources.alerts import ALERT, alert_view
from fleetpulse.acknowledge import acknowledge

SEEN = Model("Seen", {"alert_id": words("The alert, as /alerts names it", "pi-attic:heat:3")})

acknowledgements = with_models(
    Namespace("acknowledgements", "Alerts that somebody has seen", path="/api/v1/devices"),
    SEEN,
    ALERT,
)


class Seen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a PUT."""

    alert_id: AlertId


@acknowledgements.route("/<string:device_id>/acknowledgements")
@acknowledgements.doc(params=DEVICE_IN_PATH)
class Acknowledgements(Resource):
    """What somebody has seen of a device's alerts."""

    @documented(
        acknowledgements,
        ALERT,
        "The alert as it is now",
        problems=WRITTEN
        | {
            400: "The body is not an acknowledgement; detail says why",
            404: "The device has no such alert",
        },
    )
    @acknowledgements.expect(SEEN)
    def put(self, device_id: str) -> Response:
        """Say that an alert was seen

        It is then told no more until its state changes, and every chat shows who has seen it. The
        first one counts; an alert that is over stays as it is.
        """
        query.asked()
        alert_id = alert_of_device(device_id, body_as(Seen, "an acknowledgement").alert_id).alert_id
        acknowledge(store(), alert_id, said_by=caller().said_as, now_ms=now_ms())
        verdict = store().alerts.verdicts_of([alert_id]).get(alert_id)
        return pages.answer(alert_view(alert_of_device(device_id, alert_id), verdict))
