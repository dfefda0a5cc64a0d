"""Apache Kafka, one node in KRaft mode, from the jars of Maven Central.

`Kafka` is the broker's process; the fixture `kafka` gives one to the tests of a session, and
`secured_kafka` one with a second listener that asks for TLS, a user and a password. The jars
(43 MB) are fetched once.
"""

from __future__ import annotations

import contextlib
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclBindingFilter, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.cimpl import NewTopic

from tests.services.certificates import Authority
from tests.services.maven import JAVA, jars
from tests.services.missing import Unavailable, without
from tests.services.ports import free_ports
from tests.services.server import Server

JARS = ("org.apache.kafka:kafka_2.13:4.1.1", "org.slf4j:slf4j-simple:1.7.36")

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}{more_listeners}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}{more_listeners}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL
log.dirs={folder}/log
num.partitions=1
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
# A killed broker may come back only once its old session is over (9 s by default).
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
"""
# Who comes through the plain listener may do all; others what no rule denies.
SECURED_PROPERTIES = """\
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl_ssl.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}="{password}";
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={server_file}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
allow.everyone.if.no.acl.found=true
"""
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True, kw_only=True)
class Door:
    """A listener that asks for TLS, a user and a password."""

    address: str
    ca_file: Path
    user: str = "fleet"
    password: str = "pa55-of-the-fleet"


class Kafka(Server):
    """One broker, its data in `folder`. It can be killed and started again on the same data.

    secured: there is a second listener, behind a `door`. more_properties: of the broker.
    """

    name = "Kafka"

    def __init__(
        self, folder: Path, jars: Path, *, secured: bool = False, more_properties: str = ""
    ) -> None:
        super().__init__(folder)
        self._jars = jars
        self._properties = folder / "server.properties"
        port, controller_port, secured_port = free_ports(3)
        self.bootstrap_servers = f"127.0.0.1:{port}"
        more_listeners = f",SASL_SSL://127.0.0.1:{secured_port}" if secured else ""
        properties = PROPERTIES.format(
            port=port,
            controller_port=controller_port,
            folder=folder,
            more_listeners=more_listeners,
        )
        users: list[str] = []
        self._door: Door | None = None
        if secured:
            authority = Authority(folder)
            door = Door(address=f"127.0.0.1:{secured_port}", ca_file=authority.ca_file)
            properties += SECURED_PROPERTIES.format(
                user=door.user, password=door.password, server_file=authority.server_file()
            )
            users = _scram_users(door)
            self._door = door
        self._properties.write_text(properties + more_properties)
        place = ("-t", str(uuid.uuid4()), "-c", self._properties)
        self._run_to_end("kafka.tools.StorageTool", "format", *place, *users)

    @property
    def door(self) -> Door:
        """The listener behind TLS and passwords; only a secured broker has one."""
        assert self._door is not None
        return self._door

    @contextlib.contextmanager
    def denied(
        self, operation: AclOperation, kind: ResourceType, name: str = "kafka-cluster"
    ) -> Iterator[None]:
        """Deny the door's user this operation on a topic, or the cluster, for the block."""
        everybody = (ResourcePatternType.LITERAL, "User:*", "*", AclOperation.ALL)
        user = (ResourcePatternType.LITERAL, f"User:{self.door.user}", "*", operation)
        rules = [
            AclBinding(kind, name, *everybody, AclPermissionType.ALLOW),
            AclBinding(kind, name, *user, AclPermissionType.DENY),
        ]
        with self._admin() as admin:
            for made in admin.create_acls(rules).values():
                made.result(timeout=30)
            try:
                yield
            finally:
                filters = [_filter_of(rule) for rule in rules]
                for removed in admin.delete_acls(filters).values():
                    removed.result(timeout=30)

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.bootstrap_servers})

    def topic(self, name: str | None = None, *, partitions: int = 1) -> str:
        """Make a topic, by default of a new name, and give its name."""
        name = name or f"topic-{uuid.uuid4().hex}"
        with self._admin() as admin:
            for made in admin.create_topics([NewTopic(name, partitions, 1)]).values():
                made.result(timeout=30)
        return name

    def _command(self) -> list[str]:
        return self._java("kafka.Kafka", self._properties)

    def _answers(self) -> bool:
        config: dict[str, str | int | float | bool] = {
            "bootstrap.servers": self.bootstrap_servers,
            "log_level": 0,
        }
        with AdminClient(config) as admin:
            try:
                return bool(admin.list_topics(timeout=1).brokers)
            except KafkaException:
                return False

    def _run_to_end(self, *command: str | Path) -> None:
        done = subprocess.run(self._java(*command), capture_output=True, check=False)
        if done.returncode != 0:
            raise Unavailable(f"{command[0]} failed: {done.stderr.decode()[-2000:]}")

    def _java(self, *command: str | Path) -> list[str]:
        options = ("-Xms128m", "-Xmx384m", "-XX:+UseSerialGC")
        logging = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        return ["java", *options, logging, "-cp", f"{self._jars}/*", *map(str, command)]


def _scram_users(door: Door) -> list[str]:
    """The words that make the door's user when the broker's storage is formatted."""
    account = f"[name={door.user},password={door.password}]"
    scram = [name for name in MECHANISMS if name.startswith("SCRAM")]
    return [word for name in scram for word in ("--add-scram", f"{name}={account}")]


def _filter_of(rule: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        rule.restype,
        rule.name,
        rule.resource_pattern_type,
        rule.principal,
        rule.host,
        rule.operation,
        rule.permission_type,
    )


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A running broker; tests that stop it use `kafka.down()` or start it again."""
    yield from started(tmp_path_factory.mktemp("kafka"))


@pytest.fixture(scope="session")
def secured_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A running broker with a door."""
    yield from started(tmp_path_factory.mktemp("secured-kafka"), secured=True)


def started(folder: Path, *, secured: bool = False, more_properties: str = "") -> Iterator[Kafka]:
    """A running broker, for a fixture; without one its tests are skipped."""
    try:
        broker = Kafka(
            folder, jars("kafka", *JARS), secured=secured, more_properties=more_properties
        )
        broker.start()
    except Unavailable as problem:
        without(f"Kafka ({problem})", how=JAVA)
    with broker:
        yield broker
