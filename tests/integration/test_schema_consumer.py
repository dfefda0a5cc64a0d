"""A consumer process with a schema registry: what it stores, sets aside, and keeps in mind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from fleetpulse import wire
from fleetpulse.clock import SystemClock
from fleetpulse.kafka import producer
from fleetpulse.reading_schema import reading_schema
from fleetpulse.stores import open_store
from fleetpulse.telemetry import Reading
from tests.services.kafka import Kafka
from tests.services.schema_registry import Schema, SchemaRegistry

pytestmark = pytest.mark.integration

AVRO = Schema('{"type": "record", "name": "Order", "fields": []}')
READINGS = Schema(json.dumps(reading_schema()), "JSON")
PATIENCE_S = 40.0


@pytest.fixture
def registry() -> Iterator[SchemaRegistry]:
    with SchemaRegistry() as running:
        yield running


@contextmanager
def consuming(kafka: Kafka, registry: SchemaRegistry, folder: Path, topic: str) -> Iterator[Path]:
    """A consumer process for the length of a block; gives what it logs."""
    log = folder / "consumer.log"
    settings = {
        "KAFKA_BROKER_SETTINGS": kafka.bootstrap_servers,
        "KAFKA_SCHEMA_ENDPOINT": registry.endpoint,
        "FLEETPULSE_DATA": str(folder),
    }
    words = ["hardware", "--topics", topic, "--group", topic]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "consumer", *words], env=os.environ | settings, stderr=output
        )
        try:
            yield log
        finally:
            process.terminate()
            assert process.wait(20) == 0


def publish(kafka: Kafka, topic: str, device_id: str, header: bytes) -> None:
    """A reading of a device, taken now, with this before it."""
    now_ms = SystemClock().now_ms()
    reading = Reading(device_id=device_id, kind="pc", measured_at=now_ms, seq=now_ms, load_pct=5.0)
    client = producer({"bootstrap.servers": kafka.bootstrap_servers})
    client.produce(topic, key=device_id, value=header + wire.encode(reading))
    assert client.flush(30) == 0


def header(registry: SchemaRegistry, schema: Schema) -> bytes:
    """What goes before records of a schema that the registry knows."""
    return b"\x00" + registry.content.keep(schema).to_bytes(4, "big")


def stored(folder: Path) -> set[str]:
    """The devices of which there are readings."""
    with closing(open_store(f"sqlite:///{folder / 'fleetpulse.db'}")) as store:
        known = {"framed", "plain", "later", "avro", "avro-later"}
        return set(store.readings.latest_of(known))


def eventually(holds: Callable[[], object]) -> None:
    """Return once it holds."""
    until = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.1)


def test_framed_and_plain_readings_are_stored_and_what_is_known_stays_known_while_it_is_down(
    kafka: Kafka, registry: SchemaRegistry, tmp_path: Path
) -> None:
    topic = kafka.topic(f"telemetry.{uuid.uuid4().hex}")
    ours, avro = header(registry, READINGS), header(registry, AVRO)
    publish(kafka, topic, "framed", ours)
    publish(kafka, topic, "plain", b"")
    publish(kafka, topic, "avro", avro)

    with consuming(kafka, registry, tmp_path, topic) as log:
        eventually(lambda: b"schema 1" in log.read_bytes())
        registry.stop()
        publish(kafka, topic, "avro-later", avro)
        publish(kafka, topic, "later", ours)
        eventually(lambda: log.read_bytes().count(b"schema 1") == 2)
        eventually(lambda: "later" in stored(tmp_path))

    assert stored(tmp_path) == {"framed", "plain", "later"}
    assert registry.content.asked == ["GET /schemas/ids/1", "GET /schemas/ids/2"]


def test_a_consumer_that_starts_while_the_registry_is_down_stores_framed_readings(
    kafka: Kafka, registry: SchemaRegistry, tmp_path: Path
) -> None:
    topic = kafka.topic(f"telemetry.{uuid.uuid4().hex}")
    publish(kafka, topic, "framed", header(registry, READINGS))
    registry.stop()

    with consuming(kafka, registry, tmp_path, topic) as log:
        eventually(lambda: b"records are read without their schema" in log.read_bytes())
        eventually(lambda: stored(tmp_path) == {"framed"})
