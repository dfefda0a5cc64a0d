"""Which version a database has, and how it gets to the newest one."""

from __future__ import annotations

import logging
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import Connection, inspect, select

from fleetpulse.errors import StoreBusy, StoreError
from fleetpulse.stores.sql_tables import REVISION, fleetpulse_version, schema_version

if TYPE_CHECKING:
    from alembic.config import Config

log = logging.getLogger(__name__)

WAIT_FOR_MIGRATION_S = 60.0  # of another process
FIRST = "0001"  # what a database without migrations has
MIGRATIONS = Path(__file__).parent / "migrations"


class Migrated(Protocol):
    """What is needed of a database to bring it up to date."""

    name: str

    def reads(self) -> AbstractContextManager[Connection]: ...

    def alters(self) -> AbstractContextManager[Connection]: ...

    def prepare_to_write(self) -> None: ...

    def alone(self, connection: Connection) -> None: ...


def bring_up_to_date(database: Migrated) -> None:
    """Make the tables, or migrate them; of several processes one does it, and the others wait.

    Raises StoreError for another program's database and for a store that is newer than this code;
    such a one is left as it is.
    """
    with database.reads() as connection:
        version = _version(connection, database.name)
    if version == REVISION:
        return
    refuse_unknown(version, database.name)
    give_up_at = time.monotonic() + WAIT_FOR_MIGRATION_S
    while True:
        try:
            database.prepare_to_write()
            _migrate_alone(database)
            return
        except StoreBusy:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.02)


def _migrate_alone(database: Migrated) -> None:
    with database.alters() as connection:
        database.alone(connection)
        version = _version(connection, database.name)
        if version != REVISION:  # nobody was faster
            refuse_unknown(version, database.name)
            _migrate(connection, version)
            log.info(
                "store migrated", extra={"store": database.name, "was": version, "is": REVISION}
            )


def refuse_another(database: Migrated) -> None:
    """Raise StoreError for tables of another version; nothing is changed."""
    with database.reads() as connection:
        version = _version(connection, database.name)
    if version in (None, REVISION):
        return
    refuse_unknown(version, database.name)
    raise StoreError(
        f"The store {database.name} has version {version}, this fleetpulse reads {REVISION}: copy"
        " it, then start a process, which migrates it (docs/upgrade.md)."
    )


def refuse_other_versions(connection: Connection, name: str) -> None:
    """Raise StoreError unless the tables are those that this code reads."""
    version = connection.scalar(select(fleetpulse_version.c.version_num))
    if version != REVISION:
        raise _other_version(name, version)


def _version(connection: Connection, name: str) -> str | None:
    """The version of the tables; None: there are none yet."""
    tables = set(inspect(connection).get_table_names())
    if fleetpulse_version.name in tables:
        return connection.scalar(select(fleetpulse_version.c.version_num))
    if schema_version.name in tables:
        number = connection.scalar(select(schema_version.c.version))
        return FIRST if number == 1 else str(number)
    if tables:
        raise StoreError(
            f"{name} is a database of another program: name another one for the store."
        )
    return None


def refuse_unknown(version: str | None, name: str) -> None:
    """Raise StoreError for a version that no migration of this code leads on from."""
    from alembic.script import ScriptDirectory  # late: a process seldom has to migrate

    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if version is not None and version not in known:
        raise _other_version(name, version)


def _other_version(name: str, version: str | None) -> StoreError:
    return StoreError(
        f"The store {name} has version {version}, this fleetpulse reads {REVISION}:"
        " install the fleetpulse that made it, or name another store."
    )


def _migrate(connection: Connection, version: str | None) -> None:
    from alembic import command  # late, as above

    logging.getLogger("alembic").setLevel(logging.WARNING)  # one line of ours tells it
    config = _config()
    config.attributes["connection"] = connection
    if version is not None:
        command.stamp(config, version)
    command.upgrade(config, "head")


def _config() -> Config:
    from alembic.config import Config  # late, as above

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
