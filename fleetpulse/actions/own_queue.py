"""A store in which one target is the only one: its rows of the queue, its place in the outbox.

Each channel is delivered to by a loop of its own, so that one which is slow, or away for a day,
holds up no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from fleetpulse.stores.protocols import Chat, ChatStore, Delivery, DeliveryStore, Store


def only(store: Store, target: str) -> Store:
    """The store as it is for this target alone."""
    return cast(Store, _OwnStore(store, target))


class _Rest:
    """All of something but for what a subclass says otherwise."""

    def __init__(self, whole: Any, target: str) -> None:
        self._whole, self._target = whole, target

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)


class _OwnStore(_Rest):
    @property
    def deliveries(self) -> DeliveryStore:
        return cast(DeliveryStore, _OwnDeliveries(self._whole.deliveries, self._target))

    @property
    def chats(self) -> ChatStore:
        return cast(ChatStore, _OwnChats(self._whole.chats, self._target))


class _OwnChats(_Rest):
    def active(self) -> Sequence[Chat]:
        return [chat for chat in self._whole.active() if chat.chat_id == self._target]


class _OwnDeliveries(_Rest):
    def position(self, _reader: str) -> int:
        return int(self._whole.position(self._target))

    def plan(self, _reader: str, deliveries: Sequence[Delivery], upto: int) -> None:
        self._whole.plan(self._target, deliveries, upto)

    def due(self, _target_prefix: str, now: int, *, limit: int = 100) -> Sequence[Delivery]:
        """Ours; as many as asked for where there are, though others' names begin like ours."""
        wanted = limit
        while True:
            found = self._whole.due(self._target, now, limit=wanted)
            ours = [each for each in found if each.target == self._target]
            if len(ours) >= limit or len(found) < wanted:
                return ours[:limit]
            wanted *= 4
