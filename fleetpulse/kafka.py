"""Kafka clients from settings, the embedded broker, and the names of our own topics."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException, Producer

from fleetpulse.errors import BrokerError, SettingsError, StartError
from fleetpulse.settings import KafkaSettings

ALERTS_TOPIC = "fleetpulse.alerts"
DEAD_LETTER_TOPIC = "fleetpulse.dead-letters"
ADDRESS_FILE = "broker.json"


def client_config(settings: KafkaSettings) -> dict[str, Any]:
    """What every client of this cluster needs: address, security, quiet logs.

    Raises SettingsError when no broker is known.
    """
    config: dict[str, Any] = {
        "bootstrap.servers": settings.bootstrap_servers or embedded_address(settings.data),
        "client.id": "fleetpulse",
        # A broker that is away for days is asked again within seconds of its return.
        "reconnect.backoff.max.ms": 5000,
        "log_level": 3,
    }
    key, secret = settings.cluster_key, settings.cluster_secret
    if key is not None and secret is not None:
        config |= {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": settings.sasl_mechanism,
            "sasl.username": key.get_secret_value(),
            "sasl.password": secret.get_secret_value(),
        }
    return config


def embedded_address(data: Path) -> str:
    """Where the broker of the running `fleetpulse up` listens. Raises SettingsError."""
    path = data / ADDRESS_FILE
    try:
        address = json.loads(path.read_text())["bootstrap_servers"]
    except (OSError, ValueError, KeyError, TypeError):
        raise SettingsError(
            f"No broker: KAFKA_BROKER_SETTINGS is not set and {path} names none;"
            " run `fleetpulse up` first, or set KAFKA_BROKER_SETTINGS."
        ) from None
    return str(address)


class EmbeddedBroker:
    """A Kafka broker in this process, for one machine and a first look.

    It is librdkafka's mock cluster: in memory, 4 partitions a topic, gone with the process. It
    keeps about 5 MiB a partition and drops older records silently, so fast producers must wait
    for their consumers.
    """

    def __init__(self, data: Path) -> None:
        self._path = data / ADDRESS_FILE
        self._client = Producer({"test.mock.num.brokers": 1, "log_level": 0})
        try:
            brokers = self._client.list_topics(timeout=10).brokers.values()
        except KafkaException as problem:
            raise StartError(f"The embedded broker does not start: {problem}") from problem
        self.address = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
        document = {"bootstrap_servers": self.address, "pid": os.getpid()}
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(document))
        partial.replace(self._path)

    def close(self) -> None:
        """Take the address away; the broker goes with its process."""
        self._path.unlink(missing_ok=True)


def producer(config: dict[str, Any], **more: Any) -> Producer:
    """A producer that repeats without doubling: idempotent, acknowledged by all replicas."""
    settings = {"enable.idempotence": True, "acks": "all", "linger.ms": 5}
    try:
        return Producer(config | settings | more)
    except KafkaException as problem:
        raise BrokerError(f"Kafka refuses these settings: {problem}") from problem
