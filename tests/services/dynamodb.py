"""DynamoDB Local, from the jars of Maven Central.

`DynamoDBLocal` is the server's process; the fixture `dynamodb` gives one to the tests of a session.
The jars (41 MB) are fetched once; SQLite's native library is among them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from fleetpulse.secrets import AwsKeys, Secret
from tests.services.maven import JAVA, jars
from tests.services.missing import Unavailable, without
from tests.services.ports import free_ports
from tests.services.server import Server

JARS = ("software.amazon.dynamodb:DynamoDBLocal:3.1.0",)
MAIN = "software.amazon.dynamodb.services.local.main.ServerRunner"
REGION = "eu-west-1"
# The local server takes any key of letters and digits, and checks nothing.
KEYS = AwsKeys("local", Secret("local"))


class DynamoDBLocal(Server):
    """One server. Its data are in memory, or with `lasting` in `folder` across a kill: slower."""

    name = "DynamoDB Local"

    def __init__(self, folder: Path, jars: Path, *, lasting: bool = False) -> None:
        super().__init__(folder)
        self._folder, self._jars, self._lasting = folder, jars, lasting
        (self.port,) = free_ports(1)
        self.endpoint = f"http://127.0.0.1:{self.port}"
        # Each session parses botocore's description of the service anew: one is enough.
        self._session = boto3.session.Session(
            aws_access_key_id=KEYS.access_key,
            aws_secret_access_key=KEYS.secret.get_secret_value(),
            region_name=REGION,
        )

    def url(self, prefix: str, *, layout: str = "reading", endpoint: str | None = None) -> str:
        """The address of a store on this server, or on a proxy before it."""
        where = self.endpoint if endpoint is None else endpoint
        return f"dynamodb://{prefix}?region={REGION}&endpoint={where}&layout={layout}"

    def client(self) -> Any:
        """boto3's own client, for tests that look at what lies there."""
        return self._session.client(
            "dynamodb",
            endpoint_url=self.endpoint,
            config=Config(connect_timeout=1, read_timeout=5, retries={"total_max_attempts": 1}),
        )

    def drop(self, prefix: str) -> None:
        """Delete the tables of a store, if it has any."""
        with contextlib.closing(self.client()) as client:
            for name in client.list_tables()["TableNames"]:
                if name.startswith(f"{prefix}-"):
                    client.delete_table(TableName=name)

    def _command(self) -> list[str]:
        options = ("-Xmx384m", "-XX:+UseSerialGC", f"-Djava.library.path={self._jars}")
        where = ("-dbPath", str(self._folder)) if self._lasting else ("-inMemory",)
        served = ("-sharedDb", "-port", str(self.port), "-disableTelemetry")
        return ["java", *options, "-cp", f"{self._jars}/*", MAIN, *where, *served]

    def _answers(self) -> bool:
        with contextlib.closing(self.client()) as client:
            try:
                client.list_tables()
            except (BotoCoreError, ClientError):
                return False
        return True


@pytest.fixture(scope="session")
def dynamodb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DynamoDBLocal]:
    """A running server, its data in memory."""
    with _started(tmp_path_factory.mktemp("dynamodb"), lasting=False) as server:
        yield server


@pytest.fixture
def lasting_dynamodb(tmp_path: Path) -> Iterator[DynamoDBLocal]:
    """A running server that can be killed with `down()` and comes back with its data."""
    with _started(tmp_path, lasting=True) as server:
        yield server


def _started(folder: Path, *, lasting: bool) -> DynamoDBLocal:
    try:
        server = DynamoDBLocal(folder, jars("dynamodb", *JARS), lasting=lasting)
        server.start()
    except Unavailable as problem:
        without(f"DynamoDB Local ({problem})", how=JAVA)
    return server
