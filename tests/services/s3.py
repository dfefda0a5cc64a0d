"""S3Proxy, a server that speaks as S3 does and checks signatures, from the jars of Maven Central.

`S3` is its process; the fixture `s3` gives one to the tests of a session. Objects are files in a
folder; their ETags are attributes of the files, so a test changes one by putting it. `SlowWay`
is a way to it that can be made slow.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config

from fleetpulse.secrets import AwsKeys, Secret
from tests.services.maven import JAVA, jars
from tests.services.missing import Unavailable, without
from tests.services.ports import free_ports
from tests.services.server import Server

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

JARS = ("org.gaul:s3proxy:3.1.0",)
KEYS = AwsKeys("fleet", Secret("the-secret-of-fleet"))
WRONG_KEYS = AwsKeys("fleet", Secret("another-secret"))
STRANGER = AwsKeys("stranger", Secret("the-secret-of-fleet"))

PROPERTIES = """\
s3proxy.authorization=aws-v2-or-v4
s3proxy.endpoint=http://127.0.0.1:{port}
s3proxy.identity={identity}
s3proxy.credential={credential}
# boto3 sends checksum headers that it does not know.
s3proxy.ignore-unknown-headers=true
jclouds.provider=filesystem-nio2
jclouds.identity=unused
jclouds.credential=unused
jclouds.filesystem.basedir={folder}
"""
LOGGING = """\
<configuration>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d %level %logger{20} %msg%n</pattern></encoder>
  </appender>
  <root level="warn"><appender-ref ref="out"/></root>
</configuration>
"""


class S3(Server):
    """One server, its objects below `folder`. It can be killed and started again on the same."""

    name = "S3Proxy"

    def __init__(self, folder: Path, jars: Path) -> None:
        super().__init__(folder)
        self._jars = jars
        self._properties, self._logging = folder / "s3.properties", folder / "logback.xml"
        self.objects = folder / "objects"
        self.objects.mkdir()
        (self.port,) = free_ports(1)
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._logging.write_text(LOGGING)
        self._properties.write_text(
            PROPERTIES.format(
                port=self.port,
                identity=KEYS.access_key,
                credential=KEYS.secret.get_secret_value(),
                folder=self.objects,
            )
        )

    def bucket(self) -> str:
        """Make a bucket of a new name."""
        name = f"models-{uuid.uuid4().hex}"
        with contextlib.closing(self.client()) as client:
            client.create_bucket(Bucket=name)
        return name

    def client(self) -> S3Client:
        """A client with the right keys."""
        return boto3.client(
            "s3",
            region_name="us-east-1",
            endpoint_url=self.endpoint,
            aws_access_key_id=KEYS.access_key,
            aws_secret_access_key=KEYS.secret.get_secret_value(),
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )

    def _command(self) -> list[str]:
        options = ("-Xms32m", "-Xmx192m", "-XX:+UseSerialGC")
        logging = f"-Dlogback.configurationFile={self._logging}"
        program = ("org.gaul.s3proxy.Main", "--properties", str(self._properties))
        return ["java", *options, logging, "-cp", f"{self._jars}/*", *program]

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


class SlowWay:
    """A way to a server that holds back its answers as long as `slow` is set."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._door = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.slow = threading.Event()
        self.endpoint = f"http://127.0.0.1:{self._door.getsockname()[1]}"
        threading.Thread(target=self._welcome, daemon=True).start()

    def __enter__(self) -> SlowWay:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for each in (self._door, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _welcome(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                guest, _ = self._door.accept()
                server = socket.create_connection(("127.0.0.1", self._port))
                self._open += [guest, server]
                for one, other in ((guest, server), (server, guest)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := one.recv(65_536):
                if not self.slow.is_set():
                    other.sendall(content)
            other.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """A running server; tests that stop it use `s3.down()`."""
    try:
        server = S3(tmp_path_factory.mktemp("s3"), jars("s3proxy", *JARS))
        server.start()
    except Unavailable as problem:
        without(f"S3Proxy ({problem})", how=JAVA)
    with server:
        yield server
