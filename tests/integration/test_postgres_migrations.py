"""On PostgreSQL a store of the first version becomes one of this version in place."""

from __future__ import annotations

from contextlib import closing

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from fleetpulse.errors import StoreError
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Resolution
from fleetpulse.stores.rollups import DAY_MS
from fleetpulse.stores.sql import SqlStore
from fleetpulse.stores.sql_schema import MIGRATIONS
from fleetpulse.stores.sql_tables import metadata
from tests.contracts.builders import NOON, a_key
from tests.contracts.old_stores import VERSIONS, assert_all_is_there, dump
from tests.services.postgres import Postgres

pytestmark = pytest.mark.integration

WITHOUT_VERSION = "DELETE FROM fleetpulse_version"  # the dump has its own


def differences(store: SqlStore) -> list[object]:
    """What alembic would change to come from the database to the tables of today."""

    def ours(name: str | None, kind: str, *_others: object) -> bool:
        return kind != "table" or name in metadata.tables

    with store.database.reads() as connection:
        options = {"version_table": "fleetpulse_version", "include_name": ours}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, metadata))


def old_store(postgres: Postgres, name: str, version: int = 1) -> None:
    """Make a store of that version with something of everything; 1: before migrations."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = create_engine(postgres.url(name))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, f"{version:04}")
    engine.dispose()
    postgres.run("DROP TABLE fleetpulse_version" if version == 1 else WITHOUT_VERSION, name)
    postgres.run("DELETE FROM schema_version", name)
    day = NOON // DAY_MS * DAY_MS
    for table in ("readings",) if version == 1 else ("readings", "minutes"):
        postgres.run(
            f"CREATE TABLE {table}_20261122 PARTITION OF {table}"
            f" FOR VALUES FROM ({day}) TO ({day + DAY_MS})",
            name,
        )
    for line in dump(version).splitlines():
        if line.startswith("INSERT"):
            # SQLite has no truth values; the only one is that a chat is active.
            is_chat = line.startswith('INSERT INTO "chats"')
            postgres.run(line.replace(",1);", ",true);") if is_chat else line, name)


def test_a_new_store_has_the_tables_of_today(postgres: Postgres) -> None:
    with postgres.database() as name, closing(SqlStore(postgres.url(name))) as store:
        assert differences(store) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_a_store_of_every_version_keeps_all_that_it_has_and_does_what_is_new(
    postgres: Postgres, version: int
) -> None:
    with postgres.database() as old:
        old_store(postgres, old, version)
        with closing(SqlStore(postgres.url(old))) as migrated:
            migrated.check()
            assert_all_is_there(migrated, MemoryStore(), version)
            migrated.keys.put(a_key())
            migrated.roll(Resolution.MINUTE, [("pi-1", NOON)])
            (minute,) = migrated.readings.rollups("pi-1", Resolution.MINUTE)
            assert minute.count == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_a_migrated_store_has_the_tables_of_a_new_one(postgres: Postgres, version: int) -> None:
    with postgres.database() as old:
        old_store(postgres, old, version)

        with closing(SqlStore(postgres.url(old))) as migrated:
            assert differences(migrated) == []


def test_a_migration_that_fails_leaves_the_old_store(postgres: Postgres) -> None:
    with postgres.database() as old:
        old_store(postgres, old)
        postgres.run("CREATE TABLE api_keys (mine TEXT)", old)

        with pytest.raises(StoreError, match="already exists"):
            SqlStore(postgres.url(old))

        assert postgres.run("SELECT version FROM schema_version", old) == [(1,)]
