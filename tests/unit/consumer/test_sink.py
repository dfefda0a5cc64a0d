"""The sink: saved first, then told to other programs; letters that fit into a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast
from unittest.mock import patch

import pytest
from confluent_kafka import Producer

from consumer.batch import Refused
from consumer.dead_letters import MAX_KEY_BYTES, MAX_VALUE_BYTES, DeadLetters
from consumer.sink import StoreSink
from fleetpulse import wire
from fleetpulse.clock import ManualClock
from fleetpulse.errors import BrokerError, DecodeError, StoreBusy
from fleetpulse.kafka import ALERTS_TOPIC
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import ClockAhead, Scored
from tests.contracts.builders import an_event
from tests.unit.consumer.builders import (
    NOON,
    PARTITION,
    Log,
    a_reading,
    consume,
    decode,
    new_metrics,
)


class Topics:
    """A producer that writes down what it is given; `refusal` comes back for every record."""

    def __init__(self, refusal: str = "") -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self._refusal = refusal

    def produce(self, topic: str, **record: Any) -> None:
        self.sent.append((topic, record))
        if self._refusal and "on_delivery" in record:
            record["on_delivery"](Refusal(self._refusal), None)

    def poll(self, _: float) -> int:
        return 0

    def flush(self, _: float) -> int:
        return 0

    def purge(self) -> None: ...


class Refusal:
    def __init__(self, words: str) -> None:
        self._words = words

    def str(self) -> str:
        return self._words


def test_events_are_published_under_their_device_once_they_are_stored() -> None:
    store, topics = MemoryStore(), Topics()

    consume(Log([wire.encode(a_reading(0, temperature_c=85.0))]), store, announce=topics)

    ((topic, record),) = topics.sent
    assert (topic, record["key"]) == (ALERTS_TOPIC, "pi-1")
    assert b'"event_id":"pi-1:heat:1:stressed"' in record["value"]
    assert store.alerts.event("pi-1:heat:1:stressed")


def test_what_could_not_be_stored_is_not_published() -> None:
    class Busy(MemoryStore):
        def save(self, scored: Scored) -> None:
            raise StoreBusy("please wait")

    topics = Topics()
    sink = StoreSink(
        Busy(), ManualClock(NOON), cast(Producer, topics), new_metrics().store_write_seconds
    )

    with pytest.raises(StoreBusy):
        sink.write(replace(decode(), events=(an_event(),)))

    assert topics.sent == []


def test_many_refused_readings_of_a_device_are_one_word_about_its_clock() -> None:
    store = MemoryStore()
    told: list[Sequence[ClockAhead]] = []
    with patch.object(store.devices, "clocks_ahead", told.append):
        sink = StoreSink(
            store,
            ManualClock(NOON),
            cast(Producer, Topics()),
            new_metrics().store_write_seconds,
        )

        sink.write(decode(*(a_reading(seconds, device="pi-1") for seconds in range(400, 500))))

    ((clock,),) = told
    assert (clock.device_id, clock.ahead_ms) == ("pi-1", 499_000)


def a_refused(key: bytes, value: bytes) -> Refused:
    error = DecodeError("not-json", "it is not")
    return Refused(partition=PARTITION, offset=7, key=key, value=value, error=error)


def test_a_letter_of_a_large_record_is_cut_so_that_it_fits() -> None:
    topics = Topics()

    DeadLetters(topics).deliver([a_refused(b"k" * 900_000, b"v" * 900_000)])  # type: ignore[arg-type]

    ((_, record),) = topics.sent
    assert len(record["key"]) == MAX_KEY_BYTES
    assert len(record["value"]) == MAX_VALUE_BYTES
    assert ("offset", b"7") in record["headers"]
    assert ("cause", b"not-json") in record["headers"]


def test_a_letter_that_the_topic_refuses_is_an_error() -> None:
    with pytest.raises(BrokerError, match="no room"):
        DeadLetters(Topics("no room")).deliver([a_refused(b"k", b"{")])  # type: ignore[arg-type]
