"""Deleting old rows where a day is not a table of its own: a little at a time."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Table, delete, func, select

from fleetpulse.stores.sql_database import Database

CHUNK = 5_000  # rows of one transaction: others wait for a few milliseconds only


def delete_in_chunks(database: Database, table: Table, day: int) -> None:
    """Delete what was measured before this moment.

    The table is clustered by device, so old rows are looked for device by device. Whoever does the
    same at the same time finds less to delete.
    """
    with database.reads() as connection:
        devices = _with_rows_before(connection, table, day)
    for device_id in devices:
        while _delete_some(database, table, device_id, day):
            pass


def _with_rows_before(connection: Connection, table: Table, day: int) -> Sequence[str]:
    """The devices that have older rows: for each a seek to the next one and to its oldest row."""
    first = select(func.min(table.c.device_id).label("device_id")).cte("names", recursive=True)
    following = select(func.min(table.c.device_id)).where(table.c.device_id > first.c.device_id)
    names = first.union_all(
        select(following.scalar_subquery()).where(first.c.device_id.is_not(None))
    )
    old = select(table.c.device_id).where(
        table.c.device_id == names.c.device_id, table.c.measured_at < day
    )
    return connection.scalars(select(names.c.device_id).where(old.exists())).all()


def _delete_some(database: Database, table: Table, device_id: str, day: int) -> bool:
    """Delete a device's oldest rows; whether there may be more of them."""
    old = (table.c.device_id == device_id, table.c.measured_at < day)
    some = select(table.c.measured_at).where(*old).order_by(table.c.measured_at)
    with database.writes() as connection:
        last = connection.scalar(some.offset(CHUNK - 1).limit(1))
        chunk = delete(table).where(*old)
        if last is not None:
            chunk = chunk.where(table.c.measured_at <= last)
        connection.execute(chunk)
    return last is not None
