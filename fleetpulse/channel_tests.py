"""Trying a channel of `fleetpulse notify`: asked for where people look, done where its URL is.

Only the notifier has the URLs of its channels. So whoever wants to see one work leaves a request in
the store; the notifier sends an example through that channel, and writes down what came of it.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from fleetpulse.errors import InvalidWish
from fleetpulse.stores.documents import Kept
from fleetpulse.stores.protocols import Store

PREFIX = "notify:"  # of the targets that are channels
ANSWER_MS = 60_000  # what is older is not sent any more: nobody waits for it


class ChannelTest(msgspec.Struct, frozen=True, kw_only=True):
    """The last time that somebody wanted to see a channel work."""

    asked_at: int  # Unix ms
    asked_by: str  # in words
    answered_at: int | None = None  # Unix ms
    problem: str | None = None  # of the answer; None: it was sent


def channel_tests(store: Store) -> Kept[ChannelTest]:
    """The tests, by the name of the channel."""
    return Kept(store.documents, "channel tests", ChannelTest)


def name_of(target: str) -> str:
    """The name of the channel that is this target. Raises InvalidWish for a chat."""
    if not target.startswith(PREFIX):
        raise InvalidWish(
            f"{target[:64]} is not a channel of fleetpulse notify: write /test there."
        )
    return target.removeprefix(PREFIX)


def ask_for(store: Store, target: str, *, asked_by: str, now_ms: int) -> ChannelTest:
    """The test of this channel: a new one, unless one is under way. Raises InvalidWish, StoreError.

    So nobody gets two examples because two people, or one twice, have pressed a button.
    """
    kept, name = channel_tests(store), name_of(target)
    before = kept.get(name)
    if before is not None and is_wanted(before, now_ms):
        return before
    asked = ChannelTest(asked_at=now_ms, asked_by=asked_by)
    kept.put(name, asked)
    return asked


def is_wanted(test: ChannelTest, now_ms: int) -> bool:
    """Whether somebody still waits for the answer."""
    return test.answered_at is None and now_ms - test.asked_at < ANSWER_MS


def wanted(store: Store, now_ms: int) -> Mapping[str, ChannelTest]:
    """The tests for which somebody waits, by the name of the channel. Raises StoreError."""
    found = channel_tests(store).all()
    return {name: test for name, test in found.items() if is_wanted(test, now_ms)}


def answer(store: Store, name: str, test: ChannelTest, *, problem: str | None, now_ms: int) -> None:
    """Write down what came of a test, unless there is another one by now. Raises StoreError."""
    kept = channel_tests(store)
    if kept.get(name) == test:
        kept.put(name, replace(test, answered_at=now_ms, problem=problem))
