"""The notifier at work: a delivery loop and a thread for each channel."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

import msgspec

from fleetpulse.actions.channels import Channel
from fleetpulse.actions.lane import Lane
from fleetpulse.actions.own_queue import only
from fleetpulse.clock import Clock
from fleetpulse.delivery.charts import chart_of, warm_up
from fleetpulse.delivery.loop import WHENEVER, Delivering
from fleetpulse.errors import FleetpulseError
from fleetpulse.health import Health
from fleetpulse.metrics import DeliveryMetrics
from fleetpulse.stores.protocols import Progress, Store
from fleetpulse.watch import Watch

KIND = "notify"
PREFIX = f"{KIND}:"
DRAIN_S = 4.0  # for what is being sent, until it is recorded
LEAVE_S = 1.0
PAGE = 10_000

log = logging.getLogger(__name__)


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
        self._loops = {
            name: self._loop(name, lane, health, metrics) for name, lane in self._lanes.items()
        }
        self._crash: Exception | None = None

    def _loop(self, name: str, lane: Lane, health: Health, metrics: DeliveryMetrics) -> Delivering:
        target = f"{PREFIX}{name}"
        return Delivering(
            kind=KIND,
            store=only(self._store, target),
            sender=lane,
            clock=self._clock,
            chart=chart_of,
            listed=[target],
            watch=self._watch,
            health=health,
            metrics=metrics,
        )

    def serve(self, stop: threading.Event) -> None:
        """Deliver until `stop` is set. Raises FleetpulseError if a loop broke, StoreError."""
        forget_others(self._store, [f"{PREFIX}{name}" for name in self._lanes])
        threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
        workers = [
            threading.Thread(target=self._deliver, args=(loop, stop), name=name, daemon=True)
            for name, loop in self._loops.items()
        ]
        for worker in workers:
            worker.start()
        log.info("the notifier is at work", extra={"channels": ", ".join(self._lanes)})
        stop.wait()
        self._end(workers)
        if self._crash is not None:
            raise FleetpulseError(f"Delivering stopped: {self._crash!r}.") from self._crash

    def _deliver(self, loop: Delivering, stop: threading.Event) -> None:
        try:
            loop.run(stop)
        except Exception as problem:
            log.exception("delivering broke")
            self._crash = problem
            stop.set()

    def _end(self, workers: list[threading.Thread]) -> None:
        """Wait for what is being sent and recorded, but not for long."""
        until = self._clock.now_ms() + round(1000 * DRAIN_S)
        for worker in workers:
            worker.join(max(0.0, (until - self._clock.now_ms()) / 1000))
        for lane in self._lanes.values():
            lane.leave()
        for worker in workers:
            worker.join(LEAVE_S)
        self._watch.leave()


def forget_others(store: Store, targets: list[str]) -> None:
    """Of the channels that were told, end those that are set no more, and what waits for them.

    Should one come back, it is told of what happens from then on.
    """
    for chat in store.chats.active():
        if chat.chat_id.startswith(PREFIX) and chat.chat_id not in targets:
            for waiting in only(store, chat.chat_id).deliveries.due("", WHENEVER, limit=PAGE):
                given_up = msgspec.structs.replace(
                    waiting, progress=Progress.FAILED, error="the channel is set no more"
                )
                store.deliveries.update(given_up)
            store.chats.put(msgspec.structs.replace(chat, active=False))
