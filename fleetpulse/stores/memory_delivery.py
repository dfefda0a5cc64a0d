"""Who is told and what is due, rule changes, keys, heartbeats and documents in memory."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from msgspec.structs import replace

from fleetpulse.alerts import RuleChange
from fleetpulse.stores.protocols import ApiKey, Chat, Delivery, Heartbeat, Progress


class MemoryDeliveries:
    """The queue of messages."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._deliveries: dict[tuple[str, str], Delivery] = {}
        self._positions: dict[str, int] = {}

    def position(self, reader: str) -> int:
        return self._positions.get(reader, 0)

    def plan(self, reader: str, deliveries: Sequence[Delivery], upto: int) -> None:
        with self._lock:
            for delivery in deliveries:
                self._deliveries.setdefault((delivery.event_id, delivery.target), delivery)
            self._positions[reader] = upto

    def due(self, target_prefix: str, now: int, *, limit: int = 100) -> Sequence[Delivery]:
        with self._lock:
            found = [
                delivery
                for delivery in self._deliveries.values()
                if delivery.progress is Progress.WAITING
                and delivery.due_at <= now
                and delivery.target.startswith(target_prefix)
            ]
        found.sort(key=lambda delivery: (delivery.due_at, delivery.event_id, delivery.target))
        return found[:limit]

    def update(self, delivery: Delivery) -> None:
        with self._lock:
            place = (delivery.event_id, delivery.target)
            if place in self._deliveries:
                self._deliveries[place] = delivery

    def of_events(self, event_ids: Collection[str]) -> Sequence[Delivery]:
        wanted = set(event_ids)
        with self._lock:
            places = sorted(place for place in self._deliveries if place[0] in wanted)
            return [self._deliveries[place] for place in places]


class MemoryChats:
    """Who is told."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._chats: dict[str, Chat] = {}

    def put(self, chat: Chat) -> None:
        with self._lock:
            self._chats[chat.chat_id] = chat

    def get(self, chat_id: str) -> Chat | None:
        return self._chats.get(chat_id)

    def active(self) -> Sequence[Chat]:
        with self._lock:
            return [chat for _, chat in sorted(self._chats.items()) if chat.active]


class MemoryRules:
    """What owners changed of the rules."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._changes: dict[tuple[str, str], RuleChange] = {}

    def put(self, change: RuleChange) -> None:
        with self._lock:
            self._changes[(change.device_id, change.rule)] = change

    def of(self, device_id: str) -> Sequence[RuleChange]:
        with self._lock:
            return [change for key, change in sorted(self._changes.items()) if key[0] == device_id]

    def changed_since(self, at: int) -> Sequence[RuleChange]:
        with self._lock:
            found = [change for change in self._changes.values() if change.changed_at >= at]
        return sorted(found, key=lambda change: (change.changed_at, change.device_id, change.rule))


class MemoryKeys:
    """The keys of the API."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._keys: dict[str, ApiKey] = {}

    def put(self, key: ApiKey) -> None:
        with self._lock:
            self._keys[key.key_id] = key

    def get(self, key_id: str) -> ApiKey | None:
        return self._keys.get(key_id)

    def all(self) -> Sequence[ApiKey]:
        with self._lock:
            return sorted(self._keys.values(), key=lambda key: (key.created_at, key.key_id))

    def revoke(self, key_id: str, at: int) -> bool:
        with self._lock:
            key = self._keys.get(key_id)
            if key is None or key.revoked_at is not None:
                return False
            self._keys[key_id] = replace(key, revoked_at=at)
            return True


class MemoryHeartbeats:
    """Which processes are alive."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._heartbeats: dict[str, Heartbeat] = {}

    def beat(self, heartbeat: Heartbeat) -> None:
        with self._lock:
            self._heartbeats[heartbeat.process] = heartbeat

    def all(self) -> Sequence[Heartbeat]:
        with self._lock:
            return [heartbeat for _, heartbeat in sorted(self._heartbeats.items())]


class MemoryDocuments:
    """Small things that people decide."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._documents: defaultdict[str, dict[str, bytes]] = defaultdict(dict)

    def put(self, collection: str, name: str, document: bytes) -> None:
        with self._lock:
            self._documents[collection][name] = document

    def get(self, collection: str, name: str) -> bytes | None:
        return self._documents[collection].get(name)

    def all(self, collection: str) -> Mapping[str, bytes]:
        with self._lock:
            return dict(sorted(self._documents[collection].items()))

    def take(self, collection: str, name: str) -> bytes | None:
        with self._lock:
            return self._documents[collection].pop(name, None)
