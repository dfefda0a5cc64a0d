"""Which devices are snoozed now, until when, and who has said so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_restx import Model

from api.fields import moment, words
from fleetpulse.people import GROUP, Groups, People, Snooze, is_named
from fleetpulse.stores.protocols import Device, Store
from fleetpulse.wire import is_identifier

SNOOZE = Model(
    "Snooze",
    {
        "selector": words("What is snoozed: a device, a @group, or * for everything", "pi-attic"),
        "until": moment("When it ends"),
        "said_by": words("Who has said so, in words", "Ada"),
    },
)


class Snoozed:
    """The snoozes that last, and the groups that they name, read at one moment."""

    def __init__(self, store: Store, now_ms: int) -> None:
        people = People(store.documents)
        self._lasting = lasting(people, now_ms)
        # Most snoozes name one device: a thousand devices are not compared with each of these.
        self._many = [selector for selector in self._lasting if not is_identifier(selector)]
        needs_groups = any(selector.startswith(GROUP) for selector in self._many)
        self._groups: Groups = people.groups.all() if needs_groups else {}

    def of(self, device: Device) -> dict[str, Any] | None:
        """The snooze of this device that ends last, as the API shows it; None: there is none."""
        found = [
            selector
            for selector in self._many
            if is_named(selector, device.device_id, device.kind, self._groups)
        ]
        if device.device_id in self._lasting:
            found.append(device.device_id)
        if not found:
            return None
        longest = max(found, key=lambda selector: self._lasting[selector].until)
        return snooze_view(longest, self._lasting[longest])


def lasting(people: People, now_ms: int) -> Mapping[str, Snooze]:
    """The snoozes that are not over, by selector."""
    return {
        selector: snooze
        for selector, snooze in people.snoozes.all().items()
        if snooze.until > now_ms
    }


def snooze_view(selector: str, snooze: Snooze) -> dict[str, Any]:
    """A snooze as the API shows it."""
    return {"selector": selector, "until": snooze.until, "said_by": snooze.said_by}
