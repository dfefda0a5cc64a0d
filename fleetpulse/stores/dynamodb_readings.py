"""Readings in DynamoDB, layout `reading`: one item each, with its prediction."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice

from fleetpulse.settings import Retention
from fleetpulse.stores.dynamodb_client import Dynamo, Item, Taken
from fleetpulse.stores.dynamodb_rollups import DAY_S, DynamoRollups
from fleetpulse.stores.dynamodb_tables import EXPIRES_AT, READINGS, REJECTED
from fleetpulse.stores.dynamodb_values import (
    attributes,
    every_shard,
    moment,
    sharded,
    sorting,
    struct_of,
)
from fleetpulse.stores.protocols import BUCKET_MS, Bucket, Resolution, Rows, StoredReading
from fleetpulse.stores.rollups import rollup_of_readings
from fleetpulse.telemetry import CHANNEL_NAMES, CHANNELS

_HALF = 2**63
BUCKETS_AT_ONCE = 500  # of a roll: their readings are in memory together


@dataclass(frozen=True, kw_only=True)
class Span:
    """Places of readings in time order, both ends included; place: time and number in one."""

    first: int
    last: int

    @classmethod
    def asked(
        cls,
        *,
        since: int | None = None,
        until: int | None = None,
        after: tuple[int, int] | None = None,
        newest_first: bool = False,
    ) -> Span:
        """What a page is taken from."""
        first = place_of(0 if since is None else since, -_HALF)
        last = 2**128 - 1 if until is None else place_of(until, -_HALF) - 1
        if after is not None and newest_first:
            last = min(last, place_of(*after) - 1)
        elif after is not None:
            first = max(first, place_of(*after) + 1)
        return cls(first=first, last=last)

    def living(self, now_s: int, keep_s: int) -> Span:
        """Without the times whose readings have expired.

        DynamoDB deletes them days later, and reads them until then, only to filter them out: with
        few items a request, that is a request for each.
        """
        oldest = place_of((now_s - keep_s) * 1000, -_HALF)
        return Span(first=max(self.first, oldest), last=self.last)


def place_of(measured_at: int, seq: int) -> int:
    """Where a reading stands among those of its device."""
    return ((measured_at + _HALF) << 64) + seq + _HALF


def at_of(place: int) -> int:
    """The time of a place."""
    return (place >> 64) - _HALF


def place_bytes(place: int) -> bytes:
    """A place as a sort key."""
    return place.to_bytes(16, "big")


class ReadingItems:
    """Readings with their predictions, and their rollups."""

    def __init__(self, dynamo: Dynamo, retention: Retention, rollups: DynamoRollups) -> None:
        self._dynamo, self._rollups = dynamo, rollups
        self._table = dynamo.table(READINGS)
        self._keep_s = retention.raw_days * DAY_S
        self.rollups = rollups.page

    def prepared(self, rows: Rows) -> Callable[[], None]:
        """What saves these rows, each key once; raises ValueError for crooked columns."""
        new: dict[tuple[str, int, int], Item] = {}
        stored_before: dict[tuple[str, int, int], Item] = {}
        for row, (place, known) in enumerate(fields_of(rows)):
            if place not in new and place not in stored_before:
                items = stored_before if row in rows.stored_before else new
                items[place] = self._item(*place, known)
        return partial(self._save, new.values(), stored_before.values())

    def _save(self, new: Collection[Item], stored_before: Collection[Item]) -> None:
        self._dynamo.put_all(self._table, new)
        self._dynamo.each(self._put_if_absent, stored_before)

    def _put_if_absent(self, item: Item) -> None:
        # One by one, since a batch of writes knows no conditions; there are few after a restart.
        with suppress(Taken):
            self._dynamo.call(
                "put_item",
                TableName=self._table,
                Item=item,
                ConditionExpression="attribute_not_exists(device)",
            )

    def settle(self) -> None:
        """Finish what may wait until everything else is saved: here nothing."""

    def latest(self, device_id: str) -> StoredReading | None:
        return next(iter(self.page(device_id, limit=1, newest_first=True)), None)

    def latest_of(self, device_ids: Collection[str]) -> Mapping[str, StoredReading]:
        found = self._dynamo.each(self.latest, set(device_ids))
        return {reading.device_id: reading for reading in found if reading is not None}

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
        found = self._within(device_id, span, at_once=limit, newest_first=newest_first)
        return list(islice(found, limit))

    def count(self, device_id: str | None = None) -> int:
        values: dict[str, object] = {":now": self._dynamo.now_s()}
        if device_id is None:
            return self._dynamo.count(
                "scan",
                self._table,
                FilterExpression=f"{EXPIRES_AT} > :now",
                ExpressionAttributeValues=attributes(values),
            )
        return self._dynamo.count(
            "query",
            self._table,
            KeyConditionExpression="device = :device",
            FilterExpression=f"{EXPIRES_AT} > :now",
            ExpressionAttributeValues=attributes({**values, ":device": device_id}),
        )

    def rejected_since(self, device_ids: Collection[str], since: int) -> Mapping[str, int]:
        wanted, found = set(device_ids), Counter[str]()
        for counts in self._dynamo.each(partial(self._rejected, since), every_shard("rejected")):
            found.update({name: count for name, count in counts.items() if name in wanted})
        return found

    def roll(self, minutes: Collection[Bucket]) -> None:
        """Work minutes out anew, from the readings that are stored."""
        rest = iter(minutes)
        while some := list(islice(rest, BUCKETS_AT_ONCE)):
            made = map(rollup_of_readings, some, self._dynamo.each(self._in_minute, some))
            self._rollups.save(rollup for rollup in made if rollup is not None)

    def _in_minute(self, minute: Bucket) -> list[StoredReading]:
        device_id, begins_at = minute
        until = begins_at + BUCKET_MS[Resolution.MINUTE]
        return list(self._within(device_id, Span.asked(since=begins_at, until=until)))

    def _within(
        self, device_id: str, span: Span, *, at_once: int = 1000, newest_first: bool = False
    ) -> Iterator[StoredReading]:
        span = span.living(self._dynamo.now_s(), self._keep_s)
        if span.first > span.last:
            return iter(())
        found = self._dynamo.query(
            self._table,
            KeyConditionExpression="device = :device AND place BETWEEN :first AND :last",
            FilterExpression=f"{EXPIRES_AT} > :now",
            ExpressionAttributeValues=attributes(
                {
                    ":device": device_id,
                    ":first": place_bytes(span.first),
                    ":last": place_bytes(span.last),
                    ":now": self._dynamo.now_s(),
                }
            ),
            ScanIndexForward=not newest_first,
            Limit=max(1, at_once),
        )
        return map(_reading, found)

    def _rejected(self, since: int, pk: str) -> Counter[str]:
        found = self._dynamo.query(
            self._table,
            IndexName=REJECTED,
            KeyConditionExpression="r_pk = :pk AND r_sk >= :since",
            FilterExpression=f"{EXPIRES_AT} > :now",
            ExpressionAttributeValues=attributes(
                {":pk": pk, ":since": moment(since), ":now": self._dynamo.now_s()}
            ),
        )
        counts = Counter[str]()
        for reading in map(_reading, found):
            counts[reading.device_id] += reading.rejected
        return counts

    def _item(self, device_id: str, measured_at: int, seq: int, known: dict[str, object]) -> Item:
        item = {
            "device": device_id,
            "place": place_bytes(place_of(measured_at, seq)),
            "measured_at": measured_at,
            "seq": seq,
            **known,
            EXPIRES_AT: measured_at // 1000 + self._keep_s,
        }
        if known["rejected"]:
            item["r_pk"] = sharded("rejected", device_id)
            item["r_sk"] = sorting(measured_at, device_id)
        return attributes(item)


def fields_of(rows: Rows) -> Iterator[tuple[tuple[str, int, int], dict[str, object]]]:
    """The key of each row and its other fields; None: missing. Raises ValueError if crooked."""
    if len(rows.channels) != len(CHANNELS):
        raise ValueError(f"{len(rows.channels)} channels instead of {len(CHANNELS)}")
    columns = zip(
        rows.device_ids,
        rows.measured_at,
        rows.seq,
        rows.rejected,
        rows.probability,
        rows.expected_s,
        rows.status,
        zip(*rows.channels, strict=True),
        strict=True,
    )
    for row, (device_id, at, seq, rejected, probability, expected_s, status, channels) in enumerate(
        columns
    ):
        yield (
            (device_id, at, seq),
            {
                **dict(zip(CHANNEL_NAMES, map(known_number, channels), strict=True)),
                "rejected": rejected,
                "probability": known_number(probability),
                "expected_s": known_number(expected_s),
                "status": status.value,
                "causes": list(rows.causes[row]) if rows.causes.get(row) else None,
                "model_version": rows.model_version,
            },
        )


def known_number(number: float) -> float | None:
    """The number; None for NaN."""
    return None if math.isnan(number) else number


def _reading(item: Item) -> StoredReading:
    del item["place"]
    return struct_of(StoredReading, item | {"device_id": item["device"]})
