"""/readings: readings of a device that has a key of its own and no access to Kafka."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from flask import Response, request
from flask_restx import Model, Namespace, Resource, fields
from werkzeug.exceptions import BadRequest, Forbidden, RequestEntityTooLarge

from api import pages, query
from api.callers import caller
from api.documented import documented, with_models
from api.errors import InvalidReadings
from api.fields import MaybeInteger, channel_fields, count, moment, optional, words
from api.parts import parts, store
from api.publish import Record
from fleetpulse import wire
from fleetpulse.errors import DecodeError
from fleetpulse.telemetry import KINDS, Reading

MOST_BYTES = 1024 * 1024
MOST_READINGS = 1000
MOST_FAULTS = 10  # that an answer lists

SENT = Model(
    "SentReading",
    {
        "device_id": words("The key's own device", "pi-attic"),
        "kind": words(f"What kind of machine it is: {', '.join(KINDS)}", "raspberry"),
        "measured_at": moment("When it was measured"),
        "seq": MaybeInteger(
            description="The device's own count of its readings; grows across restarts", example=412
        ),
        **{name: optional(field) for name, field in channel_fields().items()},
    },
)
SENT_READINGS = Model(
    "SentReadings",
    {
        "readings": fields.List(
            fields.Nested(SENT),
            required=True,
            description=f"Up to {MOST_READINGS} readings; a bare list of them is taken too",
            max_items=MOST_READINGS,
        ),
        "device_id": optional(
            words("Whose key this should be: tried also with no readings", "pi-attic")
        ),
    },
)
ACCEPTED = Model("Accepted", {"accepted": count("Readings that Kafka has acknowledged", 2)})

ingest = with_models(
    Namespace("ingest", "Sending readings without access to Kafka", path="/api/v1/readings"),
    SENT,
    SENT_READINGS,
    ACCEPTED,
)


class Posted(msgspec.Struct, frozen=True):
    """The body as an object; each reading still as it was written."""

    readings: list[msgspec.Raw]
    device_id: str | None = None


_decode = msgspec.json.Decoder(list[msgspec.Raw] | Posted).decode


@ingest.route("")
class Ingest(Resource):
    """Where devices send."""

    @documented(
        ingest,
        ACCEPTED,
        "Kafka has them; they are stored within seconds",
        status=202,
        problems={
            400: "The body is not JSON, or no list of readings",
            413: f"More than {MOST_READINGS} readings, or more than {MOST_BYTES} bytes",
            415: "The body is not application/json",
            422: "Some readings can never be stored; errors lists the first. None was taken",
            503: "Kafka, the store or the schema registry does not answer: send the same again"
            " after Retry-After",
        },
    )
    @ingest.expect(SENT_READINGS)
    def post(self) -> Response:
        """Send readings of the key's own device

        All or none are taken. Sending the same again is safe: a reading is named by its device_id,
        measured_at and seq, and is stored once.
        """
        query.asked()
        request.max_content_length = MOST_BYTES
        posted = posted_in(request.get_data())
        if posted.device_id is not None and not is_own(posted.device_id):
            raise Forbidden(
                f"This key sends readings of the device {caller().device_id!r} only;"
                " `fleetpulse devices add` makes one for another."
            )
        records = records_of([bytes(each) for each in posted.readings])
        if records:
            parts().publisher.publish(records)
        answer = pages.answer({"accepted": len(records)})
        answer.status_code = 202
        return answer


def posted_in(body: bytes) -> Posted:
    """What a body holds, a bare list too. Raises BadRequest or RequestEntityTooLarge."""
    try:
        posted = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise BadRequest(f"The body is no list of readings: {problem}.") from problem
    if not isinstance(posted, Posted):
        posted = Posted(posted)
    if len(posted.readings) > MOST_READINGS:
        raise RequestEntityTooLarge(
            f"{len(posted.readings)} readings at once; send at most {MOST_READINGS}, and the others"
            " after that."
        )
    return posted


def records_of(documents: Sequence[bytes]) -> list[Record]:
    """What goes to Kafka: the documents as they came, once all of them are good.

    Raises InvalidReadings that names the first bad ones, and Forbidden for another device's.
    """
    readings, faults = [], []
    for index, document in enumerate(documents):
        try:
            readings.append(wire.decode(document)[0])
        except DecodeError as problem:
            faults.append({"index": index, "cause": problem.cause, "detail": problem.detail})
    if not faults:
        check_devices(readings)
        faults = wrong_kinds(readings)
    if faults:
        raise InvalidReadings(len(faults), faults[:MOST_FAULTS])
    return [
        Record(f"telemetry.{reading.kind}", reading.device_id, document)
        for reading, document in zip(readings, documents, strict=True)
    ]


def check_devices(readings: Sequence[Reading]) -> None:
    """Raises Forbidden for a reading of a device that is not the caller's."""
    for index, reading in enumerate(readings):
        if not is_own(reading.device_id):
            raise Forbidden(
                f"This key sends readings of the device {caller().device_id!r} only, and number"
                f" {index} is of another; `fleetpulse devices add` makes one for it."
            )


def is_own(device_id: str) -> bool:
    """Whether the caller may send readings of this device."""
    return caller().device_id in (None, device_id)


def wrong_kinds(readings: Sequence[Reading]) -> list[dict[str, object]]:
    """What is wrong with kinds: a kind names a topic, and a key must not make new ones."""
    kinds = {
        device_id: {*KINDS, *kind_of(device_id)}
        for device_id in {reading.device_id for reading in readings}
    }
    return [
        {
            "index": index,
            "cause": "bad-field",
            "detail": f"kind must be one of {', '.join(sorted(kinds[reading.device_id]))}",
        }
        for index, reading in enumerate(readings)
        if reading.kind not in kinds[reading.device_id]
    ]


def kind_of(device_id: str) -> list[str]:
    """The kind that a device is known as, if it is known."""
    device = store().devices.get(device_id)
    return [device.kind] if device else []
