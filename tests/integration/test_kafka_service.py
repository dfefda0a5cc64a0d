"""The broker that other tests rely on: it answers, and keeps acknowledged records when killed."""

from __future__ import annotations

import os
import uuid

import pytest
from confluent_kafka import Consumer

from fleetpulse.kafka import producer
from tests.services.kafka import Kafka

pytestmark = pytest.mark.integration


def test_an_acknowledged_record_survives_a_killed_broker(kafka: Kafka) -> None:
    topic = kafka.topic(partitions=3)
    publisher = producer({"bootstrap.servers": kafka.bootstrap_servers})
    publisher.produce(topic, key="pi-1", value=b"before")
    assert publisher.flush(30) == 0

    kafka.restart()

    assert first_value(kafka, topic) == b"before"


def test_a_broker_that_is_down_ran_in_a_process_that_is_gone(kafka: Kafka) -> None:
    process_id = kafka.process_id
    assert process_id is not None

    with kafka.down():
        assert kafka.process_id is None
        with pytest.raises(ProcessLookupError):
            os.kill(process_id, 0)

    assert kafka.process_id is not None


def first_value(kafka: Kafka, topic: str) -> bytes | None:
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": uuid.uuid4().hex,
            "auto.offset.reset": "earliest",
        }
    )
    try:
        consumer.subscribe([topic])
        record = consumer.poll(30)
        assert record is not None
        assert record.error() is None
        return record.value()
    finally:
        consumer.close()
