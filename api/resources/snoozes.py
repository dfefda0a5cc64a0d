"""/snoozes and /devices/{device_id}/snooze: no word of some devices for a while, for everybody."""

from __future__ import annotations

from typing import Annotated

import msgspec
from flask import Response
from flask_restx import Model, Namespace, Resource, fields
from werkzeug.exceptions import NotFound

from api import pages, query
from api.bodies import body_as
from api.callers import caller
from api.devices_known import known_device
from api.documented import (
    DEVICE_IN_PATH,
    UNKNOWN_DEVICE,
    WRITTEN,
    documented,
    page_model,
    with_models,
)
from api.fields import words
from api.parts import now_ms, store
from api.snoozed import SNOOZE, lasting, snooze_view
from fleetpulse.people import GROUP, People, checked_selectors
from fleetpulse.snoozing import end_snooze, snooze

SHORTEST_S, LONGEST_S = 60, 30 * 24 * 3600
EVERYTHING = "*"

SNOOZE_PAGE = page_model(SNOOZE)
_SECONDS = {
    "seconds": fields.Integer(
        description="For how long from now", example=3600, min=SHORTEST_S, max=LONGEST_S,
        required=True,
    )
}  # fmt: skip
_SELECTOR = {"selector": words("A device, a @group, or * for everything", "@lab")}
SNOOZE_WANTED = Model("SnoozeWanted", _SECONDS)
SNOOZE_OF_WANTED = Model("SnoozeOfWanted", _SELECTOR | _SECONDS)
SNOOZE_ENDED = Model("SnoozeEnded", _SELECTOR)

snoozes = with_models(
    Namespace("snoozes", "Silence about some devices, for everybody", path="/api/v1"),
    SNOOZE,
    SNOOZE_PAGE,
    SNOOZE_WANTED,
    SNOOZE_OF_WANTED,
    SNOOZE_ENDED,
)

Seconds = Annotated[int, msgspec.Meta(ge=SHORTEST_S, le=LONGEST_S)]
PARAMETERS = (query.LIMIT, query.CURSOR)


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a PUT for one device."""

    seconds: Seconds


class WantedOf(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a PUT that names what it is about."""

    selector: str
    seconds: Seconds


class Ended(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a DELETE."""

    selector: str


@snoozes.route("/devices/<string:device_id>/snooze")
@snoozes.doc(params=DEVICE_IN_PATH)
class DeviceSnooze(Resource):
    """The snooze of one device."""

    @documented(
        snoozes,
        SNOOZE,
        "The snooze that holds now",
        problems=WRITTEN
        | UNKNOWN_DEVICE
        | {400: f"The body has no seconds between {SHORTEST_S} and {LONGEST_S}"},
    )
    @snoozes.expect(SNOOZE_WANTED)
    def put(self, device_id: str) -> Response:
        """Hear no word of one device for a while

        It holds for every chat and channel; what lasts after it is told then. A snooze of it
        that ends later stays, and is the answer: to shorten it, end it first.
        """
        known_device(device_id)
        query.asked()
        return snoozed(device_id, body_as(Wanted, "a snooze").seconds)

    @documented(
        snoozes,
        SNOOZE,
        "Ended; as it was",
        problems=WRITTEN | {404: "There is no such device, or it has no snooze of its own"},
    )
    def delete(self, device_id: str) -> Response:
        """End the snooze of one device

        What has waited for its end is told now. A snooze of its group, or of everything, stays.
        """
        known_device(device_id)
        query.asked()
        return ended(device_id)


@snoozes.route("/snoozes")
class Snoozes(Resource):
    """The snoozes of devices, of groups, and of everything."""

    @documented(snoozes, SNOOZE_PAGE, "A page of snoozes", parameters=PARAMETERS)
    def get(self) -> Response:
        """Every snooze that lasts, by what it is about"""
        asked = query.asked(*PARAMETERS)
        found = lasting(People(store().documents), now_ms())
        return pages.named_page(
            found, asked["limit"], asked["cursor"], listed="snoozes", view=snooze_view
        )

    @documented(
        snoozes,
        SNOOZE,
        "The snooze that holds now",
        problems=WRITTEN
        | UNKNOWN_DEVICE
        | {400: "The body is not a snooze, or names an unknown group; detail says why"},
    )
    @snoozes.expect(SNOOZE_OF_WANTED)
    def put(self) -> Response:
        """Hear no word of a device, a group or everything for a while

        A snooze of the same that ends later stays, and is the answer: to shorten it, end it first.
        """
        query.asked()
        wanted = body_as(WantedOf, "a snooze")
        return snoozed(checked(wanted.selector), wanted.seconds)

    @documented(
        snoozes,
        SNOOZE,
        "Ended; as it was",
        problems=WRITTEN | {400: "The body names no selector", 404: "This is not snoozed"},
    )
    @snoozes.expect(SNOOZE_ENDED)
    def delete(self) -> Response:
        """End a snooze"""
        query.asked()
        return ended(body_as(Ended, "the end of a snooze").selector)


def checked(selector: str) -> str:
    """The selector, if it is a device, a group or everything. Raises UnknownDevice, InvalidWish."""
    if selector == EVERYTHING:
        return selector
    if selector.startswith(GROUP):
        checked_selectors([selector], People(store().documents).groups.all())
        return selector
    return known_device(selector).device_id


def snoozed(selector: str, seconds: int) -> Response:
    """Begin a snooze, or give it a later end."""
    now = now_ms()
    until, said_by = now + seconds * 1000, caller().said_as
    found = snooze(store(), selector, until=until, said_by=said_by, now_ms=now)
    return pages.answer(snooze_view(selector, found))


def ended(selector: str) -> Response:
    """End a snooze, and have what waited for that told. Raises NotFound."""
    before = People(store().documents).snoozes.get(selector)
    if not end_snooze(store(), selector, now_ms()) or before is None:
        raise NotFound(f"{selector[:64]!r} is not snoozed.")
    return pages.answer(snooze_view(selector, before))
