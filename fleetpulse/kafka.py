"""Kafka clients from settings, the embedded broker, and the names of our own topics."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._metadata import ClusterMetadata
from confluent_kafka.cimpl import NewTopic

from fleetpulse.address import BROKER_FILE, address_left, running_address
from fleetpulse.errors import BrokerAway, BrokerError, SettingsError, StartError
from fleetpulse.settings import KafkaSettings

ALERTS_TOPIC = "fleetpulse.alerts"
DEAD_LETTER_TOPIC = "fleetpulse.dead-letters"
EMBEDDED_CLUSTER = "mockCluster"  # how its cluster id begins
HOUR_MS = 3_600_000
ANSWER_S = 5.0  # less than END_WITHIN_S of fleetpulse/lifetime.py: who waits cannot be told to stop
COMPLAIN_AGAIN_S = 60.0

log = logging.getLogger(__name__)

# The clients say these again and again; what else they say is of less use.
_LOCKED_OUT = frozenset({KafkaError._AUTHENTICATION, KafkaError._SSL})
_NOT_ALLOWED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.POLICY_VIOLATION,
    }
)


def client_config(settings: KafkaSettings) -> dict[str, Any]:
    """What every client of this cluster needs: address, security, quiet logs.

    Raises SettingsError when no broker is known.
    """
    config: dict[str, Any] = {
        "bootstrap.servers": settings.bootstrap_servers or embedded_address(settings.data),
        "client.id": "fleetpulse",
        # A broker that is away for days is asked again within seconds of its return.
        "reconnect.backoff.max.ms": 5000,
        "log_level": 0,  # librdkafka's own lines are not ours; errors come through error_cb
    }
    if settings.ca_file is not None:
        config |= {"security.protocol": "SSL", "ssl.ca.location": _readable(settings.ca_file)}
    key, secret = settings.cluster_key, settings.cluster_secret
    if key is not None and secret is not None:
        config |= {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": settings.sasl_mechanism,
            "sasl.username": key.get_secret_value(),
            "sasl.password": secret.get_secret_value(),
        }
    return config


def _readable(ca_file: Path) -> str:
    try:
        ca_file.read_bytes()
    except OSError as problem:
        raise SettingsError(
            f"FLEETPULSE_KAFKA_CA: cannot read {ca_file} ({problem.strerror})."
        ) from problem
    return str(ca_file)


def trouble(error: KafkaError, config: Mapping[str, Any]) -> str:
    """What is wrong, where, and what to do, in one sentence without a full stop."""
    servers = config["bootstrap.servers"]
    if error.code() == KafkaError._AUTHENTICATION:
        return (
            f"Kafka at {servers} refuses the user or the password; check KAFKA_CLUSTER_KEY,"
            f" KAFKA_CLUSTER_SECRET and KAFKA_SASL_MECHANISM ({config.get('sasl.mechanism')})"
        )
    if error.code() == KafkaError._SSL:
        trusted = config.get("ssl.ca.location", "the system")
        return (
            f"The certificate of Kafka at {servers} cannot be trusted: none of the CAs of {trusted}"
            " has signed it, or it is for another host name; check FLEETPULSE_KAFKA_CA and"
            " KAFKA_BROKER_SETTINGS"
        )
    return f"Kafka at {servers} does not answer ({error.str()})"


class Heard:
    """An error_cb that keeps what tells most: being locked out goes before not being answered."""

    def __init__(self) -> None:
        self._error: KafkaError | None = None

    def __call__(self, error: KafkaError) -> None:
        if self._error is None or error.code() in _LOCKED_OUT:
            self._error = error

    def or_else(self, error: KafkaError) -> KafkaError:
        """What was heard, if it tells more than `error`."""
        heard = self._error
        return heard if heard is not None and heard.code() in _LOCKED_OUT else error


class Complaints:
    """An error_cb that logs what a client complains of: each kind of trouble once a minute."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._said_at: dict[int, float] = {}  # by the error's code

    def __call__(self, error: KafkaError) -> None:
        now, code = time.monotonic(), error.code()
        if now - self._said_at.get(code, -COMPLAIN_AGAIN_S) >= COMPLAIN_AGAIN_S:
            self._said_at[code] = now
            said = trouble(error, self._config) if is_locked_out(error) else error.str()
            log.warning("broker says", extra={"problem": said})


def is_locked_out(error: KafkaError) -> bool:
    """Whether no waiting helps: the credentials or the certificates are wrong."""
    return error.code() in _LOCKED_OUT


class TopicRefused(BrokerError):
    """A topic is missing, and the broker does not let us make it."""


class Topics:
    """Topics made before the first record goes there, each once.

    Where that is refused it is logged, and whoever publishes goes on: the broker may make it then.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._ready: frozenset[str] = frozenset()

    def ready(self, config: dict[str, Any], names: Iterable[str]) -> None:
        """See to it that these exist. Raises BrokerError when Kafka does not answer."""
        missing = set(names) - self._ready
        if not missing:
            return
        try:
            ensure_topics(
                config,
                missing,
                partitions=self._settings.partitions,
                log_hours=self._settings.log_hours,
            )
        except TopicRefused as problem:
            log.warning("topic not made", extra={"problem": str(problem)})
        self._ready |= missing


def ensure_topics(
    config: dict[str, Any], names: Iterable[str], *, partitions: int, log_hours: int
) -> None:
    """Make the topics that are missing, replicated as the brokers do by default.

    Existing ones stay as they are. The embedded broker makes topics by itself. Raises BrokerAway
    when Kafka does not answer, BrokerError when it refuses us, and TopicRefused when a topic is
    missing and cannot be made; if the account may not, the message says with what command somebody
    else can.
    """
    heard = Heard()
    # Ended here: one that the garbage collector ends in a thread of its own library takes the
    # process with it (confluent-kafka-python #2129).
    with AdminClient(config | {"error_cb": heard}) as admin:
        known = _metadata(admin, config, heard)
        if str(known.cluster_id).startswith(EMBEDDED_CLUSTER):
            return
        missing = set(names) - set(known.topics)
        retention = {"retention.ms": str(log_hours * HOUR_MS)}
        wanted = [NewTopic(name, partitions, -1, config=retention) for name in sorted(missing)]
        for name, made in (
            admin.create_topics(wanted, request_timeout=ANSWER_S) if wanted else {}
        ).items():
            try:
                made.result(timeout=2 * ANSWER_S)
            except KafkaException as problem:
                _judge(name, problem, config, partitions, log_hours)
            else:
                log.info("topic made", extra={"topic": name, "partitions": partitions})


def cluster_seen(config: dict[str, Any], answer_s: float) -> ClusterMetadata:
    """What the cluster says of its brokers and topics.

    Raises BrokerAway when it does not answer in this time, BrokerError when it refuses us.
    """
    heard = Heard()
    with AdminClient(config | {"error_cb": heard}) as admin:
        return _metadata(admin, config, heard, answer_s)


def _metadata(
    admin: AdminClient, config: Mapping[str, Any], heard: Heard, answer_s: float = ANSWER_S
) -> ClusterMetadata:
    try:
        return admin.list_topics(timeout=answer_s)
    except KafkaException as problem:
        admin.poll(0)  # brings what was said meanwhile
        cause = heard.or_else(problem.args[0])
        said = trouble(cause, config)
        if is_locked_out(cause):
            raise BrokerError(f"{said}.") from problem
        raise BrokerAway(f"{said}; start it, or check KAFKA_BROKER_SETTINGS.") from problem


def _judge(
    name: str,
    problem: KafkaException,
    config: Mapping[str, Any],
    partitions: int,
    log_hours: int,
) -> None:
    error: KafkaError = problem.args[0]
    if error.code() == KafkaError.TOPIC_ALREADY_EXISTS:  # another process was faster
        return
    servers = config["bootstrap.servers"]
    if error.code() in _NOT_ALLOWED:
        raise TopicRefused(
            f"There is no topic {name} at {servers}, and this account may not make it; whoever may"
            f" can do so with: kafka-topics.sh --bootstrap-server {servers} --create --topic {name}"
            f" --partitions {partitions} --config retention.ms={log_hours * HOUR_MS}"
        ) from problem
    raise TopicRefused(f"Topic {name} cannot be made at {servers}: {error.str()}.") from problem


def embedded_address(data: Path) -> str:
    """Where the broker of the running `fleetpulse up` listens. Raises SettingsError."""
    file = data / BROKER_FILE
    address = running_address(file)
    if address is None:
        raise SettingsError(
            f"No broker: KAFKA_BROKER_SETTINGS is not set and {file} names none that runs;"
            " run `fleetpulse up` first, or set KAFKA_BROKER_SETTINGS."
        )
    return address


class EmbeddedBroker:
    """A Kafka broker in this process, for one machine and a first look.

    It is librdkafka's mock cluster: in memory, 4 partitions a topic, gone with the process. It
    keeps about 5 MiB a partition and drops older records silently, so fast producers must wait
    for their consumers.
    """

    def __init__(self, data: Path) -> None:
        self._client = Producer({"test.mock.num.brokers": 1, "log_level": 0})
        try:
            brokers = self._client.list_topics(timeout=ANSWER_S).brokers.values()
        except KafkaException as problem:
            raise StartError(f"The embedded broker does not start: {problem}") from problem
        self.address = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
        self._left = ExitStack()
        self._left.enter_context(address_left(data / BROKER_FILE, self.address))

    def close(self) -> None:
        """Take the address away; the broker goes with its process."""
        self._left.close()


def producer(config: dict[str, Any], **more: Any) -> Producer:
    """A producer that repeats without doubling: idempotent, acknowledged by all replicas."""
    settings = {
        "enable.idempotence": True,
        "acks": "all",
        "linger.ms": 5,
        "error_cb": Complaints(config),
    }
    try:
        return Producer(config | settings | more)
    except KafkaException as problem:
        raise BrokerError(f"Kafka refuses these settings: {problem}") from problem
