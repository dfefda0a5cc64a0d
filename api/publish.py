"""Readings that came over HTTP go to Kafka, and are answered for once the broker has them."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from fleetpulse import wire
from fleetpulse.errors import BrokerAway, BrokerError, SettingsError
from fleetpulse.kafka import Topics, client_config, producer
from fleetpulse.schemas import Headers
from fleetpulse.settings import KafkaSettings

ACK_WITHIN_S = 8.0
WAIT_AT_ONCE = 8  # requests; the other threads of the server are for those who read
WAIT_FOR_TURN_S = 0.1  # some acknowledgements; not long enough to hold up every thread
_POLL_S = 0.1
_LIMITS = {
    # librdkafka gives up before we do: what we say has failed is on its way no more.
    "message.timeout.ms": round(1000 * (ACK_WITHIN_S - 1)),
    "queue.buffering.max.kbytes": 64 * 1024,
}


@dataclass(frozen=True, slots=True)
class Record:
    """What goes to the broker."""

    topic: str
    key: str
    value: bytes


class Publisher(Protocol):
    """Where readings go."""

    def publish(self, records: Sequence[Record]) -> None:
        """Return once all of them are safe. Raises BrokerError; then some may be."""

    def close(self) -> None:
        """Give back the connection."""


class KafkaPublisher:
    """Kafka, by one producer for all requests, made when the first one comes."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings, self._topics = settings, Topics(settings)
        self._lock = threading.Lock()
        self._config: dict[str, Any] = {}
        self._producer: Producer | None = None

    def publish(self, records: Sequence[Record]) -> None:
        client, acks = self._client(), _Acks(len(records))
        self._topics.ready(self._config, {record.topic for record in records})
        try:
            for record in records:
                client.produce(record.topic, record.value, record.key, on_delivery=acks.take)
        except (BufferError, KafkaException) as problem:
            raise BrokerError("Kafka does not take more readings just now.") from problem
        acks.wait(client)

    def close(self) -> None:
        with self._lock:
            if self._producer is not None:
                self._producer.flush(1)
                self._producer = None

    def _client(self) -> Producer:
        """The producer; a new one when the broker is another: `fleetpulse up` was started anew."""
        with self._lock:
            config = _config_of(self._settings)
            if self._producer is None or config != self._config:
                self._producer, self._config = producer(config, **_LIMITS), config
            return self._producer


class InTurns:
    """Lets a few requests at a time wait for the schema registry and the broker."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._turns = threading.BoundedSemaphore(WAIT_AT_ONCE)

    def publish(self, records: Sequence[Record]) -> None:
        """As the publisher behind it. Raises BrokerAway at once when too many wait already."""
        if not self._turns.acquire(timeout=WAIT_FOR_TURN_S):
            raise BrokerAway(f"{WAIT_AT_ONCE} requests wait for Kafka already.")
        try:
            self._publisher.publish(records)
        finally:
            self._turns.release()

    def close(self) -> None:
        self._publisher.close()


class FramedPublisher:
    """Puts before each record what its topic asks for, and hands all of them on."""

    def __init__(self, publisher: Publisher, headers: Headers) -> None:
        self._publisher, self._headers = publisher, headers

    def publish(self, records: Sequence[Record]) -> None:
        """As the publisher behind it. Raises SchemaError, and then none is published."""
        framed = [_framed(record, self._headers.before(record.topic)) for record in records]
        self._publisher.publish(framed)

    def close(self) -> None:
        self._publisher.close()


def _framed(record: Record, header: bytes) -> Record:
    """The record behind its header: then only what the schema, which is closed, has in it."""
    if not header:
        return record
    return replace(record, value=header + wire.encode(wire.decode(record.value)[0]))


class _Acks:
    """What the broker has said of the records of one request."""

    def __init__(self, wanted: int) -> None:
        self._lock = threading.Lock()
        self._missing = wanted
        self._failure: KafkaError | None = None

    def take(self, error: KafkaError | None, _: Message) -> None:
        """One more is answered for; called by whichever request polls."""
        with self._lock:
            self._missing -= 1
            self._failure = self._failure or error

    def wait(self, client: Producer) -> None:
        """Return when all are acknowledged. Raises BrokerError."""
        until = time.monotonic() + ACK_WITHIN_S
        while self._missing and time.monotonic() < until:
            client.poll(_POLL_S)
        if self._missing:
            raise BrokerAway(f"Kafka did not acknowledge the readings within {ACK_WITHIN_S:g} s.")
        if self._failure is not None:
            # The client's own errors are negative: the broker has not said anything.
            kind = BrokerAway if self._failure.code() < 0 else BrokerError
            raise kind(f"Kafka did not take the readings ({self._failure.name()}).")


def _config_of(settings: KafkaSettings) -> dict[str, Any]:
    try:
        return client_config(settings)
    except SettingsError as problem:
        raise BrokerError(str(problem)) from problem
