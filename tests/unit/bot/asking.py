"""Questions to the bot, without a chat."""

from __future__ import annotations

from bot.asked import Asked
from bot.commands import answer
from fleetpulse.delivery.messages import Post
from fleetpulse.people import People, Person
from fleetpulse.stores.protocols import Delivery, Store
from tests.contracts.builders import NOON

CHAT = "telegram:42"
ADA = Person(name="Ada")
ANOTHER_CHAT = "telegram:7"
LATER = NOON + 3_600_000


def wait(store: Store) -> None:
    """Two chats have an event that waits for the end of a snooze or of quiet hours."""
    waiting = [
        Delivery(event_id="pi-1:heat:1:soon", target=target, due_at=LATER)
        for target in (CHAT, ANOTHER_CHAT)
    ]
    store.deliveries.plan("bench", waiting, upto=1)


def looked_at(store: Store) -> dict[str, int]:
    """When each chat's event is looked at again."""
    return {each.target: each.due_at for each in store.deliveries.due("telegram:", 2 * LATER)}


def ask(
    store: Store,
    text: str,
    now: int = NOON,
    *,
    stale_after_ms: int = 30_000,
    person: Person = ADA,
    target: str = CHAT,
) -> Post:
    """What the bot answers to this person in this chat."""
    asked = Asked(
        store=store,
        words=(),
        now_ms=now,
        stale_after_ms=stale_after_ms,
        target=target,
        person=person,
        said_as=person.name,
        groups=People(store.documents).groups.all(),
    )
    return answer(asked, text)
