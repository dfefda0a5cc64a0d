"""One target's messages, sent one after the other, and recorded as soon as each is sent."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from msgspec.structs import replace as with_fields

from fleetpulse import policy
from fleetpulse.alerts import State
from fleetpulse.clock import Clock
from fleetpulse.delivery.measures import Measures
from fleetpulse.delivery.messages import Post
from fleetpulse.delivery.posts import Posts
from fleetpulse.errors import NotifyError, StoreError
from fleetpulse.notices import OURSELVES, Matter, Notices
from fleetpulse.policy import Thread
from fleetpulse.stores.episodes import CLOSING, alert_id_of
from fleetpulse.stores.protocols import Delivery, Device, Store
from fleetpulse.watch import Watch

LAST_TRIES = 5  # to record, half a second apart, when we are to stop
MESSAGES_A_ROUND = 10  # for one chat; then the others, and the outbox, have their turn
FIRST_RETRY_S = 2.0
LONGEST_RETRY_S = 60.0
REMINDER = "r"  # before the id of a message that said that it lasts

log = logging.getLogger(__name__)


class Sender(Protocol):
    """Puts a post where it is to go: into a chat, or through a channel.

    `where` is a target without its kind: a chat's id, a channel's name. Both calls raise
    NotifyError: `permanent` when it can never be reached, else with `retry_after_s` when that is
    known.
    """

    @property
    def can_edit(self) -> bool:
        """Whether what was sent can be changed and answered."""

    def pause_s(self, where: str) -> float:
        """How long this target wants to rest after a message."""

    def send(self, where: str, post: Post) -> str:
        """Send, and return the message's id."""

    def edit(self, where: str, message_id: str, post: Post) -> bool:
        """Change a message; False: it is not there any more. The same again changes nothing."""


class Teller:
    """The sending end, for any number of targets at a time, each of them in one thread at a time.

    moved: filled in with the targets that became others.
    """

    def __init__(
        self,
        *,
        prefix: str,
        store: Store,
        sender: Sender,
        clock: Clock,
        watch: Watch,
        measures: Measures,
        moved: dict[str, str],
    ) -> None:
        self._prefix = prefix
        self._store = store
        self._sender = sender
        self._clock = clock
        self._watch = watch
        self._measures = measures
        self._notices = Notices(store, clock)
        # Where a group is that has become another: found out anew by each process, so that a target
        # keeps its name in the store, and nothing that waits can be lost on the way.
        self._moved = moved
        self.stop = threading.Event()  # begin no more
        self._held: dict[str, int] = {}  # target -> until when it waits
        self._rests: dict[str, int] = {}  # target -> until when it rests after a message
        self.recent: dict[str, policy.Recent] = {}  # by target, what it was told lately

    def waiting(self, now: int) -> int:
        """How many targets take no messages just now."""
        return sum(until > now for until in list(self._held.values()))

    def rests(self, target: str, now: int) -> bool:
        """Whether a target was told something so lately that it should not be told more."""
        return now < self._rests.get(target, 0)

    def tell(
        self,
        messages: Sequence[policy.Message],
        posts: Posts,
        wishes: policy.Wishes,
        threads: Mapping[tuple[str, str], Thread],
    ) -> None:
        """Send one target's messages until all are sent or it must wait. Raises StoreError."""
        target = messages[0].target
        known = dict(threads)
        for place, message in enumerate(messages[:MESSAGES_A_ROUND]):
            if self.stop.is_set():
                return
            self._watch.look()  # a chat may be slow, and we alive
            now = self._clock.now_ms()
            if now < self._held.get(target, 0):
                self._put_off(messages[place:], self._held[target])
                return
            if not self._is_active(target):
                self.record(policy.failed(message, "the chat is not active"))
                continue
            post = self._post_of(message, posts)
            if post is None:
                continue
            try:
                message_id = self._say(message, post, posts, known)
            except NotifyError as problem:
                self._not_sent(messages[place:], problem)
                if not problem.permanent or problem.moved_to is not None:
                    return
            else:
                self._note(message, message_id, wishes)
                if message.is_single:
                    before = known.get(_thread_key(message), Thread())
                    state = message.events[-1].state
                    known[_thread_key(message)] = before.after(message_id, state)
                if self.rests(target, self._clock.now_ms()):
                    return

    def _say(
        self,
        message: policy.Message,
        post: Post,
        posts: Posts,
        threads: Mapping[tuple[str, str], Thread],
    ) -> str:
        """Send it, or change what the target has.

        Gives the ids of the messages that tell of the alert, with blanks between: the first one,
        the answer to it when it got worse, and the last one that said that it lasts.
        """
        where = self._moved.get(message.target, message.target).removeprefix(self._prefix)
        thread = threads.get(_thread_key(message), Thread()) if message.is_single else Thread()
        if not self._sender.can_edit or not thread.told:
            return self._sender.send(where, post)
        first = thread.told[0][0]
        if message.is_repeated:
            answer = self._sender.send(where, replace(post, reply_to=first))
            kept = [each for each, _ in thread.told if not each.startswith(REMINDER)]
            return " ".join([*kept, f"{REMINDER}{answer}"])
        event = message.events[-1]
        is_there = [
            self._sender.edit(where, each.removeprefix(REMINDER), posts.changed(event, state))
            for each, state in thread.told
        ]
        ids = str(thread.message_id)
        if event.state is State.ACKNOWLEDGED or (event.state in CLOSING and any(is_there)):
            return ids
        # It got worse, and a change would make no sound; or there was nothing left to change.
        if not is_there[0]:
            return self._sender.send(where, post)
        return f"{ids} {self._sender.send(where, replace(post, reply_to=first))}"

    def _note(self, message: policy.Message, message_id: str, wishes: policy.Wishes) -> None:
        """Remember that a message was sent, and record it."""
        now, target = self._clock.now_ms(), message.target
        self._measures.sent(message, now)
        lately = self.recent.get(target, policy.NOTHING_LATELY)
        self.recent[target] = lately.after(message, now)
        pause_s = self._sender.pause_s(target.removeprefix(self._prefix))
        self._rests[target] = now + round(1000 * pause_s)
        reader = wishes.readers.get(target)
        repeat_s = 0 if reader is None else reader.preferences.repeat_s
        self.record(policy.sent(message, message_id, now, repeat_s=repeat_s))

    def _post_of(self, message: policy.Message, posts: Posts) -> Post | None:
        try:
            return posts.of(message)
        except StoreError:
            raise
        except Exception:  # an event that cannot be told must not silence all that come after it
            log.exception("event given up", extra={"event_id": message.events[-1].event_id})
            self.record(policy.failed(message, "its text could not be made"))
            return None

    def _is_active(self, target: str) -> bool:
        chat = self._store.chats.get(target)
        return chat is not None and chat.active

    # -- what was refused

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
            self.record(policy.failed(message, str(problem)))
            if not problem.only_message:
                self._end(message.target, problem)
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
        self.record(policy.put_off(message, until, error=str(problem), tried=True))
        self._put_off(later, until)

    def _put_off(self, messages: Sequence[policy.Message], until: int) -> None:
        for message in messages:
            self.record(policy.put_off(message, until))

    def _end(self, target: str, problem: NotifyError) -> None:
        """Tell this target no more, and the owners of others why."""
        chat = self._store.chats.get(target)
        if chat is None or not chat.active:
            return
        self._store.chats.put(with_fields(chat, active=False))
        sentence = (
            f"{chat.title or target} can no longer be reached ({problem}), and is told nothing"
            " until somebody writes to the bot there."
        )
        self._notices.report(Matter.CHAT_LOST, sentence, lost_chat(target))

    # -- recording

    def record(self, deliveries: Sequence[Delivery]) -> None:
        """Store them, however long the store takes: what is sent must not be sent again."""
        tries_left = LAST_TRIES
        for delivery in deliveries:
            while not self._recorded(delivery):
                if self._clock.wait(1.0, self.stop):
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


def lost_chat(target: str) -> Device:
    """What the notice about a chat that cannot be reached is about."""
    return Device(device_id=target, kind=OURSELVES, first_seen_at=0)


def _thread_key(message: policy.Message) -> tuple[str, str]:
    return alert_id_of(message.events[-1]), message.target
