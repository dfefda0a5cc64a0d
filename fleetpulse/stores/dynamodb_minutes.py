"""The closed minutes of layout `minute`: an item each, an attribute a reading."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from fleetpulse.stores.dynamodb_chunks import MINUTE_MS, minute_of
from fleetpulse.stores.dynamodb_client import Dynamo, Failed, Item
from fleetpulse.stores.dynamodb_packing import Row, model_number, unpacked
from fleetpulse.stores.dynamodb_readings import Span, at_of, place_bytes, place_of
from fleetpulse.stores.dynamodb_tables import EXPIRES_AT, READINGS
from fleetpulse.stores.dynamodb_values import attribute, attributes, sharded, sorting
from fleetpulse.stores.protocols import Bucket, StoredReading

# An expression may have 4 KB and 300 operators.
READINGS_AT_ONCE = 100
# An item may have 400 KB: the minute of a device that speaks more than some 80 times a second
# goes on in another item.
PARTS = 64
SURELY_ALONE = 1_000  # readings; a minute with fewer has no other part


class Minutes:
    """One item for each minute of a device, with all its readings."""

    def __init__(self, dynamo: Dynamo, keep_s: int) -> None:
        self._dynamo, self._keep_s = dynamo, keep_s
        self._table = dynamo.table(READINGS)

    def add(self, minute: Bucket, rows: Sequence[Row]) -> None:
        """Add readings of this minute; those that are there stay as they are."""
        rest = iter(rows)
        while some := list(islice(rest, READINGS_AT_ONCE)):
            self._add_some(minute, some)

    def _add_some(self, minute: Bucket, rows: Sequence[Row]) -> None:
        for part in range(PARTS):
            try:
                self._dynamo.call("update_item", **self._update(minute, part, rows))
                return
            except Failed as error:
                # The item is full. There is no other code for it.
                if error.code != "ValidationException" or part == PARTS - 1:
                    raise

    def _update(self, minute: Bucket, part: int, rows: Sequence[Row]) -> dict[str, object]:
        device_id, begins_at = minute
        kept: dict[str, dict[str, object]] = {
            EXPIRES_AT: attribute(begins_at // 1000 + self._keep_s),
            **{_name(row): {"B": row.packed} for row in rows},
            **{
                f"model {model_number(name)}": {"S": name}
                for name in {row.model_version for row in rows}
                if name is not None
            },
        }
        if any(row.rejected for row in rows):
            kept["r_pk"] = attribute(sharded("rejected", device_id))
            kept["r_sk"] = attribute(sorting(begins_at, device_id))
        changes = (f"#{n} = if_not_exists(#{n}, :{n})" for n in range(len(kept)))
        return {
            "TableName": self._table,
            "Key": _key(device_id, begins_at, part),
            "UpdateExpression": f"SET {', '.join(changes)}",
            "ExpressionAttributeNames": {f"#{n}": name for n, name in enumerate(kept)},
            "ExpressionAttributeValues": {f":{n}": told for n, told in enumerate(kept.values())},
        }

    def within(
        self, device_id: str, span: Span, *, at_once: int = 100, newest_first: bool = False
    ) -> Iterator[Item]:
        """The minutes that may hold readings of this span, in time order."""
        span = span.living(self._dynamo.now_s(), self._keep_s)
        if span.first > span.last:
            return iter(())
        first = minute_of(at_of(span.first))
        return self._dynamo.query(
            self._table,
            KeyConditionExpression="device = :device AND place BETWEEN :first AND :last",
            FilterExpression=f"{EXPIRES_AT} > :now",
            ExpressionAttributeValues=attributes(
                {
                    ":device": device_id,
                    ":first": place_bytes(place_of(first, 0)),
                    ":last": place_bytes(span.last),
                    ":now": self._dynamo.now_s(),
                }
            ),
            ScanIndexForward=not newest_first,
            Limit=max(1, at_once),
        )

    def of(self, minutes: Collection[Bucket]) -> dict[Bucket, list[StoredReading]]:
        """The readings of each of these minutes, so far as they are closed."""
        now_s = self._dynamo.now_s()
        keys = [_key(device_id, begins_at, 0) for device_id, begins_at in minutes]
        alive = [
            item
            for item in self._dynamo.get_all(self._table, keys)
            if int(item[EXPIRES_AT]["N"]) > now_s
        ]
        found = {bucket_of(item): list(readings_of(item)) for item in alive}
        for minute, readings in found.items():
            if len(readings) > SURELY_ALONE:
                found[minute] = self._all_parts(minute)
        return found

    def _all_parts(self, minute: Bucket) -> list[StoredReading]:
        device_id, begins_at = minute
        span = Span.asked(since=begins_at, until=begins_at + MINUTE_MS)
        places = {
            (reading.measured_at, reading.seq): reading
            for item in self.within(device_id, span)
            for reading in readings_of(item)
        }
        return list(places.values())


def bucket_of(item: Item) -> Bucket:
    """Which minute of which device an item is."""
    return item["device"]["S"], at_of(int.from_bytes(item["place"]["B"], "big"))


def readings_of(item: Item) -> Iterator[StoredReading]:
    """The readings of a minute, in no order."""
    device_id, begins_at = bucket_of(item)
    models = {
        int(name.removeprefix("model ")): told["S"]
        for name, told in item.items()
        if name.startswith("model ")
    }
    for name, told in item.items():
        offset, dot, seq = name.partition(".")
        if dot:
            yield unpacked(device_id, begins_at + int(offset), int(seq), told["B"], models)


def places_in(item: Item) -> Iterator[tuple[str, int, int]]:
    """What names the readings of a minute."""
    device_id, begins_at = bucket_of(item)
    for name in item:
        offset, dot, seq = name.partition(".")
        if dot:
            yield device_id, begins_at + int(offset), int(seq)


def _name(row: Row) -> str:
    return f"{row.measured_at % MINUTE_MS}.{row.seq}"


def _key(device_id: str, begins_at: int, part: int) -> Item:
    return attributes({"device": device_id, "place": place_bytes(place_of(begins_at, part))})
