"""Client settings, and the broker inside the local stack."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError

from fleetpulse import kafka
from fleetpulse.address import BROKER_FILE
from fleetpulse.errors import BrokerError, SettingsError
from fleetpulse.kafka import (
    Complaints,
    EmbeddedBroker,
    client_config,
    embedded_address,
    producer,
)
from fleetpulse.settings import KafkaSettings, load


def settings(
    *, servers: str = "broker:9092", key: str | None = None, secret: str | None = None
) -> KafkaSettings:
    """Settings with a broker, and with these credentials."""
    return load(KafkaSettings, bootstrap_servers=servers, cluster_key=key, cluster_secret=secret)


def test_without_credentials_the_connection_is_plain() -> None:
    config = client_config(settings())

    assert config["bootstrap.servers"] == "broker:9092"
    assert not [name for name in config if name.startswith(("sasl", "security"))]


def test_key_and_secret_turn_on_sasl_over_tls() -> None:
    config = client_config(settings(key="user", secret="password"))

    assert config["security.protocol"] == "SASL_SSL"
    assert config["sasl.mechanism"] == "PLAIN"
    assert (config["sasl.username"], config["sasl.password"]) == ("user", "password")


@pytest.mark.parametrize(
    ("key", "secret", "missing"),
    [("user", None, "KAFKA_CLUSTER_SECRET"), (None, "password", "KAFKA_CLUSTER_KEY")],
)
def test_half_a_key_pair_is_refused_naming_the_other_half(
    key: str | None, secret: str | None, missing: str
) -> None:
    with pytest.raises(SettingsError, match=f"{missing}: missing") as refused:
        client_config(settings(key=key, secret=secret))

    assert "password" not in str(refused.value)


@pytest.mark.parametrize("content", [None, "", "{", "[]", "{}", "3"])
def test_without_a_broker_it_is_said_how_to_get_one(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / BROKER_FILE).write_text(content)

    with pytest.raises(SettingsError, match="run `fleetpulse up` first"):
        embedded_address(tmp_path)


def test_the_embedded_broker_leaves_its_address_while_it_lives(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path)

    assert embedded_address(tmp_path) == broker.address

    broker.close()

    with pytest.raises(SettingsError):
        embedded_address(tmp_path)


def test_the_embedded_broker_listens_on_this_machine_alone(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path)

    assert {address.rpartition(":")[0] for address in broker.address.split(",")} == {"127.0.0.1"}
    broker.close()


def test_a_record_goes_through_the_embedded_broker(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path)
    config = client_config(load(KafkaSettings, data=tmp_path))
    publisher = producer(config)
    publisher.produce("telemetry.pc", key="pc-1", value=b"{}")
    assert publisher.flush(20) == 0

    consumer = Consumer(config | {"group.id": "g", "auto.offset.reset": "earliest"})
    consumer.subscribe([r"^telemetry\..*"])
    record = consumer.poll(20)
    consumer.close()
    broker.close()

    assert record is not None
    assert (record.key(), record.value()) == (b"pc-1", b"{}")


def test_a_producer_doubles_nothing_and_waits_for_all_replicas(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[dict[str, object]] = []
    monkeypatch.setattr(kafka, "Producer", made.append)

    producer({"bootstrap.servers": "broker:9092"})

    assert (made[0]["enable.idempotence"], made[0]["acks"]) == (True, "all")
    assert made[0]["bootstrap.servers"] == "broker:9092"


def test_a_producer_with_impossible_settings_is_refused() -> None:
    with pytest.raises(BrokerError, match="refuses these settings"):
        producer({"no.such.setting": 1})


def test_a_client_that_complains_all_the_time_is_heard_once_a_minute(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("fleetpulse.kafka.time.monotonic", lambda: now[0])
    complaints = Complaints({"bootstrap.servers": "broker:9092"})
    refused, down = KafkaError(KafkaError._TRANSPORT), KafkaError(KafkaError._ALL_BROKERS_DOWN)

    for error in (refused, down, refused, down):
        complaints(error)
    assert len(caplog.messages) == 2
    now[0] += 60
    complaints(refused)

    assert len(caplog.messages) == 3
