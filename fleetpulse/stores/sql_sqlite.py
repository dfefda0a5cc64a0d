"""What only SQLite does."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import (
    URL,
    BigInteger,
    Connection,
    Engine,
    FromClause,
    Table,
    Text,
    cast,
    column,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.dialects import sqlite

from fleetpulse.errors import SettingsError, StoreError
from fleetpulse.stores.protocols import Bucket, Rows
from fleetpulse.stores.sql_columns import tuples_of
from fleetpulse.stores.sql_database import Condition, Database
from fleetpulse.stores.sql_retention import delete_in_chunks
from fleetpulse.stores.sql_tables import readings

WAIT_FOR_LOCK_S = 5.0

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


class SqliteDatabase(Database):
    """The SQLite database at `address`, made if it is not there.

    Raises SettingsError for an address that names no file, StoreError for a file that cannot be
    used; such a file is left as it is.
    """

    driver_error = sqlite3.Error

    def __init__(self, address: URL, *, as_it_is: bool = False) -> None:
        if not address.database or address.database == ":memory:":
            raise SettingsError("FLEETPULSE_STORE names no file; use sqlite:///FILE or memory:.")
        self.path = Path(address.database)
        engine = _engine(address)
        # Taking the lock at once: a transaction that reads first and writes then can find that
        # another has written in between, and would have to start again.
        writer = engine.execution_options(begin="BEGIN IMMEDIATE")
        self._insert_readings = str(self.add(readings).compile(dialect=engine.dialect))
        super().__init__(str(self.path), engine, engine, writer, as_it_is=as_it_is)

    def insert(self, table: Table) -> sqlite.Insert:
        return sqlite.insert(table)

    def add_readings(self, connection: Connection, rows: Rows) -> None:
        # Straight to the driver: SQLAlchemy's own way through dictionaries takes twice as long.
        # A NaN binds as NULL.
        connection.exec_driver_sql(self._insert_readings, sorted(tuples_of(rows), key=_place))

    def make_room(self, table: Table, moments: Iterable[int]) -> None:
        return

    def give_up(self, table: Table, day: int) -> None:
        delete_in_chunks(self, table, day)

    def take_turns(self, connection: Connection, matter: str) -> None:
        return  # writers do anyway

    def alone(self, connection: Connection) -> None:
        return  # writers are anyway

    def listed(self, ids: Collection[str]) -> FromClause:
        text = msgspec.json.encode(list(ids)).decode()
        return func.json_each(text).table_valued(column("value", Text), name="listed")

    def listed_buckets(self, buckets: Collection[Bucket]) -> FromClause:
        text = msgspec.json.encode(list(buckets)).decode()
        pair = func.json_each(text).table_valued(column("value", Text), name="pairs").c.value
        start = cast(func.json_extract(pair, "$[1]"), BigInteger)
        device_id = func.json_extract(pair, "$[0]")
        return select(device_id.label("device_id"), start.label("start")).subquery("listed")

    def newest(
        self, table: Table, which: Callable[[FromClause], Sequence[Condition]]
    ) -> tuple[FromClause, Sequence[Condition]]:
        newest, seek = table.alias("newest"), table.alias("seek")
        moment = list(table.primary_key)[1:]  # without the device
        found = select(seek).where(*which(seek)).limit(1)
        found = found.order_by(*(seek.c[part.name].desc() for part in moment))
        # Each is answered by a seek to the end of the device's rows.
        places = [
            newest.c[part.name] == found.with_only_columns(seek.c[part.name]).scalar_subquery()
            for part in moment
        ]
        return newest, [*which(newest), *places]

    def prepare(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"The folder {self.path.parent} for the store cannot be made: {error.strerror}."
            ) from error
        if not self.path.exists():
            with contextlib.suppress(OSError):  # SQLite says better what is wrong
                self.path.touch(mode=0o600)  # its files beside it get the same mode

    def prepare_to_write(self) -> None:
        """Let readers and a writer work at the same time; the file remembers it.

        Raises StoreBusy at once: SQLite does not wait for others here as it does for statements.
        """
        with self.errors(), _bare(self.engine) as connection:
            connection.execute("PRAGMA journal_mode = WAL")

    def check(self) -> None:
        if not self.path.exists():
            raise StoreError(f"The store {self.path} is gone: put it back, or restart fleetpulse.")
        super().check()

    def failure(self, error: BaseException | None) -> StoreError:
        code = getattr(error, "sqlite_errorcode", None)
        primary = None if code is None else code & 0xFF
        if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return self.busy("another process writes to it")
        if primary in _FAILURES:
            return StoreError(_FAILURES[primary].format(path=self.path))
        return StoreError(f"The store {self.path} failed: {error}.")


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


def _place(row: tuple[object, ...]) -> tuple[object, ...]:
    return row[:3]
