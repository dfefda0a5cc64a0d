"""The calls that came, and what became of each: a benchmark compares them with what was sent."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

KEPT_CALLS = 10_000
OK, REFUSED = "ok", "refused"
SENDING = frozenset({"sendMessage", "sendPhoto"})
CHANGING = SENDING | {
    "editMessageText",
    "editMessageCaption",
    "editMessageReplyMarkup",
    "editMessageMedia",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call, as a trouble meets it.

    chat_id: of the chat that it names, if there is such a chat; take: does what is asked, and gives
    the result; wait: lets so many seconds pass; is_heard: whether the client still listens.
    """

    method: str
    chat_id: int | None
    take: Callable[[], Any]
    wait: Callable[[float], None]
    is_heard: Callable[[], bool]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one call."""

    number: int
    at: int  # when it came, Unix ms
    method: str
    chat_id: int | None
    outcome: str  # "ok", "refused", or the kind of trouble that it met
    is_answered: bool  # whether an answer was sent
    message_id: int | None  # of the message that it made or changed
    text: str  # of that message

    @property
    def is_sent(self) -> bool:
        """Whether it made a message."""
        return self.method in SENDING and self.message_id is not None


class Journal:
    """The newest calls, and how many there were of each method and outcome."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: deque[Record] = deque(maxlen=KEPT_CALLS)
        self._number = 0
        self._counts: dict[str, dict[str, int]] = {}
        self._answers_lost = 0

    def add(self, call: Call, at: int, result: Any, outcome: str, *, is_answered: bool) -> None:
        """Keep one. result: of what was done, None if nothing was."""
        message = result if call.method in CHANGING and isinstance(result, dict) else {}
        with self._lock:
            self._number += 1
            record = Record(
                number=self._number,
                at=at,
                method=call.method,
                chat_id=call.chat_id,
                outcome=outcome,
                is_answered=is_answered,
                message_id=message.get("message_id"),
                text=str(message.get("text") or message.get("caption") or ""),
            )
            self._records.append(record)
            outcomes = self._counts.setdefault(call.method, {})
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
            self._answers_lost += record.is_sent and not is_answered

    def records(self, *, after: int = 0) -> Sequence[Record]:
        """Calls with a greater number, in the order in which they ended."""
        with self._lock:
            return [record for record in self._records if record.number > after]

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """How many calls there were, by method and outcome."""
        with self._lock:
            return {method: dict(outcomes) for method, outcomes in self._counts.items()}

    @property
    def answers_lost(self) -> int:
        """How many messages were made whose sender never heard of it."""
        with self._lock:
            return self._answers_lost
