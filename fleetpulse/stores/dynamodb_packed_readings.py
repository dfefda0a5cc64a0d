"""Readings in DynamoDB, layout `minute`: one item a device-minute, for large fleets.

A save writes chunks: its readings packed, many devices to an item. Once their minute is over, they
are moved to the items of the devices. docs/decisions/0005-dynamodb.md says why, and why nothing is
lost or counted twice on the way.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby, islice

from fleetpulse.settings import Retention
from fleetpulse.stores.dynamodb_chunks import (
    CHUNK_SHARDS,
    Chunks,
    is_chunk,
    minute_of,
)
from fleetpulse.stores.dynamodb_client import Dynamo, Item
from fleetpulse.stores.dynamodb_minutes import Minutes, bucket_of, places_in, readings_of
from fleetpulse.stores.dynamodb_moving import STILL_OPEN_MS, Mover
from fleetpulse.stores.dynamodb_packing import Row, packed_rows, reading_of
from fleetpulse.stores.dynamodb_readings import Span, place_of
from fleetpulse.stores.dynamodb_records import Records
from fleetpulse.stores.dynamodb_rollups import DAY_S, DynamoRollups
from fleetpulse.stores.dynamodb_tables import EXPIRES_AT, READINGS, REJECTED
from fleetpulse.stores.dynamodb_values import attributes, every_shard, moment, shard_of, unique
from fleetpulse.stores.protocols import Bucket, Rows, StoredReading
from fleetpulse.stores.rollups import rollup_of_readings

READINGS_OF_A_MINUTE = 12  # as a rule, which says how many minutes a page asks for at once

Place = tuple[int, int]  # measured_at, seq


class PackedReadings:
    """Readings with their predictions, and their rollups."""

    def __init__(self, dynamo: Dynamo, retention: Retention, rollups: DynamoRollups) -> None:
        self._dynamo, self._rollups = dynamo, rollups
        self._table = dynamo.table(READINGS)
        self._chunks = Chunks(dynamo, retention.raw_days * DAY_S)
        self._minutes = Minutes(dynamo, retention.raw_days * DAY_S)
        self._mover = Mover(dynamo, self._chunks, self._minutes, Records(dynamo))
        self.rollups = rollups.page

    def prepared(self, rows: Rows) -> Callable[[], None]:
        """What saves these rows, each reading once; raises ValueError for crooked columns."""
        new: dict[tuple[str, int, int], Row] = {}
        again: dict[tuple[str, int, int], Row] = {}
        for number, row in enumerate(packed_rows(rows)):
            if row[:3] not in new and row[:3] not in again:
                (again if number in rows.stored_before else new)[row[:3]] = row
        chunks = self._chunks.prepared(new.values())
        chunks += self._chunks.prepared(again.values(), behind=True)
        return partial(self._save, chunks)

    def _save(self, chunks: Sequence[Item]) -> None:
        self._chunks.save(chunks)
        self._mover.saw(chunks)

    def settle(self) -> None:
        """Move the readings of minutes that are over to their devices."""
        self._mover.move()

    def latest(self, device_id: str) -> StoredReading | None:
        return next(iter(self.page(device_id, limit=1, newest_first=True)), None)

    def latest_of(self, device_ids: Collection[str]) -> Mapping[str, StoredReading]:
        wanted = set(device_ids)
        newest: dict[str, Row] = {}
        for rows in self._dynamo.each(self._chunks.rows, range(CHUNK_SHARDS)):
            for row in rows:
                known = newest.get(row.device_id)
                if row.device_id in wanted and (known is None or row[1:3] > known[1:3]):
                    newest[row.device_id] = row
        open_since = minute_of(self._dynamo.now_ms()) - STILL_OPEN_MS
        sure = {name: row for name, row in newest.items() if row.measured_at >= open_since}
        # The others may have a newer reading in a minute that is closed.
        closed = self._dynamo.each(self._newest_closed, wanted - sure.keys())
        found = [reading_of(row) for row in newest.values()]
        found += [reading for reading in closed if reading is not None]
        found.sort(key=_place)
        return {reading.device_id: reading for reading in found}

    def _newest_closed(self, device_id: str) -> StoredReading | None:
        found = self._minutes.within(device_id, Span.asked(), at_once=1, newest_first=True)
        minutes = groupby(found, key=bucket_of)  # a minute may have several items
        _, items = next(minutes, (None, ()))
        readings = [reading for item in items for reading in readings_of(item)]
        return max(readings, key=_place, default=None)

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
        span = Span.asked(since=since, until=until, after=after, newest_first=newest_first)
        # The chunks first: what is moved meanwhile is found in both, never in neither.
        opened = self._opened(device_id)
        at_once = limit // READINGS_OF_A_MINUTE + 1
        closed = self._minutes.within(device_id, span, at_once=at_once, newest_first=newest_first)
        found = _in_order(closed, opened, newest_first=newest_first)
        within = (r for r in found if span.first <= place_of(*_place(r)) <= span.last)
        return list(islice(within, limit))

    def _opened(self, device_id: str) -> list[StoredReading]:
        rows = self._chunks.rows(shard_of(device_id, CHUNK_SHARDS))
        return [reading_of(row) for row in rows if row.device_id == device_id]

    def count(self, device_id: str | None = None) -> int:
        if device_id is not None:
            opened = {(device_id, *_place(reading)) for reading in self._opened(device_id)}
            return len(opened) + self._closed_besides(
                opened, self._minutes.within(device_id, Span.asked())
            )
        shards = self._dynamo.each(self._chunks.rows, range(CHUNK_SHARDS))
        opened = {row[:3] for rows in shards for row in rows}
        everything = self._dynamo.scan(
            self._table,
            FilterExpression=f"{EXPIRES_AT} > :now",
            ExpressionAttributeValues=attributes({":now": self._dynamo.now_s()}),
        )
        closed = (item for item in everything if not is_chunk(item))
        return len(opened) + self._closed_besides(opened, closed)

    @staticmethod
    def _closed_besides(opened: set[tuple[str, int, int]], minutes: Iterable[Item]) -> int:
        return sum(place not in opened for item in minutes for place in places_in(item))

    def rejected_since(self, device_ids: Collection[str], since: int) -> Mapping[str, int]:
        wanted = set(device_ids)
        rejected: dict[tuple[str, int, int], int] = {}
        for rows in self._dynamo.each(self._chunks.rows, range(CHUNK_SHARDS)):
            rejected |= {row[:3]: row.rejected for row in rows}
        for readings in self._dynamo.each(partial(self._flawed, since), every_shard("rejected")):
            rejected |= {(r.device_id, *_place(r)): r.rejected for r in readings}
        counts = Counter[str]()
        for (device_id, measured_at, _), count in rejected.items():
            if count and device_id in wanted and measured_at >= since:
                counts[device_id] += count
        return counts

    def _flawed(self, since: int, pk: str) -> list[StoredReading]:
        found = self._dynamo.query(
            self._table,
            IndexName=REJECTED,
            KeyConditionExpression="r_pk = :pk AND r_sk >= :since",
            FilterExpression=f"{EXPIRES_AT} > :now",
            ExpressionAttributeValues=attributes(
                {":pk": pk, ":since": moment(minute_of(since)), ":now": self._dynamo.now_s()}
            ),
        )
        return [reading for item in found for reading in readings_of(item)]

    def roll(self, minutes: Collection[Bucket]) -> None:
        """Work minutes out anew, from the readings that are stored."""
        shards: defaultdict[int, list[Bucket]] = defaultdict(list)
        for minute in minutes:
            shards[shard_of(minute[0], CHUNK_SHARDS)].append(minute)
        for shard, some in shards.items():
            self._roll_in_shard(shard, some)

    def _roll_in_shard(self, shard: int, minutes: Sequence[Bucket]) -> None:
        readings: dict[Bucket, dict[Place, StoredReading]] = {minute: {} for minute in minutes}
        for row in self._chunks.rows(shard):
            minute = (row.device_id, minute_of(row.measured_at))
            if minute in readings:
                readings[minute].setdefault(row[1:3], reading_of(row))
        for minute, closed in self._minutes.of(minutes).items():
            readings[minute] |= {_place(reading): reading for reading in closed}
        made = (rollup_of_readings(minute, known.values()) for minute, known in readings.items())
        self._rollups.save(rollup for rollup in made if rollup is not None)


def _in_order(
    closed: Iterator[Item], opened: Iterable[StoredReading], *, newest_first: bool
) -> Iterator[StoredReading]:
    """The readings of both in time order, each once; of equal ones the closed one."""
    of_minutes: defaultdict[int, list[StoredReading]] = defaultdict(list)
    for reading in opened:
        of_minutes[minute_of(reading.measured_at)].append(reading)
    streams = (
        ((bucket_of(item)[1], list(readings_of(item))) for item in closed),
        sorted(of_minutes.items(), reverse=newest_first),
    )
    merged = heapq.merge(*streams, key=_minute, reverse=newest_first)
    for _, group in groupby(merged, key=_minute):
        places = unique((reading for _, readings in group for reading in readings), _place)
        yield from sorted(places.values(), key=_place, reverse=newest_first)


def _minute(found: tuple[int, list[StoredReading]]) -> int:
    return found[0]


def _place(reading: StoredReading) -> Place:
    return reading.measured_at, reading.seq
