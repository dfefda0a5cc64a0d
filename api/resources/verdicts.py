"""/devices/{device_id}/verdicts: what an owner thinks of a warning."""

from __future__ import annotations

from typing import Annotated

import msgspec
from flask import Response, request
from flask_restx import Model, Namespace, Resource
from werkzeug.exceptions import BadRequest, NotFound

from api import pages, query
from api.callers import caller
from api.devices_known import known_device
from api.documented import DEVICE_IN_PATH, documented, with_models
from api.fields import moment, words
from api.parts import now_ms, store
from fleetpulse.stores.protocols import Opinion, Verdict

ALERT_ID_PATTERN = r"^[A-Za-z0-9._:-]{1,160}\Z"
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

    alert_id: Annotated[str, msgspec.Meta(pattern=ALERT_ID_PATTERN)]
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
        said = said_in(request.get_data())
        alert = store().alerts.get(said.alert_id)
        if alert is None or alert.device_id != device_id:
            raise NotFound(
                f"{device_id} has no alert {said.alert_id!r}; /api/v1/alerts lists them."
            )
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


def said_in(body: bytes) -> Said:
    """The verdict in a request's body. Raises BadRequest that names the wrong field."""
    try:
        return msgspec.json.decode(body, type=Said)
    except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
        raise BadRequest(f"The body is no verdict: {problem}.") from problem
