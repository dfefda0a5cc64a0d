"""Tables of PostgreSQL that are a table for each day, so that giving up a day is dropping a table.

Days are made when the first row of theirs comes, however late it is. Rows from before 2020 or after
2100, which only a broken clock gives, share the tables `…_before` and `…_after`.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterable

from sqlalchemy import Connection, MetaData, Table, text

from fleetpulse.stores.rollups import DAY_MS
from fleetpulse.stores.sql_database import Database
from fleetpulse.stores.sql_retention import delete_in_chunks

_FIRST = dt.date(2020, 1, 1).toordinal()
_LAST = dt.date(2099, 12, 31).toordinal()
_EPOCH = dt.date(1970, 1, 1).toordinal()

_CHILDREN = text(
    "SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid"
    " WHERE inhparent = CAST(:parent AS regclass)"
)


class Days:
    """The days of the partitioned tables of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._known: dict[str, frozenset[int]] = {}

    def make(self, table: Table, moments: Iterable[int]) -> None:
        """See to it that each of these moments has its day's table."""
        wanted = {_EPOCH + moment // DAY_MS for moment in moments}
        wanted = {day for day in wanted if _FIRST <= day <= _LAST}
        if not wanted <= self._known.get(table.name, frozenset()):
            self._make_missing(table, wanted)

    def forget(self) -> None:
        """Look again: another process has dropped a day."""
        with self._lock:
            self._known = {}

    def drop_before(self, table: Table, day: int) -> None:
        """Drop the tables of the days before the one that begins at this moment."""
        first = _EPOCH + day // DAY_MS
        with self._database.reads() as connection:
            old = sorted(at for at in _days(connection, table) if at < first)
        for each in old:
            # One by one: whoever asks waits for as short as can be.
            with self._database.writes() as connection:
                self._database.take_turns(connection, "days")
                connection.execute(text(f"DROP TABLE IF EXISTS {_name(table, each)}"))
        self.forget()
        delete_in_chunks(self._database, _before(table), day)

    def _make_missing(self, table: Table, wanted: set[int]) -> None:
        with self._database.writes() as connection:
            self._database.take_turns(connection, "days")  # one makes them, the others wait
            there = _days(connection, table)
            for day in sorted(wanted - there):
                _make(connection, table, day)
        with self._lock:
            self._known = {**self._known, table.name: frozenset(there | wanted)}


def _make(connection: Connection, table: Table, day: int) -> None:
    """Make one day and attach it: unlike PARTITION OF, this holds nobody up."""
    name, start = _name(table, day), (day - _EPOCH) * DAY_MS
    connection.execute(text(f"CREATE TABLE {name} (LIKE {table.name} INCLUDING ALL)"))
    connection.execute(
        text(
            f"ALTER TABLE {table.name} ATTACH PARTITION {name}"
            f" FOR VALUES FROM ({start}) TO ({start + DAY_MS})"
        )
    )


def _days(connection: Connection, table: Table) -> set[int]:
    """The days that have a table, as ordinals."""
    names = connection.scalars(_CHILDREN, {"parent": table.name})
    suffixes = [name.removeprefix(f"{table.name}_") for name in names]
    return {dt.date.fromisoformat(each).toordinal() for each in suffixes if each.isdigit()}


def _name(table: Table, day: int) -> str:
    return f"{table.name}_{dt.date.fromordinal(day):%Y%m%d}"


def _before(table: Table) -> Table:
    return table.to_metadata(MetaData(), name=f"{table.name}_before")
