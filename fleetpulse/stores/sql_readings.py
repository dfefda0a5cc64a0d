"""Readings and devices in SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from operator import attrgetter

import msgspec
from sqlalchemy import Connection, func, select, tuple_

from fleetpulse.stores.protocols import ClockAhead, Device, Rows, StoredReading
from fleetpulse.stores.sql_database import Database, told_as
from fleetpulse.stores.sql_rollups import SqlRollups
from fleetpulse.stores.sql_tables import devices, readings


class SqlReadings:
    """Readings with their predictions, and their rollups."""

    def __init__(self, database: Database, rollups: SqlRollups) -> None:
        self._database = database
        self.rollups = rollups.page

    def save(self, connection: Connection, rows: Rows) -> None:
        """Insert the rows that are not stored yet, in the transaction of `connection`."""
        if len(rows):
            self._database.add_readings(connection, rows)

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
        newest, conditions = self._database.newest(
            readings, lambda rows: [rows.c.device_id == listed.c.value]
        )
        query = select(newest).select_from(listed, newest).where(*conditions)
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

    def rejected_since(self, device_ids: Collection[str], since: int) -> Mapping[str, int]:
        listed = self._database.listed(set(device_ids))
        table = readings.c
        query = (
            select(table.device_id, func.sum(table.rejected).label("count"))
            .select_from(listed, readings)
            .where(table.device_id == listed.c.value, table.measured_at >= since)
            .where(table.rejected > 0)
            .group_by(table.device_id)
        )
        with self._database.reads() as connection:
            return {row.device_id: int(row._mapping["count"]) for row in connection.execute(query)}


class SqlDevices:
    """The machines."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, connection: Connection, new: Sequence[Device]) -> None:
        """Insert the devices that are not stored yet, in the transaction of `connection`.

        One that is takes the new kind.
        """
        if new:
            in_order = sorted(new, key=lambda device: device.device_id)
            rows = [msgspec.to_builtins(device) for device in in_order]
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

    def clocks_ahead(self, found: Sequence[ClockAhead]) -> None:
        rows = [
            Device(
                device_id=one.device_id,
                kind=one.kind,
                first_seen_at=one.at,
                clock_ahead_ms=one.ahead_ms,
                clock_ahead_at=one.at,
            )
            for one in sorted(found, key=attrgetter("device_id"))  # two writers cannot deadlock
        ]
        add = self._database.insert(devices)
        names = ("clock_ahead_ms", "clock_ahead_at")
        put = add.on_conflict_do_update(
            index_elements=[devices.c.device_id], set_={name: add.excluded[name] for name in names}
        )
        with self._database.writes() as connection:
            connection.execute(put, msgspec.to_builtins(rows))
