"""Pairing a chat with a person: a code that is shown once, works once, and for ten minutes.

A code has 40 random bits and a chat may try five a minute, so that guessing one within its ten
minutes succeeds once in twenty billion times. Only a hash of it is kept.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections import deque
from collections.abc import Sequence

from msgspec.structs import replace

from fleetpulse.errors import InvalidWish
from fleetpulse.people import Code, People, Person, Preferences, Role, checked_selectors
from fleetpulse.stores.protocols import Chat, Store

CODE_MS = 10 * 60_000
TRIES_A_MINUTE = 5  # of one chat
ALL_TRIES_A_MINUTE = 60  # of all strangers together
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # 32, none of which looks like another
_HALF = f"[{_LETTERS}]{{4}}"
# A blank for the hyphen is read after a command only: two words of four letters are a talk.
_CODE = re.compile(
    rf"/?(?:start|pair)(?:@\w+)?\s+({_HALF})[-\s]?({_HALF})|({_HALF})-?({_HALF})", re.IGNORECASE
)
_MINUTE_MS = 60_000


def make_code(store: Store, person: Person, *, now_ms: int) -> str:
    """A new code that makes a chat this person's; the person is kept, or replaced.

    Raises StoreError.
    """
    people = People(store.documents)
    people.people.put(person.name, person)
    letters = "".join(secrets.choice(_LETTERS) for _ in range(8))
    people.codes.put(_hash(letters), Code(person=person.name, expires_at=now_ms + CODE_MS))
    return f"{letters[:4]}-{letters[4:]}"


def code_in(text: str) -> str | None:
    """The code that somebody sends, alone or after /start or /pair; None: there is none."""
    found = _CODE.fullmatch(text.strip())
    return None if found is None else "".join(half for half in found.groups() if half).upper()


def pair(store: Store, code: str, target: str, title: str, *, now_ms: int) -> Person | None:
    """Make the chat its person's; None: the code is wrong, used, or too old. Raises StoreError."""
    people = People(store.documents)
    found = people.codes.take(_hash(code))
    if found is None or found.expires_at <= now_ms:
        return None
    person = people.people.get(found.person)
    if person is None:
        return None
    before = people.preferences.get(target) or Preferences()
    people.preferences.put(target, replace(before, person=person.name))
    store.chats.put(Chat(chat_id=target, title=title, subscribed_at=now_ms))
    return person


def forget(store: Store, target: str) -> bool:
    """Tell and answer this chat no more; whether it was known. Raises StoreError."""
    chat = store.chats.get(target)
    if chat is not None:  # first: whoever sees that it is nobody's must not find it told
        store.chats.put(replace(chat, active=False))
    known = People(store.documents).preferences.take(target)
    return known is not None or chat is not None


def remove_person(store: Store, name: str) -> Person | None:
    """Forget a person, with the chats and the codes; None: there is none. Raises StoreError.

    What were left would be another's who is given the same name later.
    """
    people = People(store.documents)
    found = people.people.take(name)  # first: nobody can be paired with it from here on
    for hashed, code in people.codes.all().items():
        if code.person == name:
            people.codes.take(hashed)
    for target, preferences in people.preferences.all().items():
        if preferences.person == name:
            forget(store, target)
    return found


def drop_old_codes(store: Store, now_ms: int) -> None:
    """Forget the codes whose time is over. Raises StoreError."""
    codes = People(store.documents).codes
    for name, code in codes.all().items():
        if code.expires_at <= now_ms:
            codes.take(name)


def wanted_person(
    store: Store, name: str, *, role: Role | None, owns: Sequence[str] | None
) -> Person:
    """The person as before, but for what is given; somebody new is an owner of every device.

    So nobody gets more rights because they were left out. Raises InvalidWish, StoreError.
    """
    if not re.fullmatch(r"[^\W_][\w .'-]{0,63}", name):
        raise InvalidWish("A person's name has 1 to 64 letters, digits, spaces, and . ' - _.")
    people = People(store.documents)
    before = people.people.get(name) or Person(name=name)
    owned = before.owns if owns is None else checked_selectors(owns, people.groups.all())
    return Person(name=name, role=role or before.role, owns=owned)


class Tries:
    """How often strangers have tried a code in the last minute."""

    def __init__(self) -> None:
        self._all: deque[tuple[int, str]] = deque()

    def may(self, target: str, now_ms: int) -> bool:
        """Whether this chat may try one more; it then counts."""
        while self._all and not 0 <= now_ms - self._all[0][0] < _MINUTE_MS:
            self._all.popleft()
        own = sum(each == target for _, each in self._all)
        if own >= TRIES_A_MINUTE or len(self._all) >= ALL_TRIES_A_MINUTE:
            return False
        self._all.append((now_ms, target))
        return True


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
