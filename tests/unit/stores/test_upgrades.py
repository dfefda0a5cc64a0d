"""A store that any earlier version wrote is opened by this one, with all that it has.

`version_N.sql` is what a commit of version N stored, dumped by `sqlite3.Connection.iterdump`: a
batch of readings, devices, states and an event; a chat, a rule, a delivery, a heartbeat; from 2 on
a key and rollups, from 3 on a verdict, from 4 on a person and a group. Who adds a migration adds
the same of the new version.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fleetpulse.people import Group, People, Person
from fleetpulse.stores.protocols import Resolution
from fleetpulse.stores.sql import SqlStore
from fleetpulse.stores.sql_tables import REVISION
from fleetpulse.stores.sqlite_backup import back_up, restore
from tests.contracts.builders import (
    NOON,
    a_change,
    a_chat,
    a_delivery,
    a_heartbeat,
    a_key,
    a_reading,
    a_verdict,
    scored,
)
from tests.contracts.store import a_batch, everything

FOLDER = Path(__file__).parent
VERSIONS = range(1, int(REVISION) + 1)


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def path(tmp_path: Path, version: int) -> Path:
    """The file of a store of that version."""
    path = tmp_path / "fleet.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((FOLDER / f"version_{version}.sql").read_text(encoding="utf-8"))
        connection.execute("PRAGMA journal_mode = WAL")
    return path


def assert_all_is_there(store: SqlStore, version: int) -> None:
    """What a store of that version was given can be read, and written over."""
    with closing(
        SqlStore("sqlite:///" + str(Path(store.database.name).with_name("new.db")))
    ) as new:
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


def test_every_version_so_far_has_its_store_here() -> None:
    """So that the next version is held to open it."""
    assert {path.name for path in FOLDER.glob("version_*.sql")} == {
        f"version_{version}.sql" for version in VERSIONS
    }


def test_a_store_of_every_version_keeps_all_that_it_has(path: Path, version: int) -> None:
    with closing(SqlStore(f"sqlite:///{path}")) as store:
        assert_all_is_there(store, version)
        store.check()
        store.save(scored(a_reading(at=NOON + 5_000)))
        assert store.readings.latest("pi-1") == a_reading(at=NOON + 5_000)

    with closing(sqlite3.connect(path)) as plain:
        assert plain.execute("SELECT version_num FROM fleetpulse_version").fetchall() == [
            (REVISION,)
        ]


def test_a_copy_from_before_the_upgrade_leads_back_and_forth(path: Path, version: int) -> None:
    """The copy stays what the old fleetpulse reads, and this one takes it, too."""
    copy, again = path.with_name("copy.db"), path.with_name("again.db")

    assert back_up(path, copy).version == f"{version:04}"

    SqlStore(f"sqlite:///{path}").close()
    with closing(sqlite3.connect(copy)) as plain:
        was = plain.execute("SELECT version FROM schema_version").fetchall()
    assert was == [(1 if version == 1 else 2,)]
    restore(copy, again)
    with closing(SqlStore(f"sqlite:///{again}")) as store:
        assert_all_is_there(store, version)
