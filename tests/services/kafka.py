"""Apache Kafka, one node in KRaft mode, from the jars of Maven Central.

`Kafka` is the broker's process; the fixture `kafka` gives one to the tests of a session. The jars
(43 MB) are fetched once, into ~/.cache/fleetpulse.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.services.missing import without

VERSION = "4.1.1"
START_S = 60.0
HOW = "install Java 17 and Maven (Debian: apt install default-jre-headless maven)"

POM = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>fleetpulse</groupId>
  <artifactId>kafka-for-tests</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>{VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
"""

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


class KafkaUnavailable(Exception):
    """Kafka cannot be had on this machine; the message says why."""


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
        raise KafkaUnavailable(f"Kafka does not start; it said:\n{self._last_words()}")

    def _run_to_end(self, *command: str | Path) -> None:
        done = subprocess.run(self._java(*command), capture_output=True, check=False)
        if done.returncode != 0:
            raise KafkaUnavailable(f"{command[0]} failed: {done.stderr.decode()[-2000:]}")

    def _java(self, *command: str | Path) -> list[str]:
        options = ("-Xms128m", "-Xmx384m", "-XX:+UseSerialGC")
        logging = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        return ["java", *options, logging, "-cp", f"{self._jars}/*", *map(str, command)]

    def _last_words(self) -> str:
        return self._output.read_text(errors="replace")[-2000:]


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def kafka_jars() -> Path:
    """The folder of the jars, fetched if need be. Raises KafkaUnavailable."""
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise KafkaUnavailable(f"there is no `{program}`")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "fleetpulse"
    cache.mkdir(parents=True, exist_ok=True)
    jars = cache / f"kafka-{VERSION}"
    with (cache / "kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test runs may come here at once
        if not jars.exists():
            _fetch(jars)
    return jars


def _fetch(jars: Path) -> None:
    with tempfile.TemporaryDirectory(dir=jars.parent) as folder:
        (Path(folder) / "pom.xml").write_text(POM)
        done = subprocess.run(
            ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=jars"],
            cwd=folder,
            capture_output=True,
            check=False,
        )
        if done.returncode != 0:
            raise KafkaUnavailable(f"Maven failed: {done.stdout.decode()[-2000:]}")
        (Path(folder) / "jars").rename(jars)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A running broker; tests that stop it use `kafka.down()` or start it again."""
    try:
        broker = Kafka(tmp_path_factory.mktemp("kafka"), kafka_jars())
        broker.start()
    except KafkaUnavailable as problem:
        without(f"Kafka ({problem})", how=HOW)
    with broker:
        yield broker
