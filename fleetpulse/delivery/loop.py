"""The delivery loop: outbox -> deliveries -> messages.

1. Read what the outbox has got since we last looked: its moments grow with every save.
2. Let the policy turn it into deliveries, and store these with the position in the outbox, at once.
3. Send what is due, and record it at once. A message comes twice only when we are killed between
   the two, or when the answer to a send is lost: a lost alarm would be worse
   (docs/decisions/0004-delivery.md).
4. What fails for a while waits, and with it all of that chat, so that news stay in order; what
   fails for good ends the chat, or that message only. A chat that hangs has a thread of its own,
   and holds up no other.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

import msgspec

from fleetpulse import policy
from fleetpulse.alerts import AlertEvent, State, event_id
from fleetpulse.clock import Clock
from fleetpulse.delivery.measures import Measures
from fleetpulse.delivery.posts import Chart, Posts
from fleetpulse.delivery.readers import ENDLESS, follow_only, wishes_of
from fleetpulse.delivery.telling import Sender, Teller
from fleetpulse.errors import StoreBusy, StoreError
from fleetpulse.health import Health
from fleetpulse.metrics import DeliveryMetrics
from fleetpulse.policy import Thread
from fleetpulse.stores.episodes import alert_id_of
from fleetpulse.stores.protocols import Delivery, Progress, Store
from fleetpulse.watch import Watch

FIRST_MS = 60_000  # what is stored while everything starts is for the first start's chats too
PAGE_EVENTS = 1000
KNOWN_EVENTS = 10_000  # that are not read again: an event never changes
TARGETS_AT_ONCE = 64  # as many may hang and hold up nobody
ROUND_S = 1.0  # for those that are told to be done; a slow one goes on beside the next round


class Delivering:
    """Where one process stands in delivering: what it has planned, and whom it is telling.

    kind: of the targets that are ours, which are called `<kind>:<where>`; listed: those that are
    told besides those that people have paired; chart: draws an event, or gives None; watch, health,
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
        self._sender = sender
        self._clock = clock
        self._chart = chart
        self._listed = listed
        self._watch = watch
        self._health = health
        self._measures = Measures(metrics)
        self._teller = Teller(
            prefix=self._prefix,
            store=store,
            sender=sender,
            clock=clock,
            watch=watch,
            measures=self._measures,
            moved={} if moved is None else moved,
        )
        self._position: int | None = None  # in the outbox, once we have begun
        self._events: dict[str, AlertEvent] = {}  # by event_id, the newest that were read
        at_once = max(TARGETS_AT_ONCE, len(listed))
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="target")
        self._under_way: dict[str, Future[None]] = {}  # by target

    def run(self, stop: threading.Event) -> None:
        """Deliver until `stop` is set; a store that fails is waited for."""
        self._teller.stop = stop
        while not stop.is_set():
            pause_s = self._store.look_every_s
            try:
                self.step()
            except StoreError as problem:
                pause_s = problem.retry_after_s if isinstance(problem, StoreBusy) else 2.0
                self._health.report("store", str(problem))
            else:
                self._health.report("store", self._watch.complaint or None)
            self._clock.wait(pause_s, stop)
        self._pool.shutdown(cancel_futures=True)  # what is being sent is recorded

    def step(self) -> None:
        """One round: say that we are alive, plan what is new, send what is due."""
        self._watch.look()
        self.plan_new()
        self.send_due()
        self._count()

    def _count(self) -> None:
        now = self._clock.now_ms()
        self._measures.queue(now, self._queued, self._teller.waiting(now))

    def _queued(self) -> int:
        return sum(delivery.sent_at is None for delivery in self._due(ENDLESS))

    # -- planning

    def plan_new(self) -> None:
        """Turn the events of the outbox that are new into deliveries."""
        now = self._clock.now_ms()
        if self._position is None:
            self._position = self._begin(now)
        while page := self._store.alerts.stored_since(self._position + 1, limit=PAGE_EVENTS):
            position = page[-1].stored_at
            wishes = wishes_of(self._store, self._prefix)
            self._store.deliveries.plan(self._kind, policy.plan(page, wishes, now), position)
            self._position = position
            self._measures.planned(page)

    def _begin(self, now: int) -> int:
        """Where the last process stopped; in a new store here, for its past is not ours to tell."""
        follow_only(self._store, self._prefix, self._listed, now - FIRST_MS)
        position = self._store.deliveries.position(self._kind)
        if position == 0:
            position = now - FIRST_MS
            self._store.deliveries.plan(self._kind, [], position)
        return position

    # -- sending

    def send_due(self) -> None:
        """Send what is due: to several targets at a time, to each in the order of events."""
        self._finish()
        now = self._clock.now_ms()
        due = [each for each in self._due(now) if self._is_free(each.target, now)]
        if not due:
            return
        wishes = wishes_of(self._store, self._prefix)
        events = self._events_of(due)
        due = [each for each in due if each.event_id in events]
        due = [each for each in due if not self._is_gathered(each, events[each.event_id], now)]
        threads = self._threads_of([events[each.event_id] for each in due])
        told = [
            delivery
            for delivery in due
            if self._is_told_now(delivery, events[delivery.event_id], wishes, threads, now)
        ]
        by_target = policy.messages(told, events, now, self._teller.recent, threads)
        posts = Posts(self._store, self._chart, by_target, now)
        begun = {
            target: self._pool.submit(self._teller.tell, messages, posts, wishes, threads)
            for target, messages in by_target.items()
        }
        self._under_way |= begun
        wait(begun.values(), timeout=ROUND_S)
        self._finish()

    def _finish(self) -> None:
        """Take note of who has been told. Raises StoreError if that failed."""
        for target, telling in list(self._under_way.items()):
            if telling.done():
                del self._under_way[target]
                telling.result()

    def _is_free(self, target: str, now: int) -> bool:
        return target not in self._under_way and not self._teller.rests(target, now)

    def _is_gathered(self, delivery: Delivery, event: AlertEvent, now: int) -> bool:
        """Whether it waits for the next group; a thousand that do are not looked up each time."""
        if event.state in policy.FOLLOWING or policy.is_history(delivery, event, now):
            return False
        recent = self._teller.recent.get(delivery.target, policy.NOTHING_LATELY)
        return recent.gathers(now)

    def _is_told_now(
        self,
        delivery: Delivery,
        event: AlertEvent,
        wishes: policy.Wishes,
        threads: policy.Threads,
        now: int,
    ) -> bool:
        """Whether this is the moment to tell it; if not, what becomes of it is recorded."""
        reader = wishes.readers.get(delivery.target)
        if reader is None:
            return True  # to be refused
        thread = threads.get((alert_id_of(event), delivery.target), Thread())
        if event.state in policy.FOLLOWING and thread.told:
            return True  # a change, without a sound
        if (
            policy.is_moot(delivery, event, threads)
            or not policy.concerns(event, reader, wishes.groups)
            or not self._still_matters(delivery, event, reader)
        ):
            self._teller.record([policy.settled(delivery)])
            return False
        again_at = policy.told_again_at(delivery, reader)
        if again_at is not None and again_at > now:
            self._teller.record([msgspec.structs.replace(delivery, due_at=again_at)])
            return False
        held = policy.held_until(event, reader, wishes, now)
        if held is None:
            return True
        self._teller.record([policy.held_back(delivery, held)])
        return False

    def _still_matters(self, delivery: Delivery, event: AlertEvent, reader: policy.Reader) -> bool:
        """Whether what is told again, or after a snooze, is still so, and still to be told."""
        if not policy.is_repeated(delivery):
            return True
        if delivery.sent_at is not None and policy.told_again_at(delivery, reader) is None:
            return False
        return policy.still_matters(event, self._store.alerts.get(alert_id_of(event)))

    def _due(self, now: int) -> Sequence[Delivery]:
        """All that are due: a summary must know all of what it sums up."""
        limit = PAGE_EVENTS
        while len(due := self._store.deliveries.due(self._prefix, now, limit=limit)) == limit:
            limit *= 4
        return due

    def _events_of(self, due: Sequence[Delivery]) -> Mapping[str, AlertEvent]:
        events: dict[str, AlertEvent] = {}
        for delivery in due:
            name = delivery.event_id
            found = events.get(name) or self._events.get(name) or self._store.alerts.event(name)
            if found is not None:
                events[name] = self._events[name] = found
            else:
                self._teller.record([_given_up(delivery, "the event is no longer stored")])
        for name in list(self._events)[:-KNOWN_EVENTS]:
            del self._events[name]
        return events

    def _threads_of(self, events: Collection[AlertEvent]) -> dict[tuple[str, str], Thread]:
        """What each target has been told of these alerts before."""
        earlier = {
            event_id(event.device_id, event.rule, event.episode, state): alert_id_of(event)
            for event in events
            for state in _BEFORE.get(event.state, ())
        }
        earlier |= {
            event.event_id: alert_id_of(event)
            for event in events
            if event.state in policy.INSISTENT
        }
        told = self._store.deliveries.of_events(earlier) if earlier else ()
        threads: dict[tuple[str, str], Thread] = {}
        for delivery in sorted(told, key=lambda each: each.sent_at or 0):
            key = (earlier[delivery.event_id], delivery.target)
            thread = threads.get(key, Thread())
            message_ids = policy.own_message(delivery) if self._sender.can_edit else None
            if message_ids is not None:
                thread = thread.after(message_ids, State(delivery.event_id.rpartition(":")[2]))
            threads[key] = thread
        return threads


# What may have been told of an alert before it came to this state.
_BEFORE: Mapping[State, Sequence[State]] = {
    State.STRESSED: (State.SOON,),
    State.OK: (State.SOON,),
    State.RECOVERED: (State.SOON, State.STRESSED),
    State.ONLINE: (State.OFFLINE,),
    State.ACKNOWLEDGED: (State.SOON, State.STRESSED, State.OFFLINE),
}


def _given_up(delivery: Delivery, error: str) -> Delivery:
    return msgspec.structs.replace(delivery, progress=Progress.FAILED, error=error)
