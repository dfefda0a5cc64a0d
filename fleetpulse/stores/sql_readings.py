"""Readings and devices in SQL."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, func, select, tuple_

from fleetpulse.alerts import Status
from fleetpulse.stores.protocols import Device, Rows, StoredReading
from fleetpulse.stores.sql_database import Database, told_as
from fleetpulse.stores.sql_tables import causes_text, devices, readings
from fleetpulse.telemetry import CHANNELS

_STATUS_TEXT: dict[Status, str] = {status: status.value for status in Status}


class SqlReadings:
    """Readings with their predictions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = str(database.add(readings).compile(dialect=database.engine.dialect))

    def save(self, connection: Connection, rows: Rows) -> None:
        """Insert the rows that are not stored yet, in the transaction of `connection`."""
        if len(rows):
            # Straight to the driver: SQLAlchemy's own way through dictionaries takes twice as long.
            connection.exec_driver_sql(self._insert, sorted(_tuples(rows), key=_place))

    def latest(self, device_id: str) -> StoredReading | None:
        newest = (
            select(readings)
            .where(readings.c.device_id == device_id)
            .order_by(readings.c.measured_at.desc(), readings.c.seq.desc())
            .limit(1)
        )
        with self._database.reads() as connection:
            found = told_as(StoredReading, connection.execute(newest))
        return found[0] if found else None

    def latest_of(self, device_ids: Collection[str]) -> Mapping[str, StoredReading]:
        listed = self._database.listed(set(device_ids))
        # Both are answered by a seek to the end of the device's readings.
        newest = readings.alias("newest")
        of_device = select(newest).where(newest.c.device_id == listed.c.value).limit(1)
        of_device = of_device.order_by(newest.c.measured_at.desc(), newest.c.seq.desc())
        query = select(readings).where(
            readings.c.device_id == listed.c.value,
            readings.c.measured_at == _scalar(of_device, newest.c.measured_at),
            readings.c.seq == _scalar(of_device, newest.c.seq),
        )
        with self._database.reads() as connection:
            found = told_as(StoredReading, connection.execute(query))
        return {reading.device_id: reading for reading in found}

    def page(
        self,
        device_id: str,
        *,
        since: int | None = None,
        until: int | None = None,
        after: tuple[int, int] | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> Sequence[StoredReading]:
        time, seq = readings.c.measured_at, readings.c.seq
        query = select(readings).where(readings.c.device_id == device_id).limit(limit)
        if after is not None:
            # First: of two bounds on the same side, SQLite seeks to the one it reads first.
            place = tuple_(time, seq)
            query = query.where(place < after if newest_first else place > after)
        if since is not None:
            query = query.where(time >= since)
        if until is not None:
            query = query.where(time < until)
        order = (time.desc(), seq.desc()) if newest_first else (time, seq)
        with self._database.reads() as connection:
            return told_as(StoredReading, connection.execute(query.order_by(*order)))

    def count(self, device_id: str | None = None) -> int:
        query = select(func.count()).select_from(readings)
        if device_id is not None:
            query = query.where(readings.c.device_id == device_id)
        with self._database.reads() as connection:
            return connection.execute(query).scalar_one()

    def rejected_since(self, device_id: str, since: int) -> int:
        query = select(func.coalesce(func.sum(readings.c.rejected), 0)).where(
            readings.c.device_id == device_id, readings.c.measured_at >= since
        )
        with self._database.reads() as connection:
            return int(connection.execute(query).scalar_one())


class SqlDevices:
    """The machines."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, connection: Connection, new: Sequence[Device]) -> None:
        """Insert the devices that are not stored yet, in the transaction of `connection`.

        One that is takes the new kind.
        """
        if new:
            rows = [msgspec.to_builtins(device) for device in new]
            add = self._database.insert(devices)
            put = add.on_conflict_do_update(
                index_elements=[devices.c.device_id], set_={"kind": add.excluded.kind}
            )
            connection.execute(put, rows)

    def get(self, device_id: str) -> Device | None:
        query = select(devices).where(devices.c.device_id == device_id)
        with self._database.reads() as connection:
            found = told_as(Device, connection.execute(query))
        return found[0] if found else None

    def page(self, *, after: str | None = None, limit: int = 100) -> Sequence[Device]:
        query = select(devices).order_by(devices.c.device_id).limit(limit)
        if after is not None:
            query = query.where(devices.c.device_id > after)
        with self._database.reads() as connection:
            return told_as(Device, connection.execute(query))

    def clock_ahead(self, device_id: str, kind: str, ahead_ms: int, at: int) -> None:
        device = Device(
            device_id=device_id,
            kind=kind,
            first_seen_at=at,
            clock_ahead_ms=ahead_ms,
            clock_ahead_at=at,
        )
        add = self._database.insert(devices).values(**msgspec.to_builtins(device))
        put = add.on_conflict_do_update(
            index_elements=[devices.c.device_id],
            set_={"clock_ahead_ms": ahead_ms, "clock_ahead_at": at},
        )
        with self._database.writes() as connection:
            connection.execute(put)


def _tuples(rows: Rows) -> Iterator[tuple[object, ...]]:
    """Each row as the driver takes it, in the order of the table's columns; NaN binds as NULL."""
    causes: list[str | None] = [None] * len(rows)
    for row, words in rows.causes.items():
        causes[row] = causes_text(words) if words else None
    if len(rows.channels) != len(CHANNELS):
        raise ValueError(f"{len(rows.channels)} channels instead of {len(CHANNELS)}")
    return zip(
        rows.device_ids,
        rows.measured_at,
        rows.seq,
        *rows.channels,
        rows.rejected,
        rows.probability,
        rows.expected_s,
        [_STATUS_TEXT[status] for status in rows.status],
        causes,
        [rows.model_version] * len(rows),
        strict=True,
    )


def _place(row: tuple[object, ...]) -> tuple[object, ...]:
    return row[:3]


def _scalar(query: Select[*tuple[object, ...]], column: ColumnElement[int]) -> ColumnElement[int]:
    return query.with_only_columns(column).scalar_subquery()
