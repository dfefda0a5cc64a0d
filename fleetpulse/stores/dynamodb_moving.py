"""Moving the readings of minutes that are over, from chunks to the items of their devices."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain

from fleetpulse.stores.dynamodb_chunks import (
    CHUNK_SHARDS,
    MINUTE_MS,
    Chunks,
    minute_of,
    rows_of,
    shard_and_count,
)
from fleetpulse.stores.dynamodb_client import Dynamo, Item, Taken
from fleetpulse.stores.dynamodb_minutes import Minutes
from fleetpulse.stores.dynamodb_packing import Row
from fleetpulse.stores.dynamodb_records import Records
from fleetpulse.stores.dynamodb_values import key, unique
from fleetpulse.stores.protocols import Bucket

STILL_OPEN_MS = MINUTE_MS  # a minute is moved when it has been over for this long
MOVED_TOGETHER = 8_000  # readings of a shard; a live minute of 10,000 devices has 7,500
MOVED_SOONER = 20_000  # readings of a shard since it was last moved: a backlog is being read
LEASE_MS = 30_000  # for one consumer to move a shard; others that move it too only pay for it


class Mover:
    """What a process knows of which shards are due."""

    def __init__(self, dynamo: Dynamo, chunks: Chunks, minutes: Minutes, records: Records) -> None:
        self._dynamo, self._chunks, self._minutes = dynamo, chunks, minutes
        self._records = records
        self._moved_in: dict[int, int] = {}  # by shard, the minute of our clock
        self._waiting = Counter[int]()  # by shard, readings that we saved since
        self._one_at_a_time = threading.Lock()

    def saw(self, chunks: Iterable[Item]) -> None:
        """Remember how many readings were saved."""
        for shard, count in map(shard_and_count, chunks):
            self._waiting[shard] += count

    def move(self) -> None:
        """Move what is due; nothing while another thread does."""
        if self._one_at_a_time.acquire(blocking=False):
            try:
                self._move_due(minute_of(self._dynamo.now_ms()))
            finally:
                self._one_at_a_time.release()

    def _move_due(self, now: int) -> None:
        due = [
            shard
            for shard in range(CHUNK_SHARDS)
            if self._moved_in.get(shard) != now or self._waiting[shard] >= MOVED_SOONER
        ]
        self._dynamo.each(partial(self._move_shard, now - STILL_OPEN_MS), due)
        for shard in due:
            self._moved_in[shard] = now
            self._waiting[shard] = 0

    def _move_shard(self, before: int, shard: int) -> None:
        found = self._chunks.in_shard(shard, before=before)
        first = next(found, None)
        if first is None or not self._lease(shard):
            return
        for chunks in _together(chain([first], found)):
            self._move(chunks)
        self._give_back(shard)

    def _move(self, chunks: Sequence[Item]) -> None:
        minutes: dict[Bucket, list[Row]] = {}
        for row in unique(chain.from_iterable(map(rows_of, chunks)), lambda row: row[:3]).values():
            minute = (row.device_id, minute_of(row.measured_at))
            minutes.setdefault(minute, []).append(row)
        for minute, rows in minutes.items():
            self._minutes.add(minute, rows)
        self._chunks.delete(chunks)

    def _lease(self, shard: int) -> bool:
        now = self._dynamo.now_ms()
        try:
            self._records.update(
                _lease_key(shard),
                "SET leased_until = :until",
                {":until": now + LEASE_MS, ":now": now},
                ConditionExpression="attribute_not_exists(pk) OR leased_until < :now",
            )
        except Taken:
            return False
        return True

    def _give_back(self, shard: int) -> None:
        self._records.update(_lease_key(shard), "SET leased_until = :never", {":never": 0})


def _lease_key(shard: int) -> Item:
    return key("moving", str(shard))


def _together(chunks: Iterator[Item]) -> Iterator[list[Item]]:
    """Chunks of one shard in lots that fit into memory; in a lot, a device's minute is whole."""
    lot: list[Item] = []
    readings = 0
    for chunk in chunks:
        lot.append(chunk)
        readings += shard_and_count(chunk)[1]
        if readings >= MOVED_TOGETHER:
            yield lot
            lot, readings = [], 0
    if lot:
        yield lot
