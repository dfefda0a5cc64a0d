"""Tables of PostgreSQL that are a table for each day, so that giving up a day is dropping a table.

Days are made when the first row of theirs comes. Rows of days that have been given up, which are
very late or have the date of a broken clock, share the table `…_before` until they are given up in
their turn, and those from after 2100 the table `…_after`: a fleet of such clocks would make a table
for each of thousands of days, and every query locks all tables.
"""

from __future__ import annotations

import datetime as dt
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, MetaData, Table, text

from fleetpulse.stores.rollups import DAY_MS
from fleetpulse.stores.sql_database import Database
from fleetpulse.stores.sql_retention import delete_in_chunks

_LAST = dt.date(2099, 12, 31).toordinal()
_EPOCH = dt.date(1970, 1, 1).toordinal()

_AT_ONCE = 50  # days made or dropped in one transaction: it holds some locks for each

_CHILDREN = text(
    "SELECT child.relname, pg_get_expr(child.relpartbound, child.oid)"
    " FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid"
    " WHERE inhparent = CAST(:parent AS regclass)"
)


@dataclass(frozen=True, slots=True)
class _Made:
    """The days of one table that have tables, as ordinals, and the first day that may have one."""

    begins: int
    days: frozenset[int]


class Days:
    """The days of the partitioned tables of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._known: dict[str, _Made] = {}

    def make(self, table: Table, moments: Iterable[int]) -> None:
        """See to it that each of these moments has its day's table, if it is to have one."""
        wanted = {_EPOCH + moment // DAY_MS for moment in moments}
        while missing := self._missing(table, wanted):
            self._make(table, missing[:_AT_ONCE])

    def drop_before(self, table: Table, day: int) -> None:
        """Drop the tables of the days before the one that begins at this moment."""
        first = min(_EPOCH + day // DAY_MS, _LAST + 1)
        delete_in_chunks(self._database, _before(table), day)
        while self._drop_oldest(table, first):
            continue

    def _drop_oldest(self, table: Table, first: int) -> bool:
        """Drop some of the days before the first one to keep; gives whether there are more."""
        with self._database.writes() as connection:
            self._database.take_turns(connection, "days")
            made = _made(connection, table)
            given_up = sorted(day for day in made.days if day < first)
            now, later = given_up[:_AT_ONCE], given_up[_AT_ONCE:]
            for day in now:
                connection.execute(text(f"DROP TABLE {_name(table, day)}"))
            begins = later[0] if later else first
            if made.begins < begins:
                _begin_at(connection, table, begins)
            self._keep(table, _made(connection, table))
        return bool(later)

    def _missing(self, table: Table, wanted: set[int]) -> list[int]:
        """The days that still need a table, oldest first."""
        if table.name not in self._known:
            with self._database.reads() as connection:
                self._keep(table, _made(connection, table))
        made = self._known[table.name]
        return sorted(day for day in wanted - made.days if made.begins <= day <= _LAST)

    def _make(self, table: Table, days: list[int]) -> None:
        with self._database.writes() as connection:
            self._database.take_turns(connection, "days")  # one makes them, the others wait
            there = _made(connection, table)
            for day in days:
                if day not in there.days and day >= there.begins:
                    _make(connection, table, day)
        self._keep(table, _Made(there.begins, there.days | set(days)))

    def _keep(self, table: Table, made: _Made) -> None:
        with self._lock:
            self._known = {**self._known, table.name: made}


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


def _begin_at(connection: Connection, table: Table, day: int) -> None:
    """Have all rows of before this day in one table; no other has any."""
    before, end = _before(table).name, (day - _EPOCH) * DAY_MS
    connection.execute(text(f"ALTER TABLE {table.name} DETACH PARTITION {before}"))
    connection.execute(
        text(
            f"ALTER TABLE {table.name} ATTACH PARTITION {before}"
            f" FOR VALUES FROM (MINVALUE) TO ({end})"
        )
    )


def _made(connection: Connection, table: Table) -> _Made:
    """What the database has now."""
    bounds = {
        name.removeprefix(f"{table.name}_"): bound
        for name, bound in connection.execute(_CHILDREN, {"parent": table.name})
    }
    (end,) = re.findall(r"TO \('?(\d+)'?\)", bounds["before"])
    days = (dt.date.fromisoformat(each).toordinal() for each in bounds if each.isdigit())
    return _Made(begins=_EPOCH + int(end) // DAY_MS, days=frozenset(days))


def _name(table: Table, day: int) -> str:
    return f"{table.name}_{dt.date.fromordinal(day):%Y%m%d}"


def _before(table: Table) -> Table:
    return table.to_metadata(MetaData(), name=f"{table.name}_before")
