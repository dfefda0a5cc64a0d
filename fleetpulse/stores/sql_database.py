"""One SQL database: opening and creating it, transactions, and errors by their code.

Everything that only SQLite does is here; the stores above it write plain SQLAlchemy Core.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from sqlalchemy import (
    URL,
    Connection,
    Engine,
    Row,
    TableValuedAlias,
    Text,
    column,
    create_engine,
    event,
    func,
    insert,
    inspect,
    make_url,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, TimeoutError
from sqlalchemy.schema import Table

from fleetpulse.errors import SettingsError, StoreBusy, StoreError
from fleetpulse.stores.sql_tables import SCHEMA_VERSION, metadata, schema_version

WAIT_FOR_LOCK_S = 5.0
RETRY_AFTER_S = 1.0

# Why a store fails, by SQLite's primary result code: https://www.sqlite.org/rescode.html
_FAILURES: dict[int, str] = {
    sqlite3.SQLITE_FULL: "The disk is full: free some space where the store {path} is.",
    sqlite3.SQLITE_READONLY: (
        "The store {path} is read-only: let this user write to it and its folder."
    ),
    sqlite3.SQLITE_PERM: "The store {path} may not be opened: let this user read and write it.",
    sqlite3.SQLITE_CANTOPEN: (
        "The store {path} cannot be opened: it must be a file in a folder that this user may write."
    ),
    sqlite3.SQLITE_CORRUPT: (
        "The store {path} is damaged: move it away, and put a backup in its place if you have one."
    ),
    sqlite3.SQLITE_NOTADB: (
        "{path} is not a fleetpulse store (no SQLite database): name another file, or move it away."
    ),
    sqlite3.SQLITE_IOERR: "The disk failed to read or write the store {path}: check the disk.",
}


Told = TypeVar("Told", bound=msgspec.Struct)


class Database:
    """The SQLite database at `url`, created if it is not there.

    Raises SettingsError for an address that names no file, StoreError for a file that cannot be
    used; such a file is left as it is.
    """

    def __init__(self, url: str) -> None:
        address = _address(url)
        self.path = Path(str(address.database))
        self.engine = _engine(address)
        self._writer = self.engine.execution_options(begin="BEGIN IMMEDIATE")
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def reads(self) -> Iterator[Connection]:
        """A connection that sees one moment of the database."""
        with self._errors(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def writes(self) -> Iterator[Connection]:
        """A connection that alone may write; all of it is kept, or nothing."""
        # Taking the lock at once: a transaction that reads first and writes then can find that
        # another has written in between, and would have to start again.
        with self._errors(), self._writer.begin() as connection:
            yield connection

    def insert(self, table: Table) -> sqlite.Insert:
        """Insert; what to do with rows that exist is for the caller to say."""
        return sqlite.insert(table)

    def add(self, table: Table) -> sqlite.Insert:
        """Insert, and leave rows that exist as they are."""
        return self.insert(table).on_conflict_do_nothing()

    def put(self, table: Table) -> sqlite.Insert:
        """Insert, and replace rows that exist."""
        new = self.insert(table)
        rest = {c.name: new.excluded[c.name] for c in table.columns if not c.primary_key}
        return new.on_conflict_do_update(index_elements=list(table.primary_key), set_=rest)

    def listed(self, ids: Collection[str]) -> TableValuedAlias:
        """A table with the ids in its column `value`: one parameter, however many they are."""
        text = msgspec.json.encode(list(ids)).decode()
        return func.json_each(text).table_valued(column("value", Text), name="listed")

    def check(self) -> None:
        """Return if the database is there and answers; raises StoreError."""
        if not self.path.exists():
            raise StoreError(f"The store {self.path} is gone: put it back, or restart fleetpulse.")
        with self.reads() as connection:
            self._refuse_other_versions(connection)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def _open(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"The folder {self.path.parent} for the store cannot be made: {error.strerror}."
            ) from error
        with self.reads() as connection:
            made = self._is_made(connection)
        if not made:
            self._use_wal()
            self._create()
        with self.reads() as connection:
            self._refuse_other_versions(connection)

    def _is_made(self, connection: Connection) -> bool:
        """Whether the tables are there. Raises StoreError for somebody else's database."""
        tables = inspect(connection).get_table_names()
        if tables and schema_version.name not in tables:
            raise StoreError(
                f"{self.path} is a database of another program: name another file for the store."
            )
        return bool(tables)

    def _refuse_other_versions(self, connection: Connection) -> None:
        version = connection.scalar(select(schema_version.c.version))
        if version != SCHEMA_VERSION:
            raise StoreError(
                f"The store {self.path} has version {version}, this fleetpulse reads"
                f" {SCHEMA_VERSION}: install the fleetpulse that made it, or name another file."
            )

    def _use_wal(self) -> None:
        """Let readers and a writer work at the same time; the file remembers it."""
        # SQLite does not wait for others here as it does for statements, so we do.
        give_up_at = time.monotonic() + WAIT_FOR_LOCK_S
        while True:
            try:
                with self._errors(), _bare(self.engine) as connection:
                    connection.execute("PRAGMA journal_mode = WAL")
                return
            except StoreBusy:
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(0.02)

    def _create(self) -> None:
        with self.writes() as connection:
            if not self._is_made(connection):  # nobody was faster
                metadata.create_all(connection)
                connection.execute(insert(schema_version).values(version=SCHEMA_VERSION))

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            raise self._busy() from error
        except DBAPIError as error:
            raise self._failure(error.orig) from error
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def _failure(self, error: BaseException | None) -> StoreError:
        code = getattr(error, "sqlite_errorcode", None)
        primary = None if code is None else code & 0xFF
        if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return self._busy()
        if primary in _FAILURES:
            return StoreError(_FAILURES[primary].format(path=self.path))
        return StoreError(f"The store {self.path} failed: {error}.")

    def _busy(self) -> StoreBusy:
        return StoreBusy(
            f"The store {self.path} is busy: another process writes to it.",
            retry_after_s=RETRY_AFTER_S,
        )


def told_as(kind: type[Told], found: Iterable[Row[*tuple[Any, ...]]]) -> list[Told]:
    """Rows of one result as structs of that kind, by the names of the columns."""
    rows = list(found)
    names = [str(name) for name in rows[0]._fields] if rows else []
    fields = [dict(zip(names, row, strict=True)) for row in rows]
    return msgspec.convert(fields, list[kind])  # type: ignore[valid-type]


def _address(url: str) -> URL:
    try:
        address = make_url(url)
    except ArgumentError as error:
        raise SettingsError("FLEETPULSE_STORE is no address; use sqlite:///FILE.") from error
    if not address.database or address.database == ":memory:":
        raise SettingsError("FLEETPULSE_STORE names no file; use sqlite:///FILE or memory:.")
    return address


def _engine(address: URL) -> Engine:
    # isolation_level None: we begin transactions ourselves, as SQLAlchemy's page on SQLite advises.
    engine = create_engine(
        address, connect_args={"timeout": WAIT_FOR_LOCK_S, "isolation_level": None}
    )
    event.listen(engine, "connect", _tune)
    event.listen(engine, "begin", _begin)
    return engine


def _tune(connection: sqlite3.Connection, _record: Any) -> None:
    # NORMAL with WAL: a power cut may lose the last moments, never consistency, and Kafka has them
    # still, since offsets are committed later and read again from before.
    connection.execute("PRAGMA synchronous = NORMAL")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))


@contextmanager
def _bare(engine: Engine) -> Iterator[sqlite3.Connection]:
    """The driver's own connection, in no transaction: what some pragmas ask for."""
    pooled = engine.raw_connection()
    try:
        driver = pooled.driver_connection
        assert isinstance(driver, sqlite3.Connection)  # noqa: S101 - for the types
        yield driver
    finally:
        pooled.close()
