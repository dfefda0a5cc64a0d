"""Questions to the bot, without a chat."""

from __future__ import annotations

from bot.asked import Asked
from bot.commands import answer
from fleetpulse.delivery.messages import Post
from fleetpulse.people import People, Person
from fleetpulse.stores.protocols import Store
from tests.contracts.builders import NOON

CHAT = "telegram:42"
ADA = Person(name="Ada")


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
