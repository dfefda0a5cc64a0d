"""Which devices are snoozed now, until when, and who has said so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_restx import Model

from api.fields import moment, words
from fleetpulse.people import GROUP, Groups, People, Snooze, is_named
from fleetpulse.stores.protocols import Device, Store

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
        self.lasting = lasting(people, now_ms)
        needs_groups = any(selector.startswith(GROUP) for selector in self.lasting)
        self._groups: Groups = people.groups.all() if needs_groups else {}

    def of(self, device: Device) -> dict[str, Any] | None:
        """The snooze of this device that ends last, as the API shows it; None: there is none."""
        found = [
            (snooze.until, selector)
            for selector, snooze in self.lasting.items()
            if is_named(selector, device.device_id, device.kind, self._groups)
        ]
        if not found:
            return None
        _, selector = max(found)
        return snooze_view(selector, self.lasting[selector])


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
