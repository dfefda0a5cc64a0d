"""Who is told of an event, when, and in how many messages: pure functions.

Two decisions, each made once. `plan` turns an event of the outbox into one delivery per chat: who,
and from when on. `messages` turns the deliveries that are due into what is said now: one message an
event, but one summary per chat of all that is old, and one group of the news of many devices. Old
and many are decided when it is said, so a night without a network ends in one summary, and a power
cut in a few messages, however the deliveries came to wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from fleetpulse.alerts import AlertEvent, State
from fleetpulse.stores.protocols import Chat, Delivery, Progress, StoredEvent

OLD_MS = 10 * 60_000  # an event older than this is told as part of a summary
SUMMARY_EVERY_MS = 60_000  # summaries leave on the minute: one catch-up is one message
# More devices than this within so short a time are told of together, and from then on what comes is
# gathered: three messages and two groups are the most that a chat gets in the first minute.
FEW_DEVICES = 3
BURST_MS = 3_000
GROUP_EVERY_MS = 30_000
# Not `unknown`: that a device's state is not known is for its page, not for the night.
TOLD_STATES: frozenset[State] = frozenset(State) - {State.UNKNOWN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one message to one chat tells: one event, a group of news, or a summary of old ones.

    Oldest first.
    """

    target: str
    deliveries: Sequence[Delivery]  # in the order of their events
    events: Sequence[AlertEvent]
    is_summary: bool = False
    is_group: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """What a target was told lately, in this process."""

    devices: Mapping[str, int] = field(default_factory=dict)  # when each one was told of last
    grouped_at: int | None = None

    def gathers(self, now_ms: int) -> bool:
        """Whether news wait for the next group."""
        return self.grouped_at is not None and 0 <= now_ms - self.grouped_at < GROUP_EVERY_MS

    def after(self, message: Message, now_ms: int) -> Recent:
        """The same once that message is sent."""
        told = {event.device_id: now_ms for event in message.events}
        known = {**self.devices, **told} if not message.is_summary else self.devices
        return Recent(
            devices={device: at for device, at in known.items() if now_ms - at < BURST_MS},
            grouped_at=now_ms if message.is_group else self.grouped_at,
        )


NOTHING_LATELY = Recent()


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
    due: Iterable[Delivery],
    events: Mapping[str, AlertEvent],
    now_ms: int,
    recent: Mapping[str, Recent] | None = None,
) -> Mapping[str, Sequence[Message]]:
    """What each target is told now, in the order of saying: its summary first, then the news.

    due: waiting deliveries, all of whose events are in `events`. recent: by target, what was said
    lately; news that are gathered just now are left out.
    """
    by_target: dict[str, list[Delivery]] = {}
    for delivery in sorted(due, key=lambda each: _age_order(events[each.event_id])):
        by_target.setdefault(delivery.target, []).append(delivery)
    return {
        target: found
        for target, deliveries in by_target.items()
        if (
            found := _messages_of(
                target, deliveries, events, now_ms, (recent or {}).get(target, NOTHING_LATELY)
            )
        )
    }


def _messages_of(
    target: str,
    deliveries: Sequence[Delivery],
    events: Mapping[str, AlertEvent],
    now_ms: int,
    recent: Recent,
) -> Sequence[Message]:
    old = [each for each in deliveries if is_old(events[each.event_id], now_ms)]
    news = [each for each in deliveries if not is_old(events[each.event_id], now_ms)]
    found = [_message(target, old, events, is_summary=True)] if old else []
    if recent.gathers(now_ms):
        return found
    lately = {device for device, at in recent.devices.items() if now_ms - at < BURST_MS}
    if len(lately | {events[each.event_id].device_id for each in news}) > FEW_DEVICES:
        return [*found, _message(target, news, events, is_group=True)] if news else found
    return found + [_message(target, [each], events) for each in news]


def _message(
    target: str,
    deliveries: Sequence[Delivery],
    events: Mapping[str, AlertEvent],
    *,
    is_summary: bool = False,
    is_group: bool = False,
) -> Message:
    return Message(
        target=target,
        deliveries=deliveries,
        events=[events[each.event_id] for each in deliveries],
        is_summary=is_summary,
        is_group=is_group,
    )


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
