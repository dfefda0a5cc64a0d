"""Delivery from the spool to Kafka: in order, again and again until the broker has it.

What the agents know of confluent_kafka is here; the replay's own, which waits for the consumer, is
in outlet.py and replay.py. The producer is idempotent and never gives up a
record by itself, so what it holds arrives once and in order; what it refuses is fed again from the
spool, from the oldest on. A kill between sending and acknowledgement repeats readings, which the
store sees through; it never loses one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from confluent_kafka import KafkaError, KafkaException

from fleetpulse import kafka
from fleetpulse.clock import Clock
from fleetpulse.errors import SettingsError
from generators.spool import Spool

MAX_IN_FLIGHT = 1000  # readings in librdkafka's memory; the others stay on the disk
POLL_S = 0.5  # longest wait for an acknowledgement before looking around
LOCKED_OUT = "locked out"
RETRY_MS = 2000  # after a refusal
ASK_AGAIN_MS = 5000  # without progress: look whether the broker has moved
# For one reading every few seconds, of which none may be lost.
TUNING: dict[str, Any] = {
    "message.timeout.ms": 0,  # never give up: the spool decides what is dropped
    "queue.buffering.max.messages": 2 * MAX_IN_FLIGHT,
    "enable.metrics.push": False,
}

log = logging.getLogger(__name__)

DeliveryReport = Callable[[KafkaError | None, Any], None]


class Client(Protocol):
    """The part of confluent_kafka.Producer that is used."""

    def produce(self, topic: str, *, value: bytes, key: str, on_delivery: DeliveryReport) -> None:
        """Queue a record."""

    def poll(self, timeout: float) -> int:
        """Wait for events, and call back for each."""


class Publisher:
    """Moves readings from a spool to a topic."""

    outlet = "kafka"

    def __init__(
        self,
        spool: Spool,
        *,
        topic: str,
        device_id: str,
        configure: Callable[[], dict[str, Any]],
        clock: Clock,
        make: Callable[..., Client] = kafka.producer,
        header: Callable[[], bytes | None] = lambda: b"",
    ) -> None:
        """configure: the clients' settings as they are now; the embedded broker may move.

        header: what goes before each record; None: nothing may be published yet.
        """
        self.published = 0
        self.trouble = ""  # why Kafka did not take what was sent last, one sentence
        self._spool = spool
        self._topic = topic
        self._device_id = device_id
        self._configure = configure
        self._clock = clock
        self._make = make
        self._header = header
        self._progress_ms = clock.now_ms()  # when the broker last took a reading, or was sought
        self._complaint = ""  # the matter that was said since the broker last took a reading
        self._connect(configure())

    def deliver(self, seconds: float, stop: threading.Event) -> None:
        """Publish what waits, and wait, for this long or until `stop` is set."""
        began_ms = self._clock.now_ms()
        while not stop.is_set():
            self._feed()
            left_s = seconds - (self._clock.now_ms() - began_ms) / 1000
            if not 0 < left_s <= seconds:  # over, or the clock was set back
                return
            if self._spool.depth == 0:
                self._clock.wait(left_s, stop)
            else:
                self._poll(min(left_s, POLL_S))

    def drain(self, seconds: float) -> None:
        """Publish what waits, for at most this long."""
        began_ms = self._clock.now_ms()
        while self._spool.depth > 0 and not self._passed(began_ms, seconds * 1000):
            self._feed()
            self._poll(0.1)

    def _poll(self, seconds: float) -> None:
        self._client.poll(seconds)
        self._spool.settle()
        if self._passed(self._progress_ms, ASK_AGAIN_MS):
            self._progress_ms = self._clock.now_ms()
            self._follow_the_broker()

    def _connect(self, config: dict[str, Any]) -> None:
        self._config = config
        self._session = object()  # reports of an older one are void
        self._in_flight = 0
        self._refused_ms: int | None = None
        self._progress_ms = self._clock.now_ms()
        self._spool.rewind()
        self._client: Client = self._make(config, error_cb=self._on_error, **TUNING)

    def _follow_the_broker(self) -> None:
        """Connect to where the broker is now, if it has moved: the embedded one does."""
        try:
            config = self._configure()
        except SettingsError:
            return  # `fleetpulse up` is not running now
        if config != self._config:
            self._connect(config)

    def _feed(self) -> None:
        """Hand the client the next readings, as far as its memory is allowed to go."""
        if self._refused_ms is not None:
            if self._in_flight > 0 or not self._passed(self._refused_ms, RETRY_MS):
                return  # what is under way must end first, or the order would be lost
            self._refused_ms = None
            self._spool.rewind()
        header = self._header()
        if header is None:
            return
        for entry in self._spool.take(MAX_IN_FLIGHT - self._in_flight):
            report = partial(self._on_delivery, self._session, entry.seq)
            try:
                value = header + entry.payload
                self._client.produce(
                    self._topic, value=value, key=self._device_id, on_delivery=report
                )
            except BufferError:
                self._refused_ms = self._clock.now_ms()
                return
            except KafkaException as problem:
                self._refuse(problem.args[0])
                return
            self._in_flight += 1

    def _on_delivery(
        self, session: object, seq: int, error: KafkaError | None, message: Any
    ) -> None:
        if session is not self._session:
            return
        self._in_flight -= 1
        if error is not None:
            self._refuse(error)
        elif self._refused_ms is None:  # after a refusal it comes again, behind the refused one
            self._spool.ack(seq)
            self.published += 1
            self._progress_ms = self._clock.now_ms()
            self._stop_complaining()

    def _refuse(self, error: KafkaError) -> None:
        self._complain("refused", f"Kafka does not take readings for {self._topic} ({error.str()})")
        if error.fatal():  # this client is done for; the spool has everything
            self._connect(self._config)
        self._refused_ms = self._clock.now_ms()

    def _on_error(self, error: KafkaError) -> None:
        if kafka.is_locked_out(error):
            self._complain(LOCKED_OUT, kafka.trouble(error, self._config))
        elif self._complaint != LOCKED_OUT:  # which is why it does not answer
            self._complain("away", kafka.trouble(error, self._config))

    def _complain(self, matter: str, sentence: str) -> None:
        """Say it once: not again before a reading got through, unless it is another matter."""
        if matter != self._complaint:
            self._complaint, self.trouble = matter, f"{sentence}."
            log.warning("%s: readings wait in the spool.", sentence)

    def _stop_complaining(self) -> None:
        if self._complaint:
            self._complaint = self.trouble = ""
            log.warning("Kafka takes readings again; %d wait.", self._spool.depth)

    def _passed(self, since_ms: int, for_ms: float) -> bool:
        """Whether so much time has passed; also when the clock was set back."""
        return not 0 <= self._clock.now_ms() - since_ms < for_ms
