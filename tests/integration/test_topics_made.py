"""Where Kafka makes no topics by itself, whoever publishes readings makes theirs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from api.publish import KafkaPublisher, Record
from fleetpulse import wire
from fleetpulse.settings import ApiSettings, load
from fleetpulse.telemetry import Reading
from tests.integration.processes import running
from tests.services.kafka import Kafka, started

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def strict_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A broker as Confluent Cloud has them."""
    yield from started(
        tmp_path_factory.mktemp("kafka"), more_properties="auto.create.topics.enable=false\n"
    )


def partitions(kafka: Kafka, topic: str) -> int:
    """How many the topic has; 0: there is none."""
    with AdminClient({"bootstrap.servers": kafka.bootstrap_servers}) as admin:
        known = admin.list_topics(timeout=10).topics
    return len(known[topic].partitions) if topic in known else 0


def test_the_api_makes_the_topic_of_a_kind_with_its_first_reading(
    strict_kafka: Kafka, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KAFKA_BROKER_SETTINGS", strict_kafka.bootstrap_servers)
    monkeypatch.setenv("FLEETPULSE_DATA", str(tmp_path))
    reading = Reading(device_id="pi-1", kind="posted", measured_at=1, seq=1)
    record = Record("telemetry.posted", "pi-1", wire.encode(reading))

    with closing(KafkaPublisher(load(ApiSettings))) as publisher:
        publisher.publish([record])
        publisher.publish([record])

    assert partitions(strict_kafka, "telemetry.posted") == load(ApiSettings).partitions


def test_the_replay_makes_the_topics_of_its_readings(strict_kafka: Kafka, tmp_path: Path) -> None:
    recording = tmp_path / "recording.csv"
    recording.write_text("device_id,kind,measured_at,load_pct\npi-1,replayed,1795348800000,20\n")
    words = ("generators", "replay", str(recording), "--hold-at", "0", "--data", str(tmp_path))

    with running(words, tmp_path, KAFKA_BROKER_SETTINGS=strict_kafka.bootstrap_servers) as replay:
        code = replay.wait(60)

    assert code == 0, (tmp_path / "output").read_text()
    assert partitions(strict_kafka, "telemetry.replayed") > 1
