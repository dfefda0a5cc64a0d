"""A store of an older version becomes one of this version in place; a newer one is refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from fleetpulse.errors import StoreError
from fleetpulse.stores import open_existing
from fleetpulse.stores.protocols import Resolution
from fleetpulse.stores.sql import SqlStore
from fleetpulse.stores.sql_schema import MIGRATIONS
from fleetpulse.stores.sql_tables import REVISION, metadata
from tests.contracts.builders import (
    NOON,
    a_change,
    a_chat,
    a_delivery,
    a_heartbeat,
    a_key,
    a_reading,
    an_episode,
)
from tests.contracts.old_stores import dump
from tests.contracts.store import a_batch, everything


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fleet.db"


def old_store(path: Path) -> None:
    """A store of version 1 with something of everything."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(dump(1))
        connection.execute("PRAGMA journal_mode = WAL")


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


def tables_of(path: Path) -> set[tuple[str, ...]]:
    """Every table and index with what made it, white space aside."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    return {(kind, name, "".join((made or "").split())) for kind, name, made in rows}


def differences(store: SqlStore) -> list[object]:
    """What alembic would change to come from the database to the tables of today."""
    with store.database.reads() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": "fleetpulse_version"}
        )
        return list(compare_metadata(context, metadata))


def test_a_new_store_has_the_tables_of_today(path: Path) -> None:
    with closing(SqlStore(f"sqlite:///{path}")) as store:
        found = differences(store)

    assert found == []


def test_a_store_of_version_1_gets_the_tables_of_today(path: Path, tmp_path: Path) -> None:
    old_store(path)

    with closing(SqlStore(f"sqlite:///{path}")) as store:
        found = differences(store)
        store.check()

    SqlStore(f"sqlite:///{tmp_path}/new.db").close()
    assert found == []
    assert tables_of(path) == tables_of(tmp_path / "new.db")


def test_a_store_of_version_1_keeps_all_that_it_has(path: Path) -> None:
    old_store(path)

    with closing(SqlStore(f"sqlite:///{path}")) as store:
        found = everything(store, "pi-1", "pc-1")
        assert store.chats.active() == [a_chat()]
        assert store.rules.of("pi-1") == [a_change(limit=70.0)]
        assert store.deliveries.due("telegram:", NOON) == [a_delivery()]
        assert store.deliveries.position("bot") == NOON
        assert store.heartbeats.all() == [a_heartbeat()]

    with closing(SqlStore(f"sqlite:///{path.parent}/new.db")) as new:
        new.save(a_batch())
        assert found == everything(new, "pi-1", "pc-1")
    assert found["events"] == an_episode()[:1]


def test_a_store_of_version_1_does_what_is_new(path: Path) -> None:
    old_store(path)

    with closing(SqlStore(f"sqlite:///{path}")) as store:
        store.keys.put(a_key())
        store.roll(Resolution.MINUTE, [("pi-1", NOON)])
        store.prune(Resolution.RAW, NOON + 10 * 86_400_000)

        assert store.keys.all() == [a_key()]
        assert [minute.count for minute in store.readings.rollups("pi-1", Resolution.MINUTE)] == [1]
        assert store.readings.latest_of(["pi-1", "pc-1"]) == {}
        assert a_reading() not in store.readings.page("pi-1")


def test_a_migrated_store_is_left_as_it_is(path: Path) -> None:
    old_store(path)
    SqlStore(f"sqlite:///{path}").close()
    before = path.read_bytes()

    SqlStore(f"sqlite:///{path}").close()

    assert path.read_bytes() == before


def test_the_fleetpulse_of_version_1_refuses_a_migrated_store(path: Path) -> None:
    """It reads this number, and says that a newer fleetpulse made the store."""
    old_store(path)

    SqlStore(f"sqlite:///{path}").close()

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(2,)]


def test_a_migration_that_fails_leaves_the_old_store(path: Path) -> None:
    old_store(path)
    change(path, "CREATE TABLE api_keys (mine TEXT)")
    before = tables_of(path)

    with pytest.raises(StoreError, match="already exists"):
        SqlStore(f"sqlite:///{path}")

    assert tables_of(path) == before


def a_newer_store(path: Path) -> None:
    SqlStore(f"sqlite:///{path}").close()
    change(path, "UPDATE fleetpulse_version SET version_num = '9999'")


def a_store_of_an_unknown_old_version(path: Path) -> None:
    old_store(path)
    change(path, "UPDATE schema_version SET version = 9999")


@pytest.mark.parametrize("made", [a_newer_store, a_store_of_an_unknown_old_version])
def test_a_store_that_this_fleetpulse_does_not_know_is_refused_and_left_alone(
    path: Path, made: Callable[[Path], None]
) -> None:
    made(path)
    before = path.read_bytes()

    with pytest.raises(StoreError, match=f"version 9999, this fleetpulse reads {REVISION}") as no:
        SqlStore(f"sqlite:///{path}")

    assert str(path) in str(no.value)
    assert str(no.value).endswith("name another store.")
    assert path.read_bytes() == before


def test_a_store_that_was_migrated_meanwhile_fails_its_check(path: Path) -> None:
    with closing(SqlStore(f"sqlite:///{path}")) as store:
        change(path, "UPDATE fleetpulse_version SET version_num = '9999'")

        with pytest.raises(StoreError, match="version 9999"):
            store.check()


def test_nothing_is_written_to_a_store_that_was_migrated_meanwhile(path: Path) -> None:
    with closing(SqlStore(f"sqlite:///{path}")) as store:
        change(path, "UPDATE fleetpulse_version SET version_num = '9999'")

        with pytest.raises(StoreError, match="version 9999"):
            store.save(a_batch())
        with pytest.raises(StoreError, match="version 9999"):
            store.heartbeats.beat(a_heartbeat())

        assert store.readings.count() == 0
        assert store.heartbeats.all() == []


def test_who_only_reads_migrates_nothing_and_says_who_does(path: Path) -> None:
    old_store(path)
    before = path.read_bytes()

    with pytest.raises(StoreError, match=r"version 0001.*copy it, then start a process"):
        open_existing(f"sqlite:///{path}")

    assert path.read_bytes() == before


def test_who_only_reads_opens_a_store_of_today(path: Path) -> None:
    with closing(SqlStore(f"sqlite:///{path}")) as store:
        store.save(a_batch())

    with closing(open_existing(f"sqlite:///{path}")) as opened:
        assert opened.readings.count() == 2


def test_this_code_reads_what_the_newest_migration_makes() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))

    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]
