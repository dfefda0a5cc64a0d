"""Rollups in DynamoDB: one item a device and bucket, its numbers packed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice

import msgspec

from fleetpulse.settings import Retention
from fleetpulse.stores.dynamodb_client import Dynamo, Item
from fleetpulse.stores.dynamodb_tables import EXPIRES_AT, ROLLUPS
from fleetpulse.stores.dynamodb_values import attributes, fields
from fleetpulse.stores.protocols import BUCKET_MS, Bucket, Resolution, Rollup, Spread
from fleetpulse.stores.rollups import rollup_of_rollups

DAY_S = 86_400
LARGEST = 2**63 - 1

# count, min, max, mean, last; by channel. Packed, the 12 channels of a minute fit into one write
# unit (1 KB); as attributes they would not.
_Packed = dict[str, tuple[int, float, float, float, float]]


class DynamoRollups:
    """Minutes and hours."""

    def __init__(self, dynamo: Dynamo, retention: Retention) -> None:
        self._dynamo = dynamo
        self._table = dynamo.table(ROLLUPS)
        self._keep_s = {
            Resolution.MINUTE: retention.minute_days * DAY_S,
            Resolution.HOUR: retention.hour_days * DAY_S,
        }

    def save(self, rollups: Iterable[Rollup]) -> None:
        """Add or replace."""
        self._dynamo.put_all(self._table, map(self._item, rollups))

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
        """At most `limit` rollups of one device."""
        first = 0 if since is None else since
        last = LARGEST if until is None else until - 1
        if after is not None and newest_first:
            last = min(last, after - 1)
        elif after is not None:
            first = max(first, after + 1)
        found = self._between(device_id, resolution, first, last, limit, newest_first)
        return list(islice(found, limit))

    def roll_hours(self, hours: Collection[Bucket]) -> None:
        """Work hours out anew, from the minutes that are stored."""
        made = self._dynamo.each(self._hour, hours)
        self.save(hour for hour in made if hour is not None)

    def _hour(self, hour: Bucket) -> Rollup | None:
        device_id, begins_at = hour
        last = begins_at + BUCKET_MS[Resolution.HOUR] - 1
        return rollup_of_rollups(
            hour, self._between(device_id, Resolution.MINUTE, begins_at, last, 60, False)
        )

    def _between(
        self,
        device_id: str,
        resolution: Resolution,
        first: int,
        last: int,
        at_once: int,
        newest_first: bool,
    ) -> Iterator[Rollup]:
        # What has expired is read until DynamoDB deletes it, days later.
        first = max(first, (self._dynamo.now_s() - self._keep_s[resolution]) * 1000)
        if first > last:
            return iter(())
        found = self._dynamo.query(
            self._table,
            KeyConditionExpression="pk = :pk AND begins_at BETWEEN :first AND :last",
            FilterExpression=f"{EXPIRES_AT} > :now",
            ExpressionAttributeValues=attributes(
                {
                    ":pk": _pk(device_id, resolution),
                    ":first": first,
                    ":last": last,
                    ":now": self._dynamo.now_s(),
                }
            ),
            ScanIndexForward=not newest_first,
            Limit=max(1, at_once),
        )
        return map(partial(_rollup, device_id, resolution), found)

    def _item(self, rollup: Rollup) -> Item:
        packed: _Packed = {
            name: (spread.count, spread.min, spread.max, spread.mean, spread.last)
            for name, spread in rollup.channels.items()
        }
        return attributes(
            {
                "pk": _pk(rollup.device_id, rollup.resolution),
                "begins_at": rollup.measured_at,
                "count": rollup.count,
                "probability": rollup.probability,
                "channels": msgspec.msgpack.encode(packed),
                EXPIRES_AT: rollup.measured_at // 1000 + self._keep_s[rollup.resolution],
            }
        )


def _pk(device_id: str, resolution: Resolution) -> str:
    return f"{device_id}/{resolution}"


def _rollup(device_id: str, resolution: Resolution, item: Item) -> Rollup:
    known = fields(item)
    packed = msgspec.msgpack.decode(known["channels"], type=_Packed)
    probability = known.get("probability")
    return Rollup(
        device_id=device_id,
        measured_at=known["begins_at"],
        resolution=resolution,
        count=known["count"],
        channels={
            name: Spread(count=count, min=low, max=high, mean=mean, last=last)
            for name, (count, low, high, mean, last) in packed.items()
        },
        probability=None if probability is None else float(probability),
    )
