"""Devices, deliveries, chats, rule changes, keys, … in DynamoDB: a record each."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

from msgspec.structs import asdict

from fleetpulse.alerts import RuleChange
from fleetpulse.stores.dynamodb_client import Dynamo, Item, Taken
from fleetpulse.stores.dynamodb_tables import RECORDS, WAITING
from fleetpulse.stores.dynamodb_values import (
    attributes,
    every_shard,
    item_of,
    key,
    merged,
    moment,
    sharded,
    sorting,
    struct_of,
    unique,
)
from fleetpulse.stores.protocols import (
    ApiKey,
    Chat,
    ClockAhead,
    Delivery,
    Device,
    Heartbeat,
    Progress,
)

NEW = "attribute_not_exists(pk)"
THERE = "attribute_exists(pk)"


class Records:
    """The table of everything that is not a reading."""

    def __init__(self, dynamo: Dynamo) -> None:
        self.dynamo = dynamo
        self.table = dynamo.table(RECORDS)

    def put(self, item: Item, condition: str | None = None) -> None:
        """Add or replace, if the condition holds; raises Taken."""
        conditions = {} if condition is None else {"ConditionExpression": condition}
        self.dynamo.call("put_item", TableName=self.table, Item=item, **conditions)

    def add(self, item: Item) -> bool:
        """Add, and leave one that exists as it is; whether it was added."""
        try:
            self.put(item, NEW)
        except Taken:
            return False
        return True

    def update(self, place: Item, change: str, values: Mapping[str, object], **others: Any) -> None:
        """Change some attributes; raises Taken when the condition among `others` does not hold."""
        self.dynamo.call(
            "update_item",
            TableName=self.table,
            Key=place,
            UpdateExpression=change,
            ExpressionAttributeValues=attributes(values),
            **others,
        )

    def get(self, pk: str, sk: str) -> Item | None:
        """One record, or None."""
        return self.dynamo.get(self.table, key(pk, sk))

    def under(self, pk: str, prefix: str = "") -> Iterator[Item]:
        """The records of one partition key whose sort key begins so, in its order."""
        condition, values = "pk = :pk", {":pk": pk}
        if prefix:
            condition, values = (
                f"{condition} AND begins_with(sk, :prefix)",
                {
                    **values,
                    ":prefix": prefix,
                },
            )
        return self.dynamo.query(
            self.table,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=attributes(values),
        )


class DynamoDevices:
    """The machines."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def save(self, new: Sequence[Device]) -> None:
        """Add those that are not there yet; one that is takes the new kind."""
        last = {device.device_id: device for device in new}
        first = unique(new, lambda device: device.device_id)
        self._records.dynamo.each(
            self._add,
            [
                Device(**{**asdict(device), "kind": last[name].kind})
                for name, device in first.items()
            ],
        )

    def _add(self, device: Device) -> None:
        place = _device_key(device.device_id)
        if not self._records.add(place | item_of(device)):
            self._records.update(
                place,
                "SET kind = :kind",
                {":kind": device.kind},
            )

    def get(self, device_id: str) -> Device | None:
        found = self._records.dynamo.get(self._records.table, _device_key(device_id))
        return None if found is None else struct_of(Device, found)

    def page(self, *, after: str | None = None, limit: int = 100) -> Sequence[Device]:
        found = merged(
            self._records.dynamo,
            partial(self._after, after, limit),
            "devices",
            _sort_key,
            limit=limit,
        )
        return [struct_of(Device, item) for item in found]

    def _after(self, after: str | None, limit: int, pk: str) -> Iterator[Item]:
        condition, values = "pk = :pk", {":pk": pk}
        if after is not None:
            condition, values = f"{condition} AND sk > :after", {**values, ":after": after}
        return self._records.dynamo.query(
            self._records.table,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=attributes(values),
            Limit=max(1, limit),
        )

    def clocks_ahead(self, found: Sequence[ClockAhead]) -> None:
        self._records.dynamo.each(self._clock_ahead, found)

    def _clock_ahead(self, clock: ClockAhead) -> None:
        self._records.update(
            _device_key(clock.device_id),
            "SET clock_ahead_ms = :ahead, clock_ahead_at = :at, device_id = :id,"
            " kind = if_not_exists(kind, :kind),"
            " first_seen_at = if_not_exists(first_seen_at, :at)",
            {
                ":ahead": clock.ahead_ms,
                ":at": clock.at,
                ":id": clock.device_id,
                ":kind": clock.kind,
            },
        )


def _device_key(device_id: str) -> Item:
    return key(sharded("devices", device_id), device_id)


def _sort_key(item: Item) -> str:
    return str(item["sk"]["S"])


class DynamoDeliveries:
    """The queue of messages. Those that wait are in an index, by when they are due."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def position(self, reader: str) -> int:
        found = self._records.get("positions", reader)
        return 0 if found is None else int(found["upto"]["N"])

    def plan(self, reader: str, deliveries: Sequence[Delivery], upto: int) -> None:
        # The position last: ended in between, the reader plans the same again, and what is
        # planned already stays as it is.
        new = unique(deliveries, lambda delivery: (delivery.event_id, delivery.target))
        self._records.dynamo.each(self._records.add, map(_delivery_item, new.values()))
        self._records.put(key("positions", reader) | attributes({"upto": upto}))

    def due(self, target_prefix: str, now: int, *, limit: int = 100) -> Sequence[Delivery]:
        shards = every_shard("due")
        find = partial(self._due, target_prefix, now, limit)
        listed = [place for part in self._records.dynamo.each(find, shards) for place in part]
        # The index follows the table after a moment: a message that was sent just now may still
        # be in it, and must not be sent again.
        found = self._records.dynamo.get_all(self._records.table, listed)
        deliveries = [struct_of(Delivery, item) for item in found]
        waiting = [
            delivery
            for delivery in deliveries
            if delivery.progress is Progress.WAITING and delivery.due_at <= now
        ]
        waiting.sort(key=lambda delivery: (delivery.due_at, delivery.event_id, delivery.target))
        return waiting[:limit]

    def _due(self, target_prefix: str, now: int, limit: int, pk: str) -> list[Item]:
        condition = {"FilterExpression": "begins_with(target, :prefix)"} if target_prefix else {}
        prefix = {":prefix": target_prefix} if target_prefix else {}
        found = self._records.dynamo.query(
            self._records.table,
            IndexName=WAITING,
            KeyConditionExpression="w_pk = :pk AND w_sk < :now",
            ExpressionAttributeValues=attributes({":pk": pk, ":now": moment(now + 1), **prefix}),
            **condition,
        )
        return [_key_of(item) for item in islice(found, limit)]

    def update(self, delivery: Delivery) -> None:
        try:
            self._records.put(_delivery_item(delivery), THERE)
        except Taken:
            return  # it was never planned

    def of_events(self, event_ids: Collection[str]) -> Sequence[Delivery]:
        found = self._records.dynamo.each(self._of_event, sorted(set(event_ids)))
        return [delivery for of_event in found for delivery in of_event]

    def _of_event(self, event_id: str) -> list[Delivery]:
        found = self._records.under(f"deliveries/{event_id}")
        return [struct_of(Delivery, item) for item in found]


def _delivery_item(delivery: Delivery) -> Item:
    item = key(f"deliveries/{delivery.event_id}", delivery.target) | item_of(delivery)
    if delivery.progress is Progress.WAITING:
        name = f"{delivery.event_id} {delivery.target}"
        item |= attributes({"w_pk": sharded("due", name), "w_sk": sorting(delivery.due_at, name)})
    return item


def _key_of(item: Item) -> Item:
    return {"pk": item["pk"], "sk": item["sk"]}


class DynamoChats:
    """Who is told."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def put(self, chat: Chat) -> None:
        self._records.put(key("chats", chat.chat_id) | item_of(chat))

    def get(self, chat_id: str) -> Chat | None:
        found = self._records.get("chats", chat_id)
        return None if found is None else struct_of(Chat, found)

    def active(self) -> Sequence[Chat]:
        chats = [struct_of(Chat, item) for item in self._records.under("chats")]
        return [chat for chat in chats if chat.active]


class DynamoRules:
    """What owners changed of the rules."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def put(self, change: RuleChange) -> None:
        place = key("rules", f"{change.device_id} {change.rule}")
        self._records.put(place | item_of(change))

    def of(self, device_id: str) -> Sequence[RuleChange]:
        found = self._records.under("rules", f"{device_id} ")
        return [struct_of(RuleChange, item) for item in found]

    def changed_since(self, at: int) -> Sequence[RuleChange]:
        # All of them are read: they are few, and an index would follow after a moment, when a
        # reader that goes on from the newest it knows has gone past.
        changes = [struct_of(RuleChange, item) for item in self._records.under("rules")]
        found = [change for change in changes if change.changed_at >= at]
        return sorted(found, key=lambda change: (change.changed_at, change.device_id, change.rule))


class DynamoKeys:
    """The keys of the API."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def put(self, api_key: ApiKey) -> None:
        self._records.put(key("keys", api_key.key_id) | item_of(api_key))

    def get(self, key_id: str) -> ApiKey | None:
        found = self._records.get("keys", key_id)
        return None if found is None else struct_of(ApiKey, found)

    def all(self) -> Sequence[ApiKey]:
        found = [struct_of(ApiKey, item) for item in self._records.under("keys")]
        return sorted(found, key=lambda known: (known.created_at, known.key_id))

    def revoke(self, key_id: str, at: int) -> bool:
        try:
            self._records.update(
                key("keys", key_id),
                "SET revoked_at = :at",
                {":at": at},
                ConditionExpression=f"{THERE} AND attribute_not_exists(revoked_at)",
            )
        except Taken:
            return False
        return True


class DynamoHeartbeats:
    """Which processes are alive."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def beat(self, heartbeat: Heartbeat) -> None:
        self._records.put(key("heartbeats", heartbeat.process) | item_of(heartbeat))

    def all(self) -> Sequence[Heartbeat]:
        return [struct_of(Heartbeat, item) for item in self._records.under("heartbeats")]


class DynamoDocuments:
    """Small things that people decide."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def put(self, collection: str, name: str, document: bytes) -> None:
        place = key(_collection(collection), name)
        self._records.put(place | attributes({"document": document.decode()}))

    def get(self, collection: str, name: str) -> bytes | None:
        return _document(self._records.get(_collection(collection), name))

    def all(self, collection: str) -> Mapping[str, bytes]:
        found = self._records.under(_collection(collection))
        return {item["sk"]["S"]: item["document"]["S"].encode() for item in found}

    def take(self, collection: str, name: str) -> bytes | None:
        try:
            removed = self._records.dynamo.call(
                "delete_item",
                TableName=self._records.table,
                Key=key(_collection(collection), name),
                ConditionExpression=THERE,  # of several at once the others are told so
                ReturnValues="ALL_OLD",
            )
        except Taken:
            return None
        return _document(removed.get("Attributes"))


def _collection(name: str) -> str:
    return f"documents/{name}"


def _document(item: Item | None) -> bytes | None:
    return None if not item else str(item["document"]["S"]).encode()
