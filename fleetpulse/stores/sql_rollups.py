"""Rollups in SQL: one statement works out as many as are asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Row,
    Select,
    Subquery,
    Table,
    case,
    func,
    select,
)

from fleetpulse.stores.protocols import BUCKET_MS, Bucket, Resolution, Rollup, Spread
from fleetpulse.stores.sql_database import Condition, Database
from fleetpulse.stores.sql_tables import hours, minutes, readings
from fleetpulse.telemetry import CHANNEL_NAMES

TABLES: dict[Resolution, Table] = {
    Resolution.RAW: readings,
    Resolution.MINUTE: minutes,
    Resolution.HOUR: hours,
}
_BELOW: dict[Resolution, Table] = {Resolution.MINUTE: readings, Resolution.HOUR: minutes}

Parts = dict[str, ColumnElement[Any]]


class SqlRollups:
    """Rollups by the minute and by the hour."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def roll(self, resolution: Resolution, buckets: Collection[Bucket]) -> None:
        """Work these out anew; one with nothing below it stays."""
        if not buckets:
            return
        table = TABLES[resolution]
        self._database.make_room(table, (start for _, start in buckets))
        worked_out = self._worked_out(resolution, sorted(set(buckets)))
        names = [column.name for column in table.columns]
        new = self._database.insert(table).from_select(names, worked_out)
        with self._database.writes() as connection:
            connection.execute(self._database.put_over(new, table))

    def _worked_out(self, resolution: Resolution, buckets: Collection[Bucket]) -> Select[Any]:
        """A row of the table of rollups for each bucket that has something below it."""
        below, length = _BELOW[resolution], BUCKET_MS[resolution]
        spread = _spreads(below, self._database.listed_buckets(buckets), length)

        def within(rows: FromClause) -> list[Condition]:
            return _within(rows, spread, length)

        newest, conditions = self._database.newest(below, within)
        columns: list[ColumnElement[Any]] = [spread.c.device_id, spread.c.start]
        columns += [spread.c.count, spread.c.probability]
        for name in CHANNEL_NAMES:
            columns += [spread.c[f"{name}_{part}"] for part in ("count", "min", "max", "mean")]
            columns.append(_last(below, _last_name(below, name), newest, spread, name, within))
        # In the order of the key, so that processes that do the same never wait for each other.
        order = (spread.c.device_id, spread.c.start)
        return select(*columns).select_from(spread, newest).where(*conditions).order_by(*order)

    def page(
        self,
        device_id: str,
        resolution: Resolution,
        *,
        since: int | None = None,
        until: int | None = None,
        after: int | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> Sequence[Rollup]:
        """As ReadingStore.rollups."""
        table = TABLES[resolution]
        time = table.c.measured_at
        query = select(table).where(table.c.device_id == device_id).limit(limit)
        if after is not None:
            # First: of two bounds on the same side, SQLite seeks to the one it reads first.
            query = query.where(time < after if newest_first else time > after)
        if since is not None:
            query = query.where(time >= since)
        if until is not None:
            query = query.where(time < until)
        query = query.order_by(time.desc() if newest_first else time)
        with self._database.reads() as connection:
            return [_rollup(row, resolution) for row in connection.execute(query)]


def _within(rows: FromClause, bucket: FromClause, length: int) -> list[Condition]:
    """That a row of a device lies in its bucket."""
    return [
        rows.c.device_id == bucket.c.device_id,
        rows.c.measured_at >= bucket.c.start,
        rows.c.measured_at < bucket.c.start + length,
    ]


def _spreads(below: Table, listed: FromClause, length: int) -> Subquery:
    """For each listed bucket all but the last values, of readings or of minutes."""
    parts = _parts_of_readings if below is readings else _parts_of_minutes
    count = func.count() if below is readings else func.sum(below.c.count)
    columns: Parts = {"count": count, "probability": func.max(below.c.probability)}
    for name in CHANNEL_NAMES:
        columns |= {f"{name}_{part}": value for part, value in parts(below, name).items()}
    bucket = (listed.c.device_id, listed.c.start)
    found = [value.label(name) for name, value in columns.items()]
    query = select(*bucket, *found).select_from(listed, below)
    return query.where(*_within(below, listed, length)).group_by(*bucket).subquery("spread")


def _parts_of_readings(rows: Table, name: str) -> Parts:
    value = rows.c[name]
    return {
        "count": func.count(value),
        "min": func.min(value),
        "max": func.max(value),
        "mean": func.avg(value),
    }


def _parts_of_minutes(rows: Table, name: str) -> Parts:
    count, mean = rows.c[f"{name}_count"], rows.c[f"{name}_mean"]
    counted = func.coalesce(func.sum(count), 0)
    return {
        "count": counted,
        "min": func.min(rows.c[f"{name}_min"]),
        "max": func.max(rows.c[f"{name}_max"]),
        "mean": func.sum(mean * count) / func.nullif(counted, 0),
    }


def _last_name(below: Table, name: str) -> str:
    return name if below is readings else f"{name}_last"


def _last(
    below: Table,
    column: str,
    newest: FromClause,
    spread: Subquery,
    name: str,
    within: Callable[[FromClause], list[Condition]],
) -> ColumnElement[Any]:
    """The newest row's value; where that row lacks it but others have it, the last of those."""
    seek = below.alias(f"seek_{name}")
    moment = [seek.c[part.name].desc() for part in list(below.primary_key)[1:]]
    found = select(seek.c[column]).where(*within(seek), seek.c[column].is_not(None))
    last = found.order_by(*moment).limit(1).scalar_subquery()
    value = newest.c[column]
    return case((value.is_not(None), value), (spread.c[f"{name}_count"] > 0, last))


def _rollup(row: Row[*tuple[Any, ...]], resolution: Resolution) -> Rollup:
    found = row._mapping
    return Rollup(
        device_id=row.device_id,
        measured_at=row.measured_at,
        resolution=resolution,
        count=found["count"],
        channels={
            name: Spread(
                count=count,
                min=found[f"{name}_min"],
                max=found[f"{name}_max"],
                mean=found[f"{name}_mean"],
                last=found[f"{name}_last"],
            )
            for name in CHANNEL_NAMES
            if (count := found[f"{name}_count"])
        },
        probability=row.probability,
    )
