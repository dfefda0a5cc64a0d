"""What the local Bot API does wrong when it is told to: one kind of trouble is one struct.

A trouble is met by the calls that it concerns until it has been met `times`, or `lasts_s` have
passed, or it is ended; with a `share` each such call meets it by chance.
"""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bot.simulator.calls import CHANGING, OK, REFUSED, Call, Journal
from bot.simulator.chat import LocalChat
from bot.simulator.documents import is_supergroup
from bot.simulator.limits import Limits
from bot.simulator.refusal import (
    BadRequest,
    ConnectionBroken,
    GatewayFailure,
    Refusal,
    SecondPoll,
    TooMany,
)
from fleetpulse.errors import StoreError

FLOOD = "flood"  # the outcome of a call above the real limits
TOO_EARLY = "too_early"  # of a call that comes before a `retry_after` is over
GET_UPDATES = "getUpdates"

Seconds = Annotated[float, Meta(ge=0, le=3600)]


class Trouble(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True
):
    """Which calls meet it, and for how long.

    chat_id: None: those of every chat, and where it makes sense those that name no chat.
    """

    chat_id: int | None = None
    share: Annotated[float, Meta(gt=0, le=1)] = 1.0
    times: Annotated[int, Meta(ge=1)] | None = None
    lasts_s: Annotated[float, Meta(gt=0)] | None = None

    def concerns(self, call: Call) -> bool:
        """Whether this call may meet it."""
        return self.chat_id is None or self.chat_id == call.chat_id

    def meet(self, call: Call) -> Any:
        """What becomes of the call: its result, or an exception that says how it fails."""
        raise NotImplementedError

    @property
    def kind(self) -> str:
        """The name that it has in JSON, and as an outcome."""
        return str(self.__struct_config__.tag)


class TooManyRequests(Trouble, tag="too_many_requests", frozen=True, kw_only=True):
    """429: until `retry_after_s` have passed every call for the chat is refused."""

    retry_after_s: Annotated[int, Meta(ge=1, le=3600)] = 5

    def concerns(self, call: Call) -> bool:
        return call.chat_id is not None and super().concerns(call)

    def meet(self, call: Call) -> Any:
        raise TooMany(self.retry_after_s)


class Forbidden(Trouble, tag="forbidden", frozen=True, kw_only=True):
    """403: a person has blocked the bot, a group has put it out."""

    def concerns(self, call: Call) -> bool:
        return call.chat_id is not None and super().concerns(call)

    def meet(self, call: Call) -> Any:
        chat_id = call.chat_id or 0
        group = "supergroup" if is_supergroup(chat_id) else "group"
        by = "blocked by the user" if chat_id > 0 else f"kicked from the {group} chat"
        raise Refusal(403, f"Forbidden: bot was {by}")


class Migrated(Trouble, tag="migrated", frozen=True, kw_only=True):
    """400: a group has become a supergroup with another id, under which it is found from now on."""

    chat_id: int
    to: int

    def meet(self, call: Call) -> Any:
        raise BadRequest(
            "group chat was upgraded to a supergroup chat", {"migrate_to_chat_id": self.to}
        )


class SecondPoller(Trouble, tag="second_poller", frozen=True, kw_only=True):
    """409 to getUpdates: another process polls with the same token."""

    def concerns(self, call: Call) -> bool:
        return call.method == GET_UPDATES

    def meet(self, call: Call) -> Any:
        raise SecondPoll


class BadGateway(Trouble, tag="bad_gateway", frozen=True, kw_only=True):
    """5xx with HTML: the call did not get as far as the Bot API."""

    code: Literal[500, 502, 503, 504] = 502

    def meet(self, call: Call) -> Any:
        raise GatewayFailure(self.code)


class CallLost(Trouble, tag="call_lost", frozen=True, kw_only=True):
    """Nothing is done, and after `after_s` the connection breaks."""

    after_s: Seconds = 0.0

    def meet(self, call: Call) -> Any:
        call.wait(self.after_s)
        raise ConnectionBroken


class AnswerLost(Trouble, tag="answer_lost", frozen=True, kw_only=True):
    """All is done, and after `after_s` the connection breaks, without an answer."""

    after_s: Seconds = 0.0

    def meet(self, call: Call) -> Any:
        call.take()
        call.wait(self.after_s)
        raise ConnectionBroken


class Slow(Trouble, tag="slow", frozen=True, kw_only=True):
    """All is done at once, and the answer comes `seconds` later; who hangs up does not get it."""

    seconds: Seconds

    def meet(self, call: Call) -> Any:
        result = call.take()
        call.wait(self.seconds)
        if not call.is_heard():
            raise ConnectionBroken
        return result


AnyTrouble = (
    TooManyRequests
    | Forbidden
    | Migrated
    | SecondPoller
    | BadGateway
    | CallLost
    | AnswerLost
    | Slow
)


class Orders(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is to go wrong. limits: keep to Telegram's real ones; seed: of what is by chance."""

    troubles: Sequence[AnyTrouble] = ()
    limits: bool = False
    seed: int = 0


@dataclass(slots=True)
class _Order:
    """One trouble, and how much of it is left."""

    trouble: AnyTrouble
    times_left: int | None
    until: int | None  # Unix ms

    def is_over(self, now: int) -> bool:
        return self.times_left == 0 or (self.until is not None and now >= self.until)

    def left(self, now: int) -> AnyTrouble:
        """The trouble that is still to come."""
        lasts_s = None if self.until is None else (self.until - now) / 1000
        return msgspec.structs.replace(self.trouble, times=self.times_left, lasts_s=lasts_s)


class Troubles:
    """What goes wrong just now at the Bot API of a chat, and what became of every call."""

    def __init__(self, chat: LocalChat) -> None:
        self.journal = Journal()
        self._chat = chat
        self._lock = threading.Lock()
        self._orders: list[_Order] = []
        self._closed_until: dict[int, int] = {}  # chat -> when its `retry_after` is over
        self._limits: Limits | None = None
        self._seed = 0
        self._chance = random.Random(0)  # noqa: S311 - it guards nothing

    def replace(self, orders: Orders) -> None:
        """From now on exactly this goes wrong."""
        self.end()
        with self._lock:
            self._seed = orders.seed
            self._chance = random.Random(orders.seed)  # noqa: S311 - it guards nothing
            self._limits = Limits() if orders.limits else None
        self.add(*orders.troubles)

    def add(self, *troubles: AnyTrouble) -> None:
        """From now on this goes wrong too; of several the first one is met."""
        now = self._chat.clock.now_ms()
        for trouble in troubles:
            if isinstance(trouble, Migrated):
                self._chat.add_chat(trouble.to)
            lasts_s = trouble.lasts_s
            until = None if lasts_s is None else now + round(lasts_s * 1000)
            with self._lock:
                self._orders.append(_Order(trouble, trouble.times, until))

    def end(self) -> None:
        """From now on nothing goes wrong; what became of calls is still known."""
        with self._lock:
            self._orders.clear()
            self._closed_until.clear()
            self._limits = None

    def now(self) -> Orders:
        """What is still to go wrong."""
        now = self._chat.clock.now_ms()
        with self._lock:
            self._forget(now)
            left = [order.left(now) for order in self._orders]
            return Orders(troubles=left, limits=self._limits is not None, seed=self._seed)

    def answer(self, call: Call) -> Any:
        """The result of a call, or what it meets instead, as an exception; either is recorded."""
        at = self._chat.clock.now_ms()
        result, is_answered = None, True

        def take() -> Any:
            nonlocal result
            result = call.take()
            return result

        outcome, meet = self._fate(call, at)
        try:
            return meet(replace(call, take=take))
        except ConnectionBroken:
            is_answered = False
            raise
        except (Refusal, StoreError):
            outcome = REFUSED if outcome == OK else outcome
            raise
        finally:
            self.journal.add(call, at, result, outcome, is_answered=is_answered)

    def _fate(self, call: Call, now: int) -> tuple[str, Callable[[Call], Any]]:
        """What the call is to meet: its name, and what it does."""
        with self._lock:
            chat_id = call.chat_id
            if chat_id is not None and (wait_ms := self._closed_until.get(chat_id, 0) - now) > 0:
                return TOO_EARLY, _too_many(wait_ms)
            trouble = self._met(call, now)
            if trouble is not None:
                if isinstance(trouble, TooManyRequests) and chat_id is not None:
                    self._closed_until[chat_id] = now + trouble.retry_after_s * 1000
                return trouble.kind, trouble.meet
            if self._limits is not None and chat_id is not None and call.method in CHANGING:
                wait_ms = self._limits.take(chat_id, now)
                if wait_ms > 0:
                    return FLOOD, _too_many(wait_ms)
        return OK, lambda taken: taken.take()

    def _met(self, call: Call, now: int) -> AnyTrouble | None:
        self._forget(now)
        for order in self._orders:
            trouble = order.trouble
            if not trouble.concerns(call):
                continue
            if trouble.share < 1 and self._chance.random() >= trouble.share:
                continue
            if order.times_left is not None:
                order.times_left -= 1
            return trouble
        return None

    def _forget(self, now: int) -> None:
        self._orders = [order for order in self._orders if not order.is_over(now)]


def _too_many(wait_ms: int) -> Callable[[Call], Any]:
    def refuse(_call: Call) -> Any:
        raise TooMany(math.ceil(wait_ms / 1000))

    return refuse
