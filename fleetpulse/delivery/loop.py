"""The delivery loop: outbox -> deliveries -> messages.

1. Read what the outbox has got since we last looked: its moments grow with every save.
2. Let the policy turn it into deliveries, and store these with the position in the outbox, at once.
3. Send what is due, and record it at once. A message comes twice only when we are killed between
   the two, or when the answer to a send is lost: a lost alarm would be worse
   (docs/decisions/0004-delivery.md).
4. What fails for a while waits, and with it all of that chat, so that news stay in order; what
   fails for good ends the chat, or that message only.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol

import msgspec

from fleetpulse import policy
from fleetpulse.alerts import AlertEvent, event_id
from fleetpulse.clock import Clock
from fleetpulse.delivery import trends
from fleetpulse.delivery.measures import Measures
from fleetpulse.delivery.messages import (
    PHRASES,
    Post,
    alert_post,
    group_post,
    has_chart,
    summary_post,
)
from fleetpulse.errors import NotifyError, StoreBusy, StoreError
from fleetpulse.health import Health
from fleetpulse.metrics import DeliveryMetrics
from fleetpulse.stores.protocols import Chat, Delivery, Progress, Store
from fleetpulse.watch import Watch

WHENEVER = 2**62  # Unix ms: deliveries that are due at any time
LAST_TRIES = 5  # to record, half a second apart, when we are to stop
FIRST_MS = 60_000  # what is stored while everything starts is for the first start's chats too
PAGE_EVENTS = 1000
CHARTS_AT_ONCE = 5  # a fleet in trouble gets its words first
MESSAGES_A_ROUND = 10  # for one chat; then the others, and the outbox, have their turn
CHATS_AT_ONCE = 4
FIRST_RETRY_S = 2.0
LONGEST_RETRY_S = 60.0

log = logging.getLogger(__name__)

Chart = Callable[[Store, AlertEvent], bytes | None]


class Sender(Protocol):
    """Puts a post where it is to go: into a chat, or through a channel."""

    def send(self, where: str, post: Post) -> str:
        """Send, and return the message's id.

        where: the target without its kind: a chat's id, a channel's name.

        Raises NotifyError: `permanent` when it can never be reached, else with
        `retry_after_s` when that is known.
        """


class Delivering:
    """Where one process stands in delivering: what it has planned, and whom it must let wait.

    kind: of the targets that are ours, which are called `<kind>:<where>`; listed: those that may be
    told; chart: draws an event, or gives None; watch, health,
    metrics: where it says how it is; moved: filled in with the targets that became others.
    """

    def __init__(
        self,
        *,
        kind: str,
        store: Store,
        sender: Sender,
        clock: Clock,
        chart: Chart,
        listed: Sequence[str],
        watch: Watch,
        health: Health,
        metrics: DeliveryMetrics,
        moved: dict[str, str] | None = None,
    ) -> None:
        self._kind, self._prefix = kind, f"{kind}:"
        self._store = store
        self._watch = watch
        self._health = health
        self._measures = Measures(metrics)
        self._listed = listed
        self._sender = sender
        self._clock = clock
        self._chart = chart
        self._position: int | None = None  # in the outbox, once we have begun
        self._held: dict[str, int] = {}  # target -> until when it waits
        self._recent: dict[str, policy.Recent] = {}  # by target, what it was told lately
        # Where a group is that has become another: found out anew by each process, so that a target
        # keeps its name in the store, and nothing that waits can be lost on the way.
        self._moved: dict[str, str] = {} if moved is None else moved
        self._stop = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Deliver until `stop` is set; a store that fails is waited for."""
        self._stop = stop
        while not stop.is_set():
            pause_s = self._store.look_every_s
            try:
                self.step()
            except StoreError as problem:
                pause_s = problem.retry_after_s if isinstance(problem, StoreBusy) else 2.0
                self._health.report("store", str(problem))
            else:
                self._health.report("store", None)
            self._clock.wait(pause_s, stop)

    def step(self) -> None:
        """One round: say that we are alive, plan what is new, send what is due."""
        self._watch.look()
        self.plan_new()
        self.send_due()
        self._count()

    def _count(self) -> None:
        now = self._clock.now_ms()
        waiting = sum(until > now for until in self._held.values())
        self._measures.queue(now, lambda: len(self._due(WHENEVER)), waiting)

    # -- planning

    def plan_new(self) -> None:
        """Turn the events of the outbox that are new into deliveries."""
        now = self._clock.now_ms()
        if self._position is None:
            self._position = self._begin(now)
        while page := self._store.alerts.stored_since(self._position + 1, limit=PAGE_EVENTS):
            position = page[-1].stored_at
            self._store.deliveries.plan(self._kind, policy.plan(page, self._chats(), now), position)
            self._position = position
            self._measures.planned(page)

    def _begin(self, now: int) -> int:
        """Where the last process stopped; in a new store here, for its past is not ours to tell."""
        follow_only(self._store, self._prefix, self._listed, now)
        position = self._store.deliveries.position(self._kind)
        if position == 0:
            position = now - FIRST_MS
            self._store.deliveries.plan(self._kind, [], position)
        return position

    def _chats(self) -> Sequence[Chat]:
        return [
            chat for chat in self._store.chats.active() if chat.chat_id.startswith(self._prefix)
        ]

    # -- sending

    def send_due(self) -> None:
        """Send what is due: to several chats at a time, to each in the order of events."""
        now = self._clock.now_ms()
        due = [each for each in self._due(now) if not self._gathers(each.target, now)]
        if not due:
            return
        events = self._events_of(due)
        told = [delivery for delivery in due if delivery.event_id in events]
        by_target = policy.messages(told, events, now, self._recent)
        posts = Posts(self._store, self._chart, by_target, now)
        with ThreadPoolExecutor(CHATS_AT_ONCE, thread_name_prefix="chat") as chats:
            list(chats.map(lambda target: self._tell(by_target[target], posts), by_target))

    def _gathers(self, target: str, now: int) -> bool:
        return self._recent.get(target, policy.NOTHING_LATELY).gathers(now)

    def _due(self, now: int) -> Sequence[Delivery]:
        """All that are due: a summary must know all of what it sums up."""
        limit = PAGE_EVENTS
        while len(due := self._store.deliveries.due(self._prefix, now, limit=limit)) == limit:
            limit *= 4
        return due

    def _events_of(self, due: Sequence[Delivery]) -> dict[str, AlertEvent]:
        events: dict[str, AlertEvent] = {}
        for delivery in due:
            found = events.get(delivery.event_id) or self._store.alerts.event(delivery.event_id)
            if found is not None:
                events[delivery.event_id] = found
            else:
                self._record([_given_up(delivery, "the event is no longer stored")])
        return events

    def _tell(self, messages: Sequence[policy.Message], posts: Posts) -> None:
        """Send one chat's messages until all are sent or it must wait."""
        target = messages[0].target
        for place, message in enumerate(messages[:MESSAGES_A_ROUND]):
            if self._stop.is_set():
                return
            self._watch.look()  # a chat may be slow, and we alive
            now = self._clock.now_ms()
            if now < self._held.get(target, 0):
                self._put_off(messages[place:], self._held[target])
                return
            if not self._is_active(target):
                self._record(policy.failed(message, "the chat is not active"))
                continue
            post = self._post_of(message, posts)
            if post is None:
                continue
            try:
                where = self._moved.get(target, target)
                message_id = self._sender.send(where.removeprefix(self._prefix), post)
            except NotifyError as problem:
                self._not_sent(messages[place:], problem)
                if not problem.permanent or problem.moved_to is not None:
                    return
            else:
                now = self._clock.now_ms()
                self._measures.sent(message, now)
                lately = self._recent.get(target, policy.NOTHING_LATELY)
                self._recent[target] = lately.after(message, now)
                self._record(policy.sent(message, message_id, now))

    def _post_of(self, message: policy.Message, posts: Posts) -> Post | None:
        try:
            return posts.of(message)
        except StoreError:
            raise
        except Exception:  # an event that cannot be told must not silence all that come after it
            log.exception("event given up", extra={"event_id": message.events[-1].event_id})
            self._record(policy.failed(message, "its text could not be made"))
            return None

    def _is_active(self, target: str) -> bool:
        chat = self._store.chats.get(target)
        return chat is not None and chat.active

    def _not_sent(self, messages: Sequence[policy.Message], problem: NotifyError) -> None:
        message, later = messages[0], messages[1:]
        if problem.moved_to is not None:
            log.warning(
                "chat moved: put its new id into FLEETPULSE_TELEGRAM_CHATS",
                extra={"target": message.target, "moved_to": problem.moved_to},
            )
            self._moved[message.target] = f"{self._prefix}{problem.moved_to}"
            return  # nothing is recorded: the next round finds it there
        self._measures.not_sent(for_good=problem.permanent)
        if problem.permanent:
            log.error(
                "message given up" if problem.only_message else "chat given up",
                extra={"target": message.target, "problem": str(problem)},
            )
            self._record(policy.failed(message, str(problem)))
            if not problem.only_message:
                self._end(message.target)
            return
        wait_s = problem.retry_after_s
        if wait_s is None:
            attempts = message.deliveries[-1].attempts
            wait_s = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** min(attempts, 10))
        until = self._clock.now_ms() + round(wait_s * 1000)
        log.warning(
            "chat waits",
            extra={"target": message.target, "wait_s": wait_s, "problem": str(problem)},
        )
        self._held[message.target] = until
        self._record(policy.put_off(message, until, error=str(problem), tried=True))
        self._put_off(later, until)

    def _put_off(self, messages: Sequence[policy.Message], until: int) -> None:
        for message in messages:
            self._record(policy.put_off(message, until))

    def _end(self, target: str) -> None:
        chat = self._store.chats.get(target)
        if chat is not None:
            self._store.chats.put(msgspec.structs.replace(chat, active=False))

    def _record(self, deliveries: Sequence[Delivery]) -> None:
        """Store them, however long the store takes: what is sent must not be sent again."""
        tries_left = LAST_TRIES
        for delivery in deliveries:
            while not self._recorded(delivery):
                if self._clock.wait(1.0, self._stop):
                    tries_left -= 1
                    if tries_left == 0:
                        return
                    self._clock.wait(0.5, threading.Event())

    def _recorded(self, delivery: Delivery) -> bool:
        try:
            self._store.deliveries.update(delivery)
        except StoreError as problem:
            log.warning(
                "delivery not recorded yet",
                extra={"event_id": delivery.event_id, "problem": str(problem)},
            )
            return False
        return True


class Posts:
    """What the messages of one round look like; each is made once, for however many chats."""

    def __init__(
        self,
        store: Store,
        chart: Chart,
        by_target: Mapping[str, Sequence[policy.Message]],
        now_ms: int,
    ) -> None:
        self._store = store
        self._chart = chart
        self._now_ms = now_ms
        self._lock = threading.Lock()
        self._made: dict[str, Post] = {}
        charted = {
            message.events[0].event_id
            for messages in by_target.values()
            for message in messages
            if not (message.is_summary or message.is_group) and has_chart(message.events[0])
        }
        self._draws = len(charted) <= CHARTS_AT_ONCE

    def of(self, message: policy.Message) -> Post:
        """The post that says it."""
        if message.is_summary:
            return summary_post(message.events, self._now_ms)
        if message.is_group:
            return group_post(message.events)
        event = message.events[0]
        with self._lock:
            if event.event_id not in self._made:
                self._made[event.event_id] = self._post(event)
            return self._made[event.event_id]

    def _post(self, event: AlertEvent) -> Post:
        post = alert_post(event, self._began(event), self._now_ms)
        post = replace(post, text="\n".join([post.text, *trends.about_event(self._store, event)]))
        if not has_chart(event) or not self._draws:
            return post
        return replace(post, photo=self._picture(event))

    def _picture(self, event: AlertEvent) -> bytes | None:
        try:
            return self._chart(self._store, event)
        except Exception:  # whatever it is, a broken chart must not cost the warning its words
            log.exception("event sent without its chart", extra={"event_id": event.event_id})
            return None

    def _began(self, event: AlertEvent) -> AlertEvent | None:
        ends = PHRASES[event.state].ends
        if ends is None:
            return None
        name = event_id(event.device_id, event.rule, event.episode, ends)
        return self._store.alerts.event(name)


def _given_up(delivery: Delivery, error: str) -> Delivery:
    return msgspec.structs.replace(delivery, progress=Progress.FAILED, error=error)


def follow(store: Store, target: str, title: str, now_ms: int) -> None:
    """Tell this chat of everything that is stored from now on; one that is told already is kept."""
    chat = store.chats.get(target)
    if chat is None or not chat.active:
        store.chats.put(Chat(chat_id=target, title=title, subscribed_at=now_ms))
    elif title and title != chat.title:
        store.chats.put(msgspec.structs.replace(chat, title=title))


def follow_only(store: Store, prefix: str, listed: Sequence[str], now_ms: int) -> None:
    """Of the targets that begin so, tell exactly the listed ones.

    They hear of what is stored from now on, and was in the last minute.
    """
    for chat in store.chats.active():
        if chat.chat_id.startswith(prefix) and chat.chat_id not in listed:
            store.chats.put(msgspec.structs.replace(chat, active=False))
    for target in listed:
        follow(store, target, "", now_ms - FIRST_MS)
