"""Who is told, as the store has it now."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from fleetpulse.people import People, Preferences, owner_of
from fleetpulse.policy import Reader, Wishes
from fleetpulse.stores.protocols import Chat, Store

ENDLESS = 2**62  # Unix ms: deliveries that are due at any time


def wishes_of(store: Store, prefix: str) -> Wishes:
    """The readers whose targets begin so, and what everybody has decided. Raises StoreError."""
    people = People(store.documents)
    known, preferences = people.people.all(), people.preferences.all()
    readers = {}
    for chat in store.chats.active():
        if chat.chat_id.startswith(prefix):
            wanted = preferences.get(chat.chat_id, Preferences())
            readers[chat.chat_id] = Reader(
                chat=chat, person=owner_of(wanted, known), preferences=wanted
            )
    return Wishes(readers=readers, groups=people.groups.all(), snoozes=people.snoozes.all())


def follow(store: Store, target: str, title: str, now_ms: int) -> bool:
    """Tell this chat of everything that is stored from now on; whether it was told nothing before.

    One that is told already is kept.
    """
    chat = store.chats.get(target)
    if chat is None or not chat.active:
        store.chats.put(Chat(chat_id=target, title=title, subscribed_at=now_ms))
        return True
    if title and title != chat.title:
        store.chats.put(replace(chat, title=title))
    return False


def follow_only(store: Store, prefix: str, listed: Sequence[str], since_ms: int) -> None:
    """Of the targets that begin so, tell exactly the listed ones and those that were paired.

    They hear of what is stored from that moment on.
    """
    paired = {
        target
        for target, preferences in People(store.documents).preferences.all().items()
        if preferences.person
    }
    for chat in store.chats.active():
        if chat.chat_id.startswith(prefix) and chat.chat_id not in {*listed, *paired}:
            store.chats.put(replace(chat, active=False))
    for target in listed:
        follow(store, target, "", since_ms)


def release(store: Store, prefix: str, now_ms: int) -> None:
    """Look anew at all that waits in these targets: what people have decided may let it go."""
    limit = 1000
    while len(due := store.deliveries.due(prefix, ENDLESS, limit=limit)) == limit:
        limit *= 4
    for delivery in due:
        if delivery.due_at > now_ms:
            store.deliveries.update(replace(delivery, due_at=now_ms))
