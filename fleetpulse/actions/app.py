"""The notifier at work: one delivery loop, in which each channel is a target of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

import msgspec

from fleetpulse.actions.channels import Channel
from fleetpulse.actions.lane import Lane
from fleetpulse.actions.trials import Trials
from fleetpulse.channel_tests import PREFIX
from fleetpulse.clock import Clock
from fleetpulse.delivery.charts import chart_of, warm_up
from fleetpulse.delivery.loop import Delivering
from fleetpulse.delivery.messages import Post
from fleetpulse.delivery.readers import ENDLESS
from fleetpulse.errors import FleetpulseError
from fleetpulse.health import Health
from fleetpulse.metrics import DeliveryMetrics
from fleetpulse.stores.protocols import Progress, Store
from fleetpulse.watch import Watch

KIND = "notify"
DRAIN_S = 4.0  # for what is being sent, until it is recorded
LEAVE_S = 1.0
PAGE = 10_000

log = logging.getLogger(__name__)


class Lanes:
    """All channels as one sender; `where` is a channel's name."""

    can_edit = False  # what was sent by mail is sent

    def __init__(self, lanes: Mapping[str, Lane]) -> None:
        self._lanes = lanes

    def pause_s(self, where: str) -> float:
        """Services say themselves when they want to rest."""
        return 0.0

    def send(self, where: str, post: Post) -> str:
        """Send through one channel. Raises NotifyError."""
        return self._lanes[where].send(post)

    def edit(self, where: str, message_id: str, post: Post) -> bool:
        """Never called: see `can_edit`."""
        return False


class Notifying:
    """Delivers through these channels, by name, as `notify:<name>`."""

    def __init__(
        self,
        channels: Mapping[str, Channel],
        *,
        store: Store,
        clock: Clock,
        health: Health,
        metrics: DeliveryMetrics,
        watch: Watch,
    ) -> None:
        self._store, self._clock, self._watch = store, clock, watch
        self._lanes = {
            name: Lane(name, channel, clock=clock, health=health)
            for name, channel in channels.items()
        }
        self._loop = Delivering(
            kind=KIND,
            store=store,
            sender=Lanes(self._lanes),
            clock=clock,
            chart=chart_of,
            listed=[f"{PREFIX}{name}" for name in channels],
            watch=watch,
            health=health,
            metrics=metrics,
        )
        self._trials = Trials(channels, store=store, clock=clock)
        self._crash: Exception | None = None

    def serve(self, stop: threading.Event) -> None:
        """Deliver until `stop` is set. Raises FleetpulseError if the loop broke, StoreError."""
        forget_others(self._store, [f"{PREFIX}{name}" for name in self._lanes])
        warm_up()
        worker = self._begun("delivery", self._loop.run, stop)
        self._begun("tests", self._trials.run, stop)
        log.info("the notifier is at work", extra={"channels": ", ".join(self._lanes)})
        stop.wait()
        worker.join(DRAIN_S)
        for lane in self._lanes.values():
            lane.leave()
        worker.join(LEAVE_S)
        self._watch.leave()
        if self._crash is not None:
            raise FleetpulseError(f"Delivering stopped: {self._crash!r}.") from self._crash

    def _begun(
        self, what: str, run: Callable[[threading.Event], None], stop: threading.Event
    ) -> threading.Thread:
        """A thread that runs until `stop` is set, and sets it should it break."""

        def work() -> None:
            try:
                run(stop)
            except Exception as problem:
                log.exception("a part of the notifier broke", extra={"part": what})
                self._crash = problem
                stop.set()

        thread = threading.Thread(target=work, name=what, daemon=True)
        thread.start()
        return thread


def forget_others(store: Store, targets: list[str]) -> None:
    """Of the channels that were told, end those that are set no more, and what waits for them.

    Should one come back, it is told of what happens from then on.
    """
    gone = {
        chat.chat_id: chat
        for chat in store.chats.active()
        if chat.chat_id.startswith(PREFIX) and chat.chat_id not in targets
    }
    if not gone:
        return
    for waiting in store.deliveries.due(PREFIX, ENDLESS, limit=PAGE):
        if waiting.target in gone:
            given_up = msgspec.structs.replace(
                waiting, progress=Progress.FAILED, error="the channel is set no more"
            )
            store.deliveries.update(given_up)
    for chat in gone.values():
        store.chats.put(msgspec.structs.replace(chat, active=False))
