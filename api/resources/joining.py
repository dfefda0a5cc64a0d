"""/devices/<id>/key: a machine joins the fleet with a key of its own."""

from __future__ import annotations

import msgspec
from flask import Response
from flask_restx import Model, Namespace, Resource, fields

from api import pages, query
from api.bodies import body_as
from api.documented import DEVICE_IN_PATH, WRITTEN, documented, with_models
from api.fields import moment, optional, words
from api.parts import now_ms, store
from fleetpulse import __version__
from fleetpulse.joining import MachineKind, api_address, device_key, install_line, other_keys

JOINING = Model(
    "Joining",
    {
        "address": words("Where the device finds this API", "https://fleet.example.org"),
        "kind": optional(
            words(
                "What kind of machine it is", "raspberry", enum=[str(each) for each in MachineKind]
            )
        ),
        "wheel": optional(
            words(
                "Install this file there, or from this address (this version, from PyPI)",
                f"./fleetpulse-{__version__}-py3-none-any.whl",
            )
        ),
    },
)
OTHER_KEY = Model(
    "OtherKey",
    {
        "key_id": words("What to revoke it by", "m4x1c8d0e"),
        "created_at": moment("When it was made"),
    },
)
JOINED = Model(
    "Joined",
    {
        "device_id": words("The device", "pi-attic"),
        "key_id": words("What to revoke the key by", "kq3n7x2ab"),
        "install": words(
            "What to run on the device, with its key; nobody can tell it afterwards",
            "sudo python3 -m venv /opt/fleetpulse && …",
        ),
        "other_keys": fields.List(
            fields.Nested(OTHER_KEY),
            required=True,
            description="That the device may still send with, until they are revoked; oldest first",
        ),
    },
)

joining = with_models(
    Namespace("joining", "How a machine joins the fleet", path="/api/v1/devices"),
    JOINING,
    OTHER_KEY,
    JOINED,
)


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a POST."""

    address: str
    kind: MachineKind = MachineKind.RASPBERRY
    wheel: str | None = None


@joining.route("/<string:device_id>/key")
@joining.doc(params=DEVICE_IN_PATH)
class DeviceKeys(Resource):
    """The keys of a device."""

    @documented(joining, JOINED, "A new key, in the line that installs the agent", problems=WRITTEN)
    @joining.expect(JOINING)
    def post(self, device_id: str) -> Response:
        """Make a key for a device, and the line that installs its agent

        The device need not be known yet: it is, with its first reading. Keys that it had before
        stay in force until they are revoked; `other_keys` names them.
        """
        query.asked()
        wanted = body_as(Wanted, "how a device joins")
        address = api_address(wanted.address)
        key, text = device_key(device_id, now_ms=now_ms())
        line = install_line(device_id, wanted.kind, address, text, wheel=wanted.wheel)
        others = other_keys(store().keys.all(), key)
        store().keys.put(key)
        return pages.answer(
            {
                "device_id": device_id,
                "key_id": key.key_id,
                "install": line,
                "other_keys": [
                    {"key_id": each.key_id, "created_at": each.created_at} for each in others
                ],
            }
        )
