"""Who is told and what is due, rule changes, keys, heartbeats and documents in SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec
from sqlalchemy import delete, func, select, update

from fleetpulse.alerts import RuleChange
from fleetpulse.stores.protocols import ApiKey, Chat, Delivery, Heartbeat, Progress
from fleetpulse.stores.sql_database import Database, told_as
from fleetpulse.stores.sql_tables import (
    api_keys,
    chats,
    delivery_positions,
    documents,
    heartbeats,
    rule_changes,
)
from fleetpulse.stores.sql_tables import deliveries as queue


class SqlDeliveries:
    """The queue of messages."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def position(self, reader: str) -> int:
        query = select(delivery_positions.c.upto).where(delivery_positions.c.reader == reader)
        with self._database.reads() as connection:
            found = connection.scalar(query)
        return 0 if found is None else found

    def plan(self, reader: str, deliveries: Sequence[Delivery], upto: int) -> None:
        rows = [msgspec.to_builtins(delivery) for delivery in deliveries]
        with self._database.writes() as connection:
            if rows:
                connection.execute(self._database.add(queue), rows)
            connection.execute(
                self._database.put(delivery_positions), {"reader": reader, "upto": upto}
            )

    def due(self, target_prefix: str, now: int, *, limit: int = 100) -> Sequence[Delivery]:
        table = queue.c
        query = (
            select(queue)
            .where(
                table.progress == Progress.WAITING.value,
                table.due_at <= now,
                func.substr(table.target, 1, len(target_prefix)) == target_prefix,
            )
            .order_by(table.due_at, table.event_id, table.target)
            .limit(limit)
        )
        with self._database.reads() as connection:
            return told_as(Delivery, connection.execute(query))

    def update(self, delivery: Delivery) -> None:
        query = update(queue).where(
            queue.c.event_id == delivery.event_id, queue.c.target == delivery.target
        )
        with self._database.writes() as connection:
            connection.execute(query.values(**msgspec.to_builtins(delivery)))

    def of_events(self, event_ids: Collection[str]) -> Sequence[Delivery]:
        listed = self._database.listed(set(event_ids))
        query = (
            select(queue)
            .join(listed, queue.c.event_id == listed.c.value)
            .order_by(queue.c.event_id, queue.c.target)
        )
        with self._database.reads() as connection:
            return told_as(Delivery, connection.execute(query))


class SqlChats:
    """Who is told."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, chat: Chat) -> None:
        with self._database.writes() as connection:
            connection.execute(self._database.put(chats), msgspec.to_builtins(chat))

    def get(self, chat_id: str) -> Chat | None:
        query = select(chats).where(chats.c.chat_id == chat_id)
        with self._database.reads() as connection:
            found = told_as(Chat, connection.execute(query))
        return found[0] if found else None

    def active(self) -> Sequence[Chat]:
        query = select(chats).where(chats.c.active).order_by(chats.c.chat_id)
        with self._database.reads() as connection:
            return told_as(Chat, connection.execute(query))


class SqlRules:
    """What owners changed of the rules."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, change: RuleChange) -> None:
        with self._database.writes() as connection:
            connection.execute(self._database.put(rule_changes), msgspec.to_builtins(change))

    def of(self, device_id: str) -> Sequence[RuleChange]:
        query = select(rule_changes).where(rule_changes.c.device_id == device_id)
        with self._database.reads() as connection:
            return told_as(RuleChange, connection.execute(query.order_by(rule_changes.c.rule)))

    def changed_since(self, at: int) -> Sequence[RuleChange]:
        table = rule_changes.c
        query = select(rule_changes).where(table.changed_at >= at)
        order = (table.changed_at, table.device_id, table.rule)
        with self._database.reads() as connection:
            return told_as(RuleChange, connection.execute(query.order_by(*order)))


class SqlKeys:
    """The keys of the API."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, key: ApiKey) -> None:
        with self._database.writes() as connection:
            connection.execute(self._database.put(api_keys), msgspec.to_builtins(key))

    def get(self, key_id: str) -> ApiKey | None:
        query = select(api_keys).where(api_keys.c.key_id == key_id)
        with self._database.reads() as connection:
            found = told_as(ApiKey, connection.execute(query))
        return found[0] if found else None

    def all(self) -> Sequence[ApiKey]:
        query = select(api_keys).order_by(api_keys.c.created_at, api_keys.c.key_id)
        with self._database.reads() as connection:
            return told_as(ApiKey, connection.execute(query))

    def revoke(self, key_id: str, at: int) -> bool:
        query = update(api_keys).where(api_keys.c.key_id == key_id, api_keys.c.revoked_at.is_(None))
        with self._database.writes() as connection:
            return connection.execute(query.values(revoked_at=at)).rowcount == 1


class SqlHeartbeats:
    """Which processes are alive."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def beat(self, heartbeat: Heartbeat) -> None:
        with self._database.writes() as connection:
            connection.execute(self._database.put(heartbeats), msgspec.to_builtins(heartbeat))

    def all(self) -> Sequence[Heartbeat]:
        query = select(heartbeats).order_by(heartbeats.c.process)
        with self._database.reads() as connection:
            return told_as(Heartbeat, connection.execute(query))


class SqlDocuments:
    """Small things that people decide."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, collection: str, name: str, document: bytes) -> None:
        row = {"collection": collection, "name": name, "document": document.decode()}
        with self._database.writes() as connection:
            connection.execute(self._database.put(documents), row)

    def get(self, collection: str, name: str) -> bytes | None:
        table = documents.c
        query = select(table.document).where(table.collection == collection, table.name == name)
        with self._database.reads() as connection:
            found: str | None = connection.scalar(query)
        return None if found is None else found.encode()

    def all(self, collection: str) -> Mapping[str, bytes]:
        table = documents.c
        query = select(table.name, table.document).where(table.collection == collection)
        with self._database.reads() as connection:
            rows = connection.execute(query.order_by(table.name)).all()
        return {name: document.encode() for name, document in rows}

    def take(self, collection: str, name: str) -> bytes | None:
        table = documents.c
        query = delete(documents).where(table.collection == collection, table.name == name)
        with self._database.writes() as connection:
            found: str | None = connection.scalar(query.returning(table.document))
        return None if found is None else found.encode()
