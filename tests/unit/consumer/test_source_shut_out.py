"""A consumer that its group has shut out for good ends, so that it can be started anew."""

from __future__ import annotations

import threading

import pytest
from confluent_kafka import KafkaError

from consumer.decoding import Decoder
from consumer.roster import Roster
from consumer.source import KafkaSource, Membership
from fleetpulse import wire
from fleetpulse.clock import ManualClock
from fleetpulse.errors import BrokerError, StoreBusy
from fleetpulse.health import Health
from fleetpulse.kafka import producer
from tests.services.mock_kafka import MockKafka, Request
from tests.unit.consumer.builders import NOON, a_reading, new_metrics


def a_member(kafka: MockKafka, topic: str) -> KafkaSource:
    """A static member of a group."""
    return KafkaSource(
        {"bootstrap.servers": kafka.bootstrap_servers},
        Membership(topics=topic, group="group", instance="first", batch_rows=100, batch_ms=100),
        decoder=Decoder(Roster(), ManualClock(NOON)),
        forget=lambda partitions: None,
        health=Health(),
        metrics=new_metrics(),
    )


def shut_out(kafka: MockKafka) -> KafkaSource:
    """One that was told that another process is the same member."""
    topic = kafka.topic()
    client = producer({"bootstrap.servers": kafka.bootstrap_servers})
    client.produce(topic, key="pi-1", value=wire.encode(a_reading(0, temperature_c=50)))
    client.flush(10)
    source = a_member(kafka, topic)
    while not len(batch := source.next_batch()):
        pass
    kafka.fail(Request.OFFSET_COMMIT, KafkaError.FENCED_INSTANCE_ID)
    source.commit(batch)
    return source


def read_on(source: KafkaSource, times: int = 50) -> None:
    """Read some more."""
    for _ in range(times):
        source.next_batch()


def test_a_static_member_that_is_replaced_ends_and_says_why(mock_kafka: MockKafka) -> None:
    source = shut_out(mock_kafka)

    with pytest.raises(BrokerError, match="FLEETPULSE_GROUP_INSTANCE: give each its own"):
        read_on(source)

    source.close()


def test_it_ends_also_while_it_holds_its_partitions(mock_kafka: MockKafka) -> None:
    source = shut_out(mock_kafka)

    def write() -> None:
        raise StoreBusy("busy", retry_after_s=0.1)

    with pytest.raises(BrokerError, match="has shut this consumer out"):
        source.hold_while(write, threading.Event())

    source.close()
