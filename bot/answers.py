"""Who may ask what: chats that are listed or paired are answered, strangers learn nothing."""

from __future__ import annotations

from collections.abc import Collection
from html import escape

from bot.asked import Asked
from bot.commands import answer
from fleetpulse.clock import Clock
from fleetpulse.delivery.messages import Post
from fleetpulse.delivery.readers import follow
from fleetpulse.delivery.telling import lost_chat
from fleetpulse.notices import Matter, Notices
from fleetpulse.pairing import Tries, code_in, pair
from fleetpulse.people import People, Person, Preferences, owner_of
from fleetpulse.stores.protocols import Store


class Answers:
    """What each chat is answered.

    listed: targets that need no pairing. stale_after_ms: how old a device's newest reading may be
    to say anything of it now.
    """

    def __init__(
        self, *, store: Store, clock: Clock, listed: Collection[str], stale_after_ms: int
    ) -> None:
        self._store, self._clock = store, clock
        self._listed = frozenset(listed)
        self._stale_after_ms = stale_after_ms
        self._notices = Notices(store, clock)
        self._tries = Tries()

    def to(self, target: str, *, title: str, name: str, text: str) -> Post:
        """The answer to a line of text. title: of the chat, name: of who writes.

        Raises StoreError.
        """
        now = self._clock.now_ms()
        paired = self._paired(target, title, text, now)
        if paired is not None:
            return paired
        person = self._person_at(target)
        if person is None:
            return self._stranger(target)
        if follow(self._store, target, title, now):
            self._notices.report(Matter.CHAT_LOST, None, lost_chat(target))
        asked = Asked(
            store=self._store,
            words=(),
            now_ms=now,
            stale_after_ms=self._stale_after_ms,
            target=target,
            person=person,
            said_as=name or person.name or title,
            groups=People(self._store.documents).groups.all(),
        )
        return answer(asked, text)

    def _person_at(self, target: str) -> Person | None:
        """Whose chat it is; None: of nobody that is known."""
        people = People(self._store.documents)
        preferences = people.preferences.get(target) or Preferences()
        if not preferences.person:
            return Person(name="") if target in self._listed else None
        return owner_of(preferences, people.people.all())

    def _paired(self, target: str, title: str, text: str, now: int) -> Post | None:
        """The answer to a code, whoever sends it; None: there is none in the text."""
        code = code_in(text)
        if code is None:
            return None
        if not self._tries.may(target, now):
            return Post("Too many codes were tried. Please wait a minute.")
        person = pair(self._store, code, target, title, now_ms=now)
        if person is None:
            return Post("That code is wrong, was used before, or is more than 10 minutes old.")
        self._notices.report(Matter.CHAT_LOST, None, lost_chat(target))
        return Post(f"Hello {escape(person.name)}, this chat is yours now. Send /help to begin.")

    def _stranger(self, target: str) -> Post:
        chat_id = target.partition(":")[2]
        return Post(
            "I do not know this chat. Send me the code that <code>fleetpulse chats pair</code> or"
            f" the dashboard shows. Or its owner lists its id, {chat_id}, in"
            " FLEETPULSE_TELEGRAM_CHATS."
        )
