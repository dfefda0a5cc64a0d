"""One SQL database: transactions, and what the databases of the world do differently.

`Database` is what the stores above it know; `sql_sqlite` and `sql_postgres` fill it in, and nothing
else knows which of them it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Connection, Engine, FromClause, Row
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, TimeoutError
from sqlalchemy.schema import Table

from fleetpulse.errors import StoreBusy, StoreError
from fleetpulse.stores import sql_schema
from fleetpulse.stores.protocols import Bucket, Rows

RETRY_AFTER_S = 1.0

Insert = sqlite.Insert | postgresql.Insert
Condition = ColumnElement[bool]
Told = TypeVar("Told", bound=msgspec.Struct)


class Database(ABC):
    """An open database whose tables are as this fleetpulse needs them.

    name: what people know it by; holds no secret. reader, writer: where transactions begin.
    as_it_is: refuse tables of another version instead of migrating them; where there are none, they
    are made.
    """

    driver_error: ClassVar[type[Exception]]

    def __init__(
        self, name: str, engine: Engine, reader: Engine, writer: Engine, *, as_it_is: bool
    ) -> None:
        self.name = name
        self.engine = engine
        self._reader, self._writer = reader, writer
        try:
            self.prepare()
            if as_it_is:
                sql_schema.refuse_another(self)
            sql_schema.bring_up_to_date(self)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def reads(self) -> Iterator[Connection]:
        """A connection that sees one moment of the database."""
        with self.errors(), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def writes(self) -> Iterator[Connection]:
        """A connection that may write; all of it is kept, or nothing.

        Raises StoreError once a newer fleetpulse has migrated the tables: what this one writes is
        not for them.
        """
        with self.alters() as connection:
            sql_schema.refuse_other_versions(connection, self.name)
            yield connection

    @contextmanager
    def alters(self) -> Iterator[Connection]:
        """A connection that may write to tables of any version, or where there are none yet."""
        with self.errors(), self._writer.begin() as connection:
            yield connection

    @abstractmethod
    def insert(self, table: Table) -> Insert:
        """Insert; what to do with rows that exist is for the caller to say."""

    def add(self, table: Table) -> Insert:
        """Insert, and leave rows that exist as they are."""
        return self.insert(table).on_conflict_do_nothing()

    def put(self, table: Table, *, where: Condition | None = None) -> Insert:
        """Insert, and replace rows that exist; with `where`, those for which it holds."""
        return self.put_over(self.insert(table), table, where)

    def put_over(self, new: Insert, table: Table, where: Condition | None = None) -> Insert:
        """The same for an insert that says already what is inserted."""
        rest = {c.name: new.excluded[c.name] for c in table.columns if not c.primary_key}
        keys = list(table.primary_key)
        return new.on_conflict_do_update(index_elements=keys, set_=rest, where=where)

    @abstractmethod
    def add_readings(self, connection: Connection, rows: Rows) -> None:
        """Insert the rows that are not stored yet, the fast way."""

    @abstractmethod
    def make_room(self, table: Table, moments: Iterable[int]) -> None:
        """Make what rows of these moments need. Call it before the transaction that has them."""

    @abstractmethod
    def give_up(self, table: Table, day: int) -> None:
        """Delete what was measured before this day begins, without holding others up."""

    @abstractmethod
    def take_turns(self, connection: Connection, matter: str) -> None:
        """Wait for other transactions that do the same, until the end of this one."""

    @abstractmethod
    def alone(self, connection: Connection) -> None:
        """Wait for others that migrate the database, and be patient until the transaction ends."""

    @abstractmethod
    def listed(self, ids: Collection[str]) -> FromClause:
        """A table with the ids in its column `value`: one parameter, however many they are."""

    @abstractmethod
    def listed_buckets(self, buckets: Collection[Bucket]) -> FromClause:
        """A table with the buckets in its columns `device_id` and `start`."""

    @abstractmethod
    def newest(
        self, table: Table, which: Callable[[FromClause], Sequence[Condition]]
    ) -> tuple[FromClause, Sequence[Condition]]:
        """For each row of an outer table the newest row of `table`, found by a seek.

        which: the conditions that tie a row of the table to the outer one. What comes back is to be
        selected from, and the conditions of that.
        """

    @abstractmethod
    def prepare(self) -> None:
        """Make what a database needs before it can be looked into."""

    @abstractmethod
    def prepare_to_write(self) -> None:
        """Make what a database needs before tables are made in it; ours for certain."""

    def check(self) -> None:
        """Return if the database is there and answers; raises StoreError."""
        with self.reads() as connection:
            sql_schema.refuse_other_versions(connection, self.name)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn what the driver raises into what stores raise."""
        try:
            yield
        except TimeoutError as error:
            raise self.busy("all connections are in use") from error
        except DBAPIError as error:
            raise self.failure(error.orig) from error
        except self.driver_error as error:
            raise self.failure(error) from error

    @abstractmethod
    def failure(self, error: BaseException | None) -> StoreError:
        """What a store raises for this error of the driver, told by its code."""

    def busy(self, why: str) -> StoreBusy:
        """The database asks for time."""
        return StoreBusy(f"The store {self.name} is busy: {why}.", retry_after_s=RETRY_AFTER_S)


def told_as(kind: type[Told], found: Iterable[Row[*tuple[Any, ...]]]) -> list[Told]:
    """Rows of one result as structs of that kind, by the names of the columns."""
    rows = list(found)
    names = [str(name) for name in rows[0]._fields] if rows else []
    fields = [dict(zip(names, row, strict=True)) for row in rows]
    return msgspec.convert(fields, list[kind])  # type: ignore[valid-type]
