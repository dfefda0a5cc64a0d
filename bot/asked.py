"""A question or a wish from a chat: who says it, and what that person may see and do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from fleetpulse.alerts import Status
from fleetpulse.errors import UnknownAlert, UnknownDevice
from fleetpulse.notices import OURSELVES
from fleetpulse.people import GROUP, Groups, People, Person, Role, is_named, owns
from fleetpulse.presence import status_now
from fleetpulse.stores.pages import all_devices
from fleetpulse.stores.protocols import Alert, Device, Store, StoredReading


class WrongWords(Exception):
    """The words after a command are not what it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The words after a command, and what is needed to answer them."""

    store: Store
    words: Sequence[str]
    now_ms: int  # Unix
    stale_after_ms: int  # how old a device's newest reading may be to say anything of it now
    target: str  # the chat, "telegram:<chat id>"
    person: Person = Person(name="")
    said_as: str = ""  # who that is, for others to read
    groups: Groups = field(default_factory=dict)

    @property
    def people(self) -> People:
        """What people have decided."""
        return People(self.store.documents)

    @property
    def may_change(self) -> bool:
        """Whether this person may change what others see."""
        return self.person.role is Role.OWNER

    @property
    def owns_everything(self) -> bool:
        """Whether every device is this person's, and those that will come."""
        return not self.person.owns

    def status_of(self, reading: StoredReading | None) -> Status:
        """The status now of the device whose newest reading this is."""
        return status_now(reading, self.now_ms, self.stale_after_ms)

    def sees(self, device_id: str, kind: str) -> bool:
        """Whether a device is this person's; fleetpulse itself is every owner's."""
        if kind == OURSELVES:
            return self.may_change
        return owns(self.person, device_id, kind, self.groups)

    def devices(self) -> Iterator[Device]:
        """The devices of this person."""
        return (
            device for device in all_devices(self.store) if self.sees(device.device_id, device.kind)
        )

    def sees_some_of(self, selector: str) -> bool:
        """Whether a selector names a device of this person; of others people learn nothing."""
        return self.owns_everything or any(
            is_named(selector, device.device_id, device.kind, self.groups)
            for device in self.devices()
        )

    def groups_seen(self) -> list[str]:
        """The selectors of the groups with a device of this person."""
        selectors = [f"{GROUP}{name}" for name in self.groups]
        return [selector for selector in selectors if self.sees_some_of(selector)]

    def owns_group(self, selector: str) -> bool:
        """Whether nothing in a group is another's."""
        return (
            self.owns_everything
            or selector in self.person.owns
            or all(map(self._owns_all_of, self.groups[selector.removeprefix(GROUP)].devices))
        )

    def _owns_all_of(self, pattern: str) -> bool:
        if pattern in self.person.owns:
            return True
        # One that names no device yet may name another's: what is not known to be ours is not.
        named = [each for each in all_devices(self.store) if fnmatchcase(each.device_id, pattern)]
        return bool(named) and all(self.sees(each.device_id, each.kind) for each in named)

    def device(self, name: str) -> Device:
        """One of them. Raises UnknownDevice: of others' devices people learn nothing."""
        found = self.store.devices.get(name)
        if found is None or not self.sees(found.device_id, found.kind):
            raise UnknownDevice(name)
        return found

    def alert(self, name: str) -> Alert:
        """An alert of one of them. Raises UnknownAlert."""
        found = self.store.alerts.get(name)
        if found is None or not self.sees(found.device_id, found.kind):
            raise UnknownAlert(name)
        return found

    def open_alerts(self, limit: int) -> list[Alert]:
        """What is going on with them, newest first; at most so many."""
        found: list[Alert] = []
        before: tuple[int, str] | None = None
        while page := self.store.alerts.page(open_only=True, before=before, limit=200):
            found += [alert for alert in page if self.sees(alert.device_id, alert.kind)]
            if len(found) >= limit:
                break
            before = (page[-1].opened_at, page[-1].alert_id)
        return found[:limit]
