"""Kafka behind TLS and passwords: who may gets in, and who may not is told why."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

from fleetpulse import wire
from fleetpulse.errors import BrokerError
from fleetpulse.kafka import client_config, ensure_topics, producer
from fleetpulse.settings import KafkaSettings, load
from tests.services.certificates import Authority
from tests.services.kafka import MECHANISMS, Kafka

pytestmark = pytest.mark.integration


def settings(kafka: Kafka, **changed: str) -> KafkaSettings:
    """Those that let in through the door, but for what is changed."""
    given = {
        "bootstrap_servers": kafka.door.address,
        "cluster_key": kafka.door.user,
        "cluster_secret": kafka.door.password,
        "sasl_mechanism": "SCRAM-SHA-512",
        "ca_file": str(kafka.door.ca_file),
    }
    return load(KafkaSettings, **(given | changed))


def refusal(kafka: Kafka, **changed: str) -> str:
    """What is said to whoever comes with these settings."""
    with pytest.raises(BrokerError) as refused:
        make(kafka, "telemetry.pc", **changed)
    said = str(refused.value)
    assert said.count("\n") == 0
    assert kafka.door.password not in said
    assert "wrong-password" not in said
    return said


def make(kafka: Kafka, topic: str, **changed: str) -> None:
    ensure_topics(client_config(settings(kafka, **changed)), [topic], partitions=3, log_hours=48)


def a_name() -> str:
    return f"telemetry.{uuid.uuid4().hex}"


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_user_and_password_let_in_who_makes_topics_publishes_and_reads(
    secured_kafka: Kafka, mechanism: str
) -> None:
    config = client_config(settings(secured_kafka, sasl_mechanism=mechanism))
    topic = a_name()

    ensure_topics(config, [topic], partitions=3, log_hours=48)
    publisher = producer(config)
    publisher.produce(topic, key="pi-1", value=b"behind the door")
    assert publisher.flush(30) == 0
    consumer = Consumer(config | {"group.id": topic, "auto.offset.reset": "earliest"})
    try:
        consumer.subscribe([topic])
        record = consumer.poll(30)
    finally:
        consumer.close()

    assert record is not None
    assert record.value() == b"behind the door"


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_a_wrong_password_is_said_in_one_sentence(secured_kafka: Kafka, mechanism: str) -> None:
    said = refusal(secured_kafka, cluster_secret="wrong-password", sasl_mechanism=mechanism)

    assert "refuses the user or the password; check KAFKA_CLUSTER_KEY" in said
    assert mechanism in said


def test_a_certificate_of_an_unknown_authority_is_said_in_one_sentence(
    secured_kafka: Kafka, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "somebody else").ca_file

    said = refusal(secured_kafka, ca_file=str(stranger))

    assert f"cannot be trusted: none of the CAs of {stranger}" in said


def test_a_certificate_for_another_host_is_said_in_one_sentence(secured_kafka: Kafka) -> None:
    port = secured_kafka.door.address.rpartition(":")[2]

    said = refusal(secured_kafka, bootstrap_servers=f"localhost:{port}")

    assert "or it is for another host name; check FLEETPULSE_KAFKA_CA" in said


def test_topics_are_made_once_with_their_partitions_and_retention(secured_kafka: Kafka) -> None:
    topic = a_name()
    make(secured_kafka, topic)

    ensure_topics(client_config(settings(secured_kafka)), [topic], partitions=9, log_hours=1)

    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    with AdminClient({"bootstrap.servers": secured_kafka.bootstrap_servers}) as admin:
        partitions = admin.list_topics(timeout=10).topics[topic].partitions
        (config,) = (told.result(10) for told in admin.describe_configs([resource]).values())
    assert len(partitions) == 3
    assert config["retention.ms"].value == str(48 * 3_600_000)


def test_who_may_not_make_a_topic_is_told_the_command_for_who_may(secured_kafka: Kafka) -> None:
    topic = a_name()
    with (
        secured_kafka.denied(AclOperation.CREATE, ResourceType.BROKER),
        secured_kafka.denied(AclOperation.CREATE, ResourceType.TOPIC, topic),
        pytest.raises(BrokerError, match=f"--create --topic {topic} --partitions 3"),
    ):
        make(secured_kafka, topic)

    secured_kafka.topic(topic)
    with secured_kafka.denied(AclOperation.CREATE, ResourceType.TOPIC, topic):
        make(secured_kafka, topic)  # it exists: nothing is to be made


def test_an_agent_delivers_through_the_door(secured_kafka: Kafka, tmp_path: Path) -> None:
    topic = secured_kafka.topic()
    agent = an_agent(secured_kafka, tmp_path, topic, password=secured_kafka.door.password)
    try:
        reader = {"bootstrap.servers": secured_kafka.bootstrap_servers, "group.id": topic}
        consumer = Consumer(reader | {"auto.offset.reset": "earliest"})
        consumer.subscribe([topic])
        record = consumer.poll(30)
        consumer.close()
    finally:
        agent.terminate()
        agent.communicate(timeout=10)

    assert record is not None
    assert wire.decode(record.value())[0].device_id == "pc1"


def test_an_agent_with_a_wrong_password_says_so_and_waits(
    secured_kafka: Kafka, tmp_path: Path
) -> None:
    agent = an_agent(secured_kafka, tmp_path, "telemetry.pc", password="wrong-password")
    assert agent.stderr is not None
    told = next(line for line in agent.stderr if "refuses" in line)
    agent.terminate()
    rest = agent.communicate(timeout=10)[1]

    assert "refuses the user or the password; check KAFKA_CLUSTER_KEY" in told
    assert "wrong-password" not in told + rest
    assert agent.returncode == 0


def an_agent(kafka: Kafka, folder: Path, topic: str, *, password: str) -> subprocess.Popen[str]:
    """A process that measures this machine and comes to the door with this password."""
    door = {
        "KAFKA_BROKER_SETTINGS": kafka.door.address,
        "KAFKA_CLUSTER_KEY": kafka.door.user,
        "KAFKA_CLUSTER_SECRET": password,
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "FLEETPULSE_KAFKA_CA": str(kafka.door.ca_file),
    }
    words = ["pc", "--interval", "0.1", "--data", str(folder), "--topic", topic]
    return subprocess.Popen(
        [sys.executable, "-m", "generators", *words, "--device-id", "pc1"],
        env=os.environ | door,
        stderr=subprocess.PIPE,
        text=True,
    )
