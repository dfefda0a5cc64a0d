"""Apache Kafka, one node in KRaft mode, from the jars of Maven Central.

`Kafka` is the broker's process; the fixture `kafka` gives one to the tests of a session. The jars
(43 MB) are fetched once.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.services.maven import JAVA, jars
from tests.services.missing import Unavailable, without
from tests.services.ports import free_ports

JARS = ("org.apache.kafka:kafka_2.13:4.1.1", "org.slf4j:slf4j-simple:1.7.36")
START_S = 60.0

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
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


class Kafka:
    """One broker, its data in `folder`. It can be killed and started again on the same data."""

    def __init__(self, folder: Path, jars: Path) -> None:
        self._folder = folder
        self._jars = jars
        self._process: subprocess.Popen[bytes] | None = None
        self._properties = folder / "server.properties"
        self._output = folder / "output.txt"
        port, controller_port = free_ports(2)
        self.bootstrap_servers = f"127.0.0.1:{port}"
        self._properties.write_text(
            PROPERTIES.format(port=port, controller_port=controller_port, folder=folder)
        )
        self._run_to_end(
            "kafka.tools.StorageTool", "format", "-t", str(uuid.uuid4()), "-c", self._properties
        )

    def __enter__(self) -> Kafka:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def process_id(self) -> int | None:
        """Of the running broker; None: it is down."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the broker on the data it has, and wait until it answers."""
        if self._process is not None:
            return
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                self._java("kafka.Kafka", self._properties),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # a Ctrl-C is for the tests, not for the broker
            )
        self._wait_until_it_answers()

    def kill(self) -> None:
        """End the broker as `kill -9` does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End the broker as an orderly shutdown does."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=START_S)
            self._process = None

    def restart(self) -> None:
        """Kill it and start it again on the same data and ports."""
        self.kill()
        self.start()

    @contextlib.contextmanager
    def down(self) -> Iterator[None]:
        """Kill it for the length of a block; it is up again afterwards, whatever happens."""
        self.kill()
        try:
            yield
        finally:
            self.start()

    def topic(self, name: str | None = None, *, partitions: int = 1) -> str:
        """Make a topic, by default of a new name, and give its name."""
        name = name or f"topic-{uuid.uuid4().hex}"
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers})
        for made in admin.create_topics([NewTopic(name, partitions, 1)]).values():
            made.result(timeout=30)
        return name

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
        until = time.monotonic() + START_S
        while time.monotonic() < until and self._process.poll() is None:
            with contextlib.suppress(KafkaException):
                if admin.list_topics(timeout=1).brokers:
                    return
        self.kill()
        raise Unavailable(f"Kafka does not start; it said:\n{self._last_words()}")

    def _run_to_end(self, *command: str | Path) -> None:
        done = subprocess.run(self._java(*command), capture_output=True, check=False)
        if done.returncode != 0:
            raise Unavailable(f"{command[0]} failed: {done.stderr.decode()[-2000:]}")

    def _java(self, *command: str | Path) -> list[str]:
        options = ("-Xms128m", "-Xmx384m", "-XX:+UseSerialGC")
        logging = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        return ["java", *options, logging, "-cp", f"{self._jars}/*", *map(str, command)]

    def _last_words(self) -> str:
        return self._output.read_text(errors="replace")[-2000:]


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A running broker; tests that stop it use `kafka.down()` or start it again."""
    try:
        broker = Kafka(tmp_path_factory.mktemp("kafka"), jars("kafka", *JARS))
        broker.start()
    except Unavailable as problem:
        without(f"Kafka ({problem})", how=JAVA)
    with broker:
        yield broker
