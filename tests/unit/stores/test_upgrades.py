"""A store that any earlier version wrote is opened by this one, with all that it has."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.sql import SqlStore
from fleetpulse.stores.sql_tables import REVISION
from fleetpulse.stores.sqlite_backup import back_up, restore
from tests.contracts.builders import NOON, a_reading, scored
from tests.contracts.old_stores import FOLDER, VERSIONS, assert_all_is_there, dump


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def path(tmp_path: Path, version: int) -> Path:
    """The file of a store of that version."""
    path = tmp_path / "fleet.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(dump(version))
        connection.execute("PRAGMA journal_mode = WAL")
    return path


def test_every_version_so_far_has_its_store_here() -> None:
    """So that the next version is held to open it."""
    assert {path.name for path in FOLDER.glob("version_*.sql")} == {
        f"version_{version}.sql" for version in VERSIONS
    }


def test_a_store_of_every_version_keeps_all_that_it_has(path: Path, version: int) -> None:
    with closing(SqlStore(f"sqlite:///{path}")) as store:
        assert_all_is_there(store, MemoryStore(), version)
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
        assert_all_is_there(store, MemoryStore(), version)
