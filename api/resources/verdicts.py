"""/devices/{device_id}/verdicts: what an owner thinks of a warning."""

from __future__ import annotations

import msgspec
from flask import Response
from flask_restx import Model, Namespace, Resource

from api import pages, query
from api.bodies import body_as
from api.callers import caller
from api.devices_known import AlertId, alert_of_device, known_device
from api.documented import DEVICE_IN_PATH, documented, with_models
from api.fields import moment, words
from api.parts import now_ms, store
from fleetpulse.stores.protocols import Opinion, Verdict

OPINIONS = [str(each) for each in Opinion]
SAID = Model(
    "SaidVerdict",
    {
        "alert_id": words("The alert, as /alerts names it", "pi-attic:heat:3"),
        "opinion": words("What it was", "false_alarm", enum=OPINIONS),
    },
)
VERDICT = Model("Verdict", {**SAID, "said_at": moment("When it was said")})

verdicts = with_models(
    Namespace("verdicts", "What owners think of warnings", path="/api/v1/devices"), SAID, VERDICT
)


class Said(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a PUT."""

    alert_id: AlertId
    opinion: Opinion


@verdicts.route("/<string:device_id>/verdicts")
@verdicts.doc(params=DEVICE_IN_PATH)
class Verdicts(Resource):
    """The verdicts on a device's alerts."""

    @documented(
        verdicts,
        VERDICT,
        "Kept",
        problems={
            400: "The body is no verdict; detail says why",
            404: "There is no such device, or it has no such alert",
            413: "The body is too large",
            415: "The body is not application/json",
        },
    )
    @verdicts.expect(SAID)
    def put(self, device_id: str) -> Response:
        """Say whether an alert was right or a false alarm

        The newest verdict counts. It goes into the track record, and the next training on the
        fleet's history learns from it.
        """
        known_device(device_id)
        query.asked()
        said = body_as(Said, "a verdict")
        alert = alert_of_device(device_id, said.alert_id)
        key = caller().key
        verdict = Verdict(
            alert_id=alert.alert_id,
            opinion=said.opinion,
            said_at=now_ms(),
            said_by=f"key:{key.key_id}" if key else "",
        )
        store().alerts.judge(verdict)
        return pages.answer(
            {"alert_id": verdict.alert_id, "opinion": verdict.opinion, "said_at": verdict.said_at}
        )
