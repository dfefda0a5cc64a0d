"""Names that people write: those that are none are answered with the nearest ones as buttons."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from html import escape

from bot.asked import Asked
from fleetpulse.delivery.messages import Button, Post

NAMES_OFFERED = 3
_LIKENESS = 0.5  # of 1; below it the nearest name is none that was meant


class UnknownName(Exception):
    """A word names nothing of what it should.

    said: so, in a sentence. known: what it could have been. otherwise: what to do when none of
    that is like it.
    """

    def __init__(self, word: str, said: str, known: Iterable[str], otherwise: str = "") -> None:
        super().__init__(said)
        self.word, self.said, self.otherwise = word, said, otherwise
        self.known = tuple(known)


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """Which of the known names a word is most like, the likest first; none when it is like none."""
    names = {name.lower(): name for name in known}
    near = get_close_matches(word.lower(), names, n=NAMES_OFFERED, cutoff=_LIKENESS)
    return [names[name] for name in near]


def suggestion(unknown: UnknownName, line: str) -> Post:
    """What is not known, and a button per near name: it is the line again, with that name."""
    near = nearest(unknown.word, unknown.known)
    if not near:
        return Post(escape(f"{unknown.said} {unknown.otherwise}".strip()))
    return Post(
        escape(f"{unknown.said} Do you mean {' or '.join(near)}?"),
        tuple(Button(name, with_name(line, unknown.word, name)) for name in near),
    )


def with_name(line: str, word: str, name: str) -> str:
    """The line with the name where the word first is, however that is written."""
    whole_word = rf"(?<!\S){re.escape(word)}(?!\S)"
    return re.sub(whole_word, lambda _: name, line, count=1, flags=re.IGNORECASE)


def unknown_device(asked: Asked, word: str, also: Sequence[str] = ()) -> UnknownName:
    """That no device of this person is called so. also: what else it could have been."""
    known = [*(device.device_id for device in asked.devices()), *also]
    said = f"I know no device called {word[:64]}."
    return UnknownName(word, said, known, "/devices lists them.")


def group_called(asked: Asked, selector: str) -> str:
    """The selector of a group with a device of this person. Raises UnknownName."""
    known = asked.groups_seen()
    if selector in known:
        return selector
    raise UnknownName(
        selector, f"I know no group called {selector[:64]}.", known, _groups_there_are(known)
    )


def _groups_there_are(known: Sequence[str]) -> str:
    if not known:
        return "There are none yet: fleetpulse groups set NAME DEVICE…"
    return f"There are {', '.join(known)}." if len(known) > 1 else f"There is {known[0]}."
