"""What must be there before an agent publishes: its topic and, with a registry, a schema's id.

Both are asked for in a thread of their own, again and again, so that measuring never waits. Until
then the readings wait in the spool: published earlier, they would make Kafka add the topic itself,
of one partition, or lack the id that others expect.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from fleetpulse import kafka
from fleetpulse.clock import Clock, SystemClock
from fleetpulse.errors import BrokerError, SettingsError
from fleetpulse.schemas import open_registry
from fleetpulse.settings import AgentSettings

AGAIN_S = 5.0

log = logging.getLogger(__name__)


def prepared(settings: AgentSettings, topic: str) -> Callable[[], bytes | None]:
    """What goes before each record of the topic; None: not known yet, nothing may be published.

    Empty without a schema registry. Raises SettingsError.
    """
    registry = open_registry(settings)
    preparation = Preparation(
        topic,
        make=lambda: kafka.ensure_topics(
            kafka.client_config(settings),
            [topic],
            partitions=settings.partitions,
            log_hours=settings.log_hours,
        ),
        find_header=None if registry is None else registry.header,
        clock=SystemClock(),
    )
    stop = threading.Event()  # never set: the thread ends by itself, or with the process
    threading.Thread(target=preparation.run, args=(stop,), daemon=True, name="topic").start()
    return lambda: preparation.header


class Preparation:
    """Makes a topic and learns what goes before its records."""

    def __init__(
        self,
        topic: str,
        *,
        make: Callable[[], Any],
        find_header: Callable[[str], bytes] | None,
        clock: Clock,
    ) -> None:
        """make: raises BrokerError. find_header: from the topic; raises BrokerError."""
        self.header: bytes | None = None  # None: the topic is not ready
        self._topic, self._make, self._find_header = topic, make, find_header
        self._clock = clock
        self._complaint = ""

    def run(self, stop: threading.Event) -> None:
        """Try until the topic is ready, or `stop` is set."""
        is_made = False
        while not stop.is_set():
            try:
                is_made = is_made or self._is_made()
                if is_made:
                    self.header = self._found_header()
                    return
            except BrokerError as problem:
                self._complain(str(problem))
            except Exception as problem:  # a thread that ends would hold the readings for ever
                if self._complaint != repr(problem):
                    self._complaint = repr(problem)
                    log.exception("topic not prepared; trying on", extra={"topic": self._topic})
            self._clock.wait(AGAIN_S, stop)

    def _is_made(self) -> bool:
        """Whether there is nothing more to do about the topic."""
        try:
            self._make()
        except SettingsError:  # the embedded broker is not running now
            return False
        except kafka.TopicRefused as problem:
            log.warning("topic not made", extra={"topic": self._topic, "problem": str(problem)})
        except BrokerError:
            return False  # the publisher tells that it is away
        return True

    def _found_header(self) -> bytes:
        if self._find_header is None:
            return b""
        header = self._find_header(self._topic)
        say = log.warning if self._complaint else log.info
        say("schema registered", extra={"topic": self._topic, "header": header.hex()})
        return header

    def _complain(self, sentence: str) -> None:
        """Say it once."""
        if sentence != self._complaint:
            self._complaint = sentence
            log.warning(
                "readings wait in the spool", extra={"topic": self._topic, "problem": sentence}
            )
