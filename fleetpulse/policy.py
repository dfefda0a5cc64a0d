"""Who is told of an event, when, and in how many messages: pure functions.

Two decisions, each made once. `plan` turns an event of the outbox into one delivery per chat: who,
and from when on. `messages` turns the deliveries that are due into what is said now: one message an
event, but one summary per chat of all that is old. Old is decided when it is said, so a night
without a network ends in one summary, however the deliveries came to wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from fleetpulse.alerts import AlertEvent, State
from fleetpulse.stores.protocols import Chat, Delivery, Progress, StoredEvent

OLD_MS = 10 * 60_000  # an event older than this is told as part of a summary
SUMMARY_EVERY_MS = 60_000  # summaries leave on the minute: one catch-up is one message
# Not `unknown`: that a device's state is not known is for its page, not for the night.
TOLD_STATES: frozenset[State] = frozenset(State) - {State.UNKNOWN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one message to one chat tells: one event, or a summary of old ones, oldest first."""

    target: str
    deliveries: Sequence[Delivery]  # in the order of their events
    events: Sequence[AlertEvent]
    is_summary: bool


def plan(events: Sequence[StoredEvent], chats: Sequence[Chat], now_ms: int) -> Sequence[Delivery]:
    """A waiting delivery of each event for each chat that is to hear of it.

    The same event and chat give a delivery of the same name whenever they are planned, and a store
    keeps the first: planning twice changes nothing.
    """
    return [
        Delivery(
            event_id=stored.event.event_id,
            target=chat.chat_id,
            due_at=due_at(stored.event, now_ms),
        )
        for stored in events
        for chat in chats
        if is_told(stored, chat)
    ]


def is_told(stored: StoredEvent, chat: Chat) -> bool:
    """Whether this chat hears of this event: news only, and only since it subscribed."""
    return (
        chat.active and stored.event.state in TOLD_STATES and stored.stored_at >= chat.subscribed_at
    )


def due_at(event: AlertEvent, now_ms: int) -> int:
    """From when on the event is told: at once, or, when it is old, with the next summary.

    A device's clock may be ahead; its event is due now all the same.
    """
    if is_old(event, now_ms):
        return (now_ms // SUMMARY_EVERY_MS + 1) * SUMMARY_EVERY_MS
    return min(event.at, now_ms)


def is_old(event: AlertEvent, now_ms: int) -> bool:
    """Whether the event is history rather than news."""
    return now_ms - event.at > OLD_MS


def messages(
    due: Iterable[Delivery], events: Mapping[str, AlertEvent], now_ms: int
) -> Mapping[str, Sequence[Message]]:
    """What each target is told now, in the order of saying: its summary first, then the news.

    due: waiting deliveries, all of whose events are in `events`.
    """
    by_target: dict[str, list[Delivery]] = {}
    for delivery in sorted(due, key=lambda each: _age_order(events[each.event_id])):
        by_target.setdefault(delivery.target, []).append(delivery)
    return {
        target: _messages_of(target, deliveries, events, now_ms)
        for target, deliveries in by_target.items()
    }


def _messages_of(
    target: str, deliveries: Sequence[Delivery], events: Mapping[str, AlertEvent], now_ms: int
) -> Sequence[Message]:
    old = [each for each in deliveries if is_old(events[each.event_id], now_ms)]
    news = [[each] for each in deliveries if not is_old(events[each.event_id], now_ms)]
    return [
        Message(
            target=target,
            deliveries=told,
            events=[events[each.event_id] for each in told],
            is_summary=told is old,
        )
        for told in ([old] if old else []) + news
    ]


# Within one moment an episode's own order: it is seen coming, it is here, it is over.
_STATE_ORDER = {state: place for place, state in enumerate([State.SOON, State.STRESSED])}


def _age_order(event: AlertEvent) -> tuple[int, str, str, int, int]:
    place = _STATE_ORDER.get(event.state, len(_STATE_ORDER))
    return event.at, event.device_id, event.rule, event.episode, place


def sent(message: Message, message_id: str, now_ms: int) -> Sequence[Delivery]:
    """The message's deliveries once it is sent: the newest carries it, the others are folded."""
    *folded, newest = message.deliveries
    return [
        msgspec.structs.replace(
            delivery,
            progress=Progress.SENT if delivery is newest else Progress.FOLDED,
            attempts=delivery.attempts + 1,
            sent_at=now_ms,
            message_id=message_id,
            error=None,
        )
        for delivery in (newest, *folded)
    ]


def failed(message: Message, error: str) -> Sequence[Delivery]:
    """The message's deliveries once they are given up."""
    return [
        msgspec.structs.replace(
            delivery, progress=Progress.FAILED, attempts=delivery.attempts + 1, error=error
        )
        for delivery in message.deliveries
    ]


def put_off(
    message: Message, due_at: int, *, error: str | None = None, tried: bool = False
) -> Sequence[Delivery]:
    """The message's deliveries, waiting until `due_at`; tried: this was an attempt at it."""
    return [
        msgspec.structs.replace(
            delivery,
            due_at=max(due_at, delivery.due_at),
            attempts=delivery.attempts + tried,
            error=error or delivery.error,
        )
        for delivery in message.deliveries
    ]
