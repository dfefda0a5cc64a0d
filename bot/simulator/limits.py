"""How much a bot may send: https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most so many messages within any such span."""

    most: int
    within_s: int


OVERALL = Limit(most=30, within_s=1)
# One a second, but "short bursts that go over this limit" are let through. How long they may be is
# not said; five is what this server takes.
PRIVATE = Limit(most=5, within_s=5)
GROUP = Limit(most=20, within_s=60)


@dataclass(slots=True)
class Window:
    """When the newest messages under one limit came, Unix ms."""

    limit: Limit
    taken_at: deque[int] = field(default_factory=deque)

    def wait_ms(self, now: int) -> int:
        """For how long no other one is taken; 0: one is taken now."""
        span_ms = self.limit.within_s * 1000
        while self.taken_at and now - self.taken_at[0] >= span_ms:
            self.taken_at.popleft()
        if len(self.taken_at) < self.limit.most:
            return 0
        return self.taken_at[0] + span_ms - now


class Limits:
    """What all chats and each one have taken lately."""

    def __init__(self) -> None:
        self._overall = Window(OVERALL)
        self._chats: dict[int, Window] = {}

    def take(self, chat_id: int, now: int) -> int:
        """Take one message for this chat, and give 0; or take none, and give the wait in ms."""
        own = self._chats.setdefault(chat_id, Window(PRIVATE if chat_id > 0 else GROUP))
        windows = (self._overall, own)
        wait_ms = max(window.wait_ms(now) for window in windows)
        if wait_ms == 0:
            for window in windows:
                window.taken_at.append(now)
        return wait_ms
