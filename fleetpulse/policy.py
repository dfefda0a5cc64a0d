"""Who is told of an event, when, and in how many messages: pure functions.

Three decisions. `plan` turns an event of the outbox into one delivery per chat: who. `held_until`
says from when on, by snoozes and quiet hours. `messages` turns the deliveries that are due into
what is said now: one message an alert, which is changed as the alert changes; but one summary per
chat of all that is old, and one group of the news of many devices. Old and many are decided when it
is said, so a night without a network ends in one summary, and a power cut in a few messages,
however the deliveries came to wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from fleetpulse.alerts import AlertEvent, State
from fleetpulse.notices import OURSELVES
from fleetpulse.people import (
    Groups,
    Person,
    Preferences,
    Role,
    Snooze,
    is_at_least,
    owns,
    quiet_until,
    snoozed_until,
    wants,
)
from fleetpulse.stores.episodes import CLOSING, alert_id_of
from fleetpulse.stores.protocols import Alert, Chat, Delivery, Progress, StoredEvent

OLD_MS = 10 * 60_000  # an event older than this is told as part of a summary
SUMMARY_EVERY_MS = 60_000  # summaries leave on the minute: one catch-up is one message
# More devices than this within so short a time are told of together, and from then on what comes is
# gathered: three messages and two groups are the most that a chat gets in the first minute.
FEW_DEVICES = 3
BURST_MS = 3_000
GROUP_EVERY_MS = 30_000
# Not `unknown`: that a device's state is not known is for its page, not for the night.
TOLD_STATES: frozenset[State] = frozenset(State) - {State.UNKNOWN}
# What is of interest only where it is known what it follows.
FOLLOWING: frozenset[State] = CLOSING | {State.ACKNOWLEDGED}
# What is told again until somebody has seen it.
INSISTENT: frozenset[State] = frozenset({State.STRESSED, State.OFFLINE})
SNOOZED, QUIET = "snoozed", "quiet"  # why a delivery waits
AMONG = "in "  # before the id of a message that told of others too

NOBODY_SPECIAL = Preferences()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A chat or channel that may be told, whose it is, and what it wants to hear."""

    chat: Chat
    person: Person | None  # None: of somebody who is no more
    preferences: Preferences = NOBODY_SPECIAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What people have decided, as it is now."""

    readers: Mapping[str, Reader]  # by target
    groups: Groups = field(default_factory=dict)
    snoozes: Mapping[str, Snooze] = field(default_factory=dict)  # by selector


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """What a target has been told of an alert: its messages, oldest first, and what each told."""

    told: tuple[tuple[str, State], ...] = ()  # id, the state that it told when it was sent

    @property
    def message_id(self) -> str | None:
        """The ids as a delivery keeps them, with blanks between; None: there is no message."""
        return " ".join(message_id for message_id, _ in self.told) or None

    def after(self, message_ids: str, state: State) -> Thread:
        """The same once something was told by the messages with these ids, new ones among them."""
        before = dict(self.told)
        return Thread(told=tuple((each, before.get(each, state)) for each in message_ids.split()))


Threads = Mapping[tuple[str, str], Thread]  # by alert_id and target


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one message to one chat tells: one event, a group of news, or a summary of old ones.

    Oldest first. is_change: it changes what was told already, in silence.
    """

    target: str
    deliveries: Sequence[Delivery]  # in the order of their events
    events: Sequence[AlertEvent]
    is_summary: bool = False
    is_group: bool = False
    is_change: bool = False

    @property
    def is_single(self) -> bool:
        """Whether it tells one event, and so may be changed or answered as the alert goes on."""
        return not (self.is_summary or self.is_group)

    @property
    def is_repeated(self) -> bool:
        """Whether it says of one alert that it lasts."""
        return self.is_single and self.says_again

    @property
    def says_again(self) -> bool:
        """Whether all that it tells is known already, and lasts."""
        return all(is_repeated(each) for each in self.deliveries)


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
        is_news = not (message.is_summary or message.is_change)
        known = {**self.devices, **told} if is_news else self.devices
        return Recent(
            devices={device: at for device, at in known.items() if now_ms - at < BURST_MS},
            grouped_at=now_ms if message.is_group else self.grouped_at,
        )


NOTHING_LATELY = Recent()


def plan(events: Sequence[StoredEvent], wishes: Wishes, now_ms: int) -> Sequence[Delivery]:
    """A waiting delivery of each event for each reader that is to hear of it.

    The same event and chat give a delivery of the same name whenever they are planned, and a store
    keeps the first: planning twice changes nothing.
    """
    return [
        Delivery(
            event_id=stored.event.event_id,
            target=target,
            due_at=due_at(stored.event, now_ms),
        )
        for stored in events
        for target, reader in wishes.readers.items()
        if is_told(stored, reader, wishes.groups)
    ]


def is_told(stored: StoredEvent, reader: Reader, groups: Groups) -> bool:
    """Whether this reader hears of this event: news only, its own, and only since it subscribed."""
    event, chat = stored.event, reader.chat
    if not chat.active or event.state not in TOLD_STATES or stored.stored_at < chat.subscribed_at:
        return False
    # How something ended changes what was told of it, whatever the reader wants to hear by now.
    return event.state in FOLLOWING or concerns(event, reader, groups)


def concerns(event: AlertEvent, reader: Reader, groups: Groups) -> bool:
    """Whether an event is about what this reader owns, and wants to hear of.

    What fleetpulse says of itself is for owners. How severe an alert is counts where it opens or
    gets worse: who was told of that hears of its end too.
    """
    person, preferences = reader.person, reader.preferences
    if person is None:
        return False
    is_severe = is_at_least(event.severity, preferences.severity) or event.state in FOLLOWING
    if event.kind == OURSELVES:
        return preferences.hears and person.role is Role.OWNER and is_severe
    if not owns(person, event.device_id, event.kind, groups):
        return False
    return is_severe and wants(preferences, event, groups)


def held_until(event: AlertEvent, reader: Reader, wishes: Wishes, now_ms: int) -> Held | None:
    """Until when an event is not to be told to this reader, and why; None: it is told now."""
    snoozed = snoozed_until(event, wishes.snoozes, wishes.groups, now_ms)
    if snoozed is not None:
        return Held(until=snoozed, is_snoozed=True)
    quiet = reader.preferences.quiet
    ends = None if quiet is None else quiet_until(quiet, event.severity, now_ms)
    return None if ends is None else Held(until=ends, is_snoozed=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Until when something is not told, Unix ms; a snooze, or quiet hours."""

    until: int
    is_snoozed: bool


def own_message(delivery: Delivery) -> str | None:
    """The message that told this alone, and may be changed or answered."""
    told = delivery.message_id
    return None if told is None or told.startswith(AMONG) else told


def is_repeated(delivery: Delivery) -> bool:
    """Whether this is to say what lasts: again, or for the first time after a snooze."""
    return delivery.sent_at is not None or delivery.error == SNOOZED


def told_again_at(delivery: Delivery, reader: Reader) -> int | None:
    """When what was told before is due again, Unix ms; None: never."""
    repeat_s = reader.preferences.repeat_s
    if delivery.sent_at is None or repeat_s == 0:
        return None
    return delivery.sent_at + 1000 * repeat_s


def still_matters(event: AlertEvent, alert: Alert | None) -> bool:
    """Whether what lasts is to be said: the alert stands where it stood, and nobody has seen it."""
    if alert is None or alert.closed_at is not None or alert.acknowledged_at is not None:
        return False
    return alert.state is event.state


def is_moot(delivery: Delivery, event: AlertEvent, threads: Threads) -> bool:
    """Whether an event has nothing to follow here, and so is not told."""
    if event.state not in FOLLOWING:
        return False
    thread = threads.get((alert_id_of(event), delivery.target))
    if event.state is State.ACKNOWLEDGED:
        return thread is None or thread.message_id is None
    return thread is None


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


def is_history(delivery: Delivery, event: AlertEvent, now_ms: int) -> bool:
    """Whether it is told in the summary: it is old, or was kept for the end of quiet hours."""
    if is_repeated(delivery):
        return False
    return is_old(event, now_ms) or delivery.error == QUIET


def messages(
    due: Iterable[Delivery],
    events: Mapping[str, AlertEvent],
    now_ms: int,
    recent: Mapping[str, Recent] | None = None,
    threads: Threads | None = None,
) -> Mapping[str, Sequence[Message]]:
    """What each target is told now, in the order of saying: its summary first, then the news.

    due: waiting deliveries, all of whose events are in `events`. recent: by target, what was said
    lately; news that are gathered just now are left out. threads: the alerts that are told already;
    how they end is no news, their messages change in silence.
    """
    by_target: dict[str, list[Delivery]] = {}
    for delivery in sorted(due, key=lambda each: _age_order(events[each.event_id])):
        by_target.setdefault(delivery.target, []).append(delivery)
    return {
        target: found
        for target, deliveries in by_target.items()
        if (
            found := _messages_of(
                target,
                deliveries,
                events,
                now_ms,
                (recent or {}).get(target, NOTHING_LATELY),
                threads or {},
            )
        )
    }


def _messages_of(
    target: str,
    deliveries: Sequence[Delivery],
    events: Mapping[str, AlertEvent],
    now_ms: int,
    recent: Recent,
    threads: Threads,
) -> Sequence[Message]:
    old: list[Delivery] = []
    changes: list[Delivery] = []
    news: list[Delivery] = []
    for delivery in deliveries:
        event = events[delivery.event_id]
        thread = threads.get((alert_id_of(event), target))
        if event.state in FOLLOWING and thread is not None and thread.message_id is not None:
            changes.append(delivery)
        elif is_history(delivery, event, now_ms):
            old.append(delivery)
        else:
            news.append(delivery)
    found = [_message(target, old, events, is_summary=True)] if old else []
    silent = [_message(target, [each], events, is_change=True) for each in changes]
    if recent.gathers(now_ms):
        return found + silent
    lately = {device for device, at in recent.devices.items() if now_ms - at < BURST_MS}
    if len(lately | {events[each.event_id].device_id for each in news}) > FEW_DEVICES:
        gathered = [_message(target, news, events, is_group=True)] if news else []
        return found + gathered + silent
    return _in_order(found + [_message(target, [each], events) for each in news] + silent)


def _in_order(said: Sequence[Message]) -> Sequence[Message]:
    """Summaries, then single messages by the age of their events."""
    return sorted(said, key=lambda each: (not each.is_summary, _age_order(each.events[-1])))


def _message(
    target: str,
    deliveries: Sequence[Delivery],
    events: Mapping[str, AlertEvent],
    *,
    is_summary: bool = False,
    is_group: bool = False,
    is_change: bool = False,
) -> Message:
    return Message(
        target=target,
        deliveries=deliveries,
        events=[events[each.event_id] for each in deliveries],
        is_summary=is_summary,
        is_group=is_group,
        is_change=is_change,
    )


# Within one moment an episode's own order: it is seen coming, it is here, it is over.
_STATE_ORDER = {state: place for place, state in enumerate([State.SOON, State.STRESSED])}


def _age_order(event: AlertEvent) -> tuple[int, str, str, int, int]:
    place = _STATE_ORDER.get(event.state, len(_STATE_ORDER))
    return event.at, event.device_id, event.rule, event.episode, place


def sent(
    message: Message, message_id: str, now_ms: int, *, repeat_s: int = 0
) -> Sequence[Delivery]:
    """The message's deliveries once it is sent: the newest carries it, the others are folded.

    repeat_s: after so long what lasts is told again, so its delivery waits; 0: never.
    """
    *folded, newest = message.deliveries
    stands = {alert_id_of(event): event for event in message.events}
    lasting = {event.event_id for event in stands.values() if event.state in INSISTENT}
    return [
        _sent(
            delivery,
            Progress.SENT if delivery is newest else Progress.FOLDED,
            message_id if message.is_single else f"{AMONG}{message_id}",
            now_ms,
            repeat_s if delivery.event_id in lasting else 0,
        )
        for delivery in (newest, *folded)
    ]


def _sent(
    delivery: Delivery,
    progress: Progress,
    message_id: str,
    now_ms: int,
    repeat_s: int,
) -> Delivery:
    is_told_again = repeat_s > 0
    return msgspec.structs.replace(
        delivery,
        progress=Progress.WAITING if is_told_again else progress,
        due_at=now_ms + 1000 * repeat_s if is_told_again else delivery.due_at,
        attempts=0 if is_told_again else delivery.attempts + 1,
        sent_at=now_ms,
        message_id=message_id,
        error=None,
    )


def settled(delivery: Delivery) -> Delivery:
    """A delivery of which nothing more is to be said: told before, or never to be told."""
    was_told = delivery.sent_at is not None
    return msgspec.structs.replace(
        delivery, progress=Progress.SENT if was_told else Progress.FOLDED
    )


def failed(message: Message, error: str) -> Sequence[Delivery]:
    """The message's deliveries once they are given up."""
    return [
        msgspec.structs.replace(
            delivery, progress=Progress.FAILED, attempts=delivery.attempts + 1, error=error
        )
        for delivery in message.deliveries
    ]


def held_back(delivery: Delivery, held: Held) -> Delivery:
    """A delivery that waits for the end of a snooze or of quiet hours."""
    return msgspec.structs.replace(
        delivery, due_at=held.until, error=SNOOZED if held.is_snoozed else QUIET
    )


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
