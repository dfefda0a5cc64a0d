"""The channels that people want to see work, tried while the notifier delivers.

A test has a lane and a thread of its own: it neither waits for what the channel is delivering, nor
holds that up, nor says anything of the channel's health.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

from fleetpulse.actions.channels import Channel
from fleetpulse.actions.lane import Lane
from fleetpulse.channel_tests import ChannelTest, answer, wanted
from fleetpulse.clock import Clock
from fleetpulse.delivery.charts import example_chart
from fleetpulse.delivery.messages import Post, example_post
from fleetpulse.errors import NotifyError, StoreError
from fleetpulse.health import Health
from fleetpulse.stores.protocols import Store

LOOK_S = 1.0  # at most as often
STORE_S = 5.0  # until a store that fails is asked again

log = logging.getLogger(__name__)

Picture = Callable[[], bytes | None]


def problem_of(name: str, channel: Channel, post: Post, clock: Clock) -> str | None:
    """Send through a channel; what went wrong, None: nothing did."""
    try:
        Lane(name, channel, clock=clock, health=Health()).send(post)
    except NotifyError as problem:
        return str(problem)
    return None


class Trials:
    """Tries those of these channels, by name, that somebody asks for."""

    def __init__(
        self,
        channels: Mapping[str, Channel],
        *,
        store: Store,
        clock: Clock,
        picture: Picture = example_chart,
    ) -> None:
        self._channels, self._store, self._clock = channels, store, clock
        self._picture = picture
        self._begun: dict[str, ChannelTest] = {}  # by channel, the last one
        self._under_way: dict[str, threading.Thread] = {}

    def run(self, stop: threading.Event) -> None:
        """Look for requests until `stop` is set; a store that fails is waited for."""
        while not stop.is_set():
            pause_s = max(LOOK_S, self._store.look_every_s)
            try:
                self.look()
            except StoreError:
                pause_s = STORE_S  # the delivery loop says so
            self._clock.wait(pause_s, stop)

    def look(self) -> None:
        """Begin the tests that are wanted and have not begun. Raises StoreError."""
        for name, test in wanted(self._store, self._clock.now_ms()).items():
            if name in self._channels and self._begun.get(name) != test and self._is_free(name):
                self._begun[name] = test  # also if the answer cannot be kept: one example is enough
                # A daemon: what hangs in a send must not hold up the end of the process.
                self._under_way[name] = threading.Thread(
                    target=self._try, args=(name, test), name=f"test:{name}", daemon=True
                )
                self._under_way[name].start()

    def finish(self) -> None:
        """Wait for what has begun."""
        for each in self._under_way.values():
            each.join()

    def _is_free(self, name: str) -> bool:
        before = self._under_way.get(name)
        return before is None or not before.is_alive()

    def _try(self, name: str, test: ChannelTest) -> None:
        post = replace(example_post("channel", self._clock.now_ms()), photo=self._picture())
        problem = problem_of(name, self._channels[name], post, self._clock)
        log.info("a channel was tried", extra={"channel": name, "problem": problem})
        try:
            answer(self._store, name, test, problem=problem, now_ms=self._clock.now_ms())
        except StoreError as failure:
            log.warning("what came of a test is not kept", extra={"problem": str(failure)})
