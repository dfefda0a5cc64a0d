"""What only PostgreSQL does."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

import psycopg
from sqlalchemy import (
    URL,
    BigInteger,
    Connection,
    Double,
    FromClause,
    Integer,
    Table,
    Text,
    cast,
    column,
    create_engine,
    func,
    select,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import TypeEngine

from fleetpulse.errors import StoreAway, StoreError
from fleetpulse.stores.protocols import Bucket, Rows
from fleetpulse.stores.sql_columns import columns_of
from fleetpulse.stores.sql_database import Condition, Database
from fleetpulse.stores.sql_partitions import Days
from fleetpulse.stores.sql_retention import delete_in_chunks
from fleetpulse.stores.sql_tables import PARTITIONED, readings

WAIT_FOR_CONNECTION_S = 5.0
_LIMITS = {
    "lock_timeout": 5_000,
    "statement_timeout": 60_000,
    "idle_in_transaction_session_timeout": 60_000,
}
CONNECTIONS = 5  # kept open by a process; up to three times as many while they are needed

# Why a store asks for time, by SQLSTATE or its class:
# https://www.postgresql.org/docs/15/errcodes-appendix.html
_BUSY: dict[str, str] = {
    "40": "another process changes the same rows",  # serialization failures, deadlocks
    "55P03": "another process holds a lock",
    "57014": "a statement took too long",
    "53300": "the server has too many connections",
    "53400": "the server has reached a limit",
    "53200": "the server is out of memory",
    "57P01": "the server is stopping",
    "57P02": "the server is restarting",
    "57P03": "the server is starting or stopping",
    "25P03": "a transaction took too long",
}
# A server that refuses a connection says why in words only, so this is all that can be told.
_UNREACHABLE = (
    "The store {name} cannot be reached: check that the server runs, has a connection left, and"
    " takes this user, password and database."
)
_CONNECTION_FAILED = "08"  # the class of such codes
_FAILURES: dict[str, str] = {
    "28": "The store {name} refuses its user: check user and password in FLEETPULSE_STORE.",
    "3D": "The store {name} does not exist: make the database, or name another one.",
    "42501": "The store {name} does not let its user do that: give it rights on its schema.",
    "25006": "The store {name} is read-only: name the primary server, or let its user write.",
    "53100": "The disk of the store {name} is full: free some space there.",
    "58": "The disk of the store {name} fails: look at the server's log.",
    "XX": "The store {name} is damaged: look at the server's log.",
}
_COPY_TYPES: dict[type[TypeEngine[Any]], str] = {
    BigInteger: "int8",
    Integer: "int4",
    Double: "float8",
}


class PostgresDatabase(Database):
    """The PostgreSQL database at `address`, its tables made if they are not there.

    Raises StoreError for a database that cannot be used.
    """

    driver_error = psycopg.Error

    def __init__(self, address: URL, *, as_it_is: bool = False) -> None:
        engine = create_engine(
            address,
            connect_args=_connect_args(address),
            pool_pre_ping=True,  # after a restart of the server, dead connections are replaced
            pool_size=CONNECTIONS,
            max_overflow=2 * CONNECTIONS,
            pool_timeout=WAIT_FOR_CONNECTION_S,
        )
        reader = engine.execution_options(isolation_level="REPEATABLE READ")
        self._days = Days(self)
        place = f"{address.host or 'localhost'}:{address.port or 5432}"
        name = f"postgresql://{place}/{address.database or ''}"
        super().__init__(name, engine, reader, engine, as_it_is=as_it_is)

    def insert(self, table: Table) -> postgresql.Insert:
        return postgresql.insert(table)

    def add_readings(self, connection: Connection, rows: Rows) -> None:
        # COPY knows no conflicts, so the rows go through a table of this connection.
        in_order = sorted(zip(*columns_of(_nulls_for_nans(rows)), strict=True), key=_place)
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)  # noqa: S101 - for the types
        with driver.cursor() as cursor:
            cursor.execute(
                "CREATE TEMPORARY TABLE IF NOT EXISTS arriving (LIKE readings)"
                " ON COMMIT DELETE ROWS"
            )
            with cursor.copy("COPY arriving FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types([_copy_type(column.type) for column in readings.columns])
                for row in in_order:
                    copy.write_row(row)
            cursor.execute("INSERT INTO readings SELECT * FROM arriving ON CONFLICT DO NOTHING")

    def make_room(self, table: Table, moments: Iterable[int]) -> None:
        if _is_partitioned(table):
            self._days.make(table, moments)

    def give_up(self, table: Table, day: int) -> None:
        if _is_partitioned(table):
            self._days.drop_before(table, day)
        else:
            delete_in_chunks(self, table, day)

    def take_turns(self, connection: Connection, matter: str) -> None:
        key = zlib.crc32(f"fleetpulse {matter}".encode())
        connection.execute(select(func.pg_advisory_xact_lock(key)))

    def alone(self, connection: Connection) -> None:
        for limit in _LIMITS:
            connection.execute(text(f"SET LOCAL {limit} = 0"))
        self.take_turns(connection, "migrations")

    def listed(self, ids: Collection[str]) -> FromClause:
        values = func.unnest(cast(list(ids), ARRAY(Text)))
        listed = values.table_valued(column("value", Text))
        return listed.render_derived(name="listed")

    def listed_buckets(self, buckets: Collection[Bucket]) -> FromClause:
        device_ids = cast([device_id for device_id, _ in buckets], ARRAY(Text))
        starts = cast([start for _, start in buckets], ARRAY(BigInteger))
        columns = (column("device_id", Text), column("start", BigInteger))
        pairs = func.unnest(device_ids, starts).table_valued(*columns).render_derived(name="pairs")
        device_id = pairs.c.device_id.collate("C")
        return select(device_id.label("device_id"), pairs.c.start).subquery("listed")

    def newest(
        self, table: Table, which: Callable[[FromClause], Sequence[Condition]]
    ) -> tuple[FromClause, Sequence[Condition]]:
        moment = [table.c[part.name].desc() for part in list(table.primary_key)[1:]]
        found = select(table).where(*which(table)).order_by(*moment).limit(1)
        return found.lateral("newest"), ()

    def prepare(self) -> None:
        return

    def prepare_to_write(self) -> None:
        return

    def failure(self, error: BaseException | None) -> StoreError:
        state = getattr(error, "sqlstate", None)
        if state is None or state.startswith(_CONNECTION_FAILED):
            return StoreAway(_UNREACHABLE.format(name=self.name))
        for code in (state, state[:2]):
            if code in _BUSY:
                return self.busy(_BUSY[code])
            if code in _FAILURES:
                return StoreError(_FAILURES[code].format(name=self.name))
        said = error.diag.message_primary if isinstance(error, psycopg.Error) else error
        return StoreError(f"The store {self.name} failed: {said} ({state}).")


def _connect_args(address: URL) -> dict[str, Any]:
    """How to connect so that a server that is gone is noticed; what the address says goes first."""
    options = [f"-c {name}={milliseconds}" for name, milliseconds in _LIMITS.items()]
    known = {
        "connect_timeout": 5,
        "application_name": "fleetpulse",
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,
    }
    rest = {name: value for name, value in known.items() if name not in address.query}
    return {**rest, "options": " ".join([*options, *_told(address, "options")])}


def _told(address: URL, name: str) -> list[str]:
    given = address.query.get(name, ())
    return [given] if isinstance(given, str) else list(given)


def _nulls_for_nans(rows: Rows) -> Rows:
    return replace(
        rows,
        channels=[_known(values) for values in rows.channels],
        probability=_known(rows.probability),
        expected_s=_known(rows.expected_s),
    )


def _known(values: Sequence[float]) -> Sequence[Any]:
    return [None if value != value else value for value in values]


def _copy_type(kind: TypeEngine[Any]) -> str:
    return _COPY_TYPES.get(type(kind), "text")


def _is_partitioned(table: Table) -> bool:
    return bool(table.dialect_options["postgresql"]["partition_by"] == PARTITIONED)


def _place(row: tuple[object, ...]) -> tuple[object, ...]:
    return row[:3]
