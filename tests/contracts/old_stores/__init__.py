"""What stores of earlier versions held: `version_N.sql`, and that a store has all of it.

`version_N.sql` is what a commit of version N stored, dumped by `sqlite3.Connection.iterdump`: a
batch of readings, devices, states and an event; a chat, a rule, a delivery, a heartbeat; from 2 on
a key and rollups, from 3 on a verdict, from 4 on a person and a group. Who adds a migration adds
the same of the new version.
"""

from __future__ import annotations

from pathlib import Path

from fleetpulse.people import Group, People, Person
from fleetpulse.stores.protocols import Resolution, Store
from fleetpulse.stores.sql_tables import REVISION
from tests.contracts.builders import (
    NOON,
    a_change,
    a_chat,
    a_delivery,
    a_heartbeat,
    a_key,
    a_verdict,
)
from tests.contracts.store import a_batch, everything

FOLDER = Path(__file__).parent
VERSIONS = range(1, int(REVISION) + 1)


def dump(version: int) -> str:
    """The statements that make a store of that version in SQLite."""
    return (FOLDER / f"version_{version}.sql").read_text(encoding="utf-8")


def assert_all_is_there(store: Store, new: Store, version: int) -> None:
    """What a store of that version was given can be read; new: a store that is empty."""
    new.save(a_batch())
    assert everything(store, "pi-1", "pc-1") == everything(new, "pi-1", "pc-1")
    assert store.chats.active() == [a_chat()]
    assert store.rules.of("pi-1") == [a_change(limit=70.0)]
    assert store.deliveries.due("telegram:", NOON) == [a_delivery()]
    assert store.heartbeats.all() == [a_heartbeat()]
    if version >= 2:
        assert store.keys.all() == [a_key()]
        for resolution in (Resolution.MINUTE, Resolution.HOUR):
            assert [each.count for each in store.readings.rollups("pi-1", resolution)] == [1]
    if version >= 3:
        assert store.alerts.verdicts_of(["pi-1:heat:1"]) == {"pi-1:heat:1": a_verdict()}
    if version >= 4:
        people = People(store.documents)
        assert people.people.all() == {"Ada": Person(name="Ada", owns=["@lab"])}
        assert people.groups.all() == {"lab": Group(name="lab", devices=["pi-1", "lab-*"])}
