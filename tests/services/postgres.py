"""PostgreSQL, a cluster of its own for the tests, from Debian's package.

`Postgres` is the server's process; the fixture `postgres` gives one to the tests of a session.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.services.missing import Unavailable, without
from tests.services.ports import free_ports
from tests.services.server import Server

VERSION = 15
PROGRAMS = Path(f"/usr/lib/postgresql/{VERSION}/bin")
HOW = f"apt-get install postgresql-{VERSION}"
USER, PASSWORD = "fleetpulse", "not very secret"

CONFIGURATION = """\
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
fsync = off
max_connections = 40
shared_buffers = 128MB
max_wal_size = 2GB
"""


class Postgres(Server):
    """One server, its data in `folder`. It can be killed and started again on the same data."""

    name = "PostgreSQL"
    start_s = 30.0
    stop_signal = signal.SIGINT  # fast: it waits for no client
    is_stubborn = True  # of a killed one, some processes may still be there

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._data = folder / "data"
        (self.port,) = free_ports(1)
        self._account = _account(folder)
        self._make(folder)

    def __exit__(self, *_: object) -> None:
        self.stop()

    def url(self, database: str, *, password: str = PASSWORD) -> str:
        """The address of a database as FLEETPULSE_STORE has it."""
        place = f"127.0.0.1:{self.port}/{database}"
        return f"postgresql+psycopg://{USER}:{password.replace(' ', '%20')}@{place}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """A connection of a superuser, in no transaction."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=PASSWORD,
            dbname=database,
            autocommit=True,
            connect_timeout=5,
        )

    def run(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """What a statement gives, by a connection of its own."""
        with self.connect(database) as connection:
            cursor = connection.execute(statement.encode())
            return [] if cursor.description is None else cursor.fetchall()

    @contextlib.contextmanager
    def database(self, *, like: str = "template1") -> Iterator[str]:
        """A database of a new name, dropped at the end: a copy of another that nobody uses."""
        name = f"fleet_{uuid.uuid4().hex}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {like}")
        try:
            yield name
        finally:
            self.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _make(self, folder: Path) -> None:
        words = folder / "password"
        words.write_text(PASSWORD)
        words.chmod(0o644)
        # Sorted by a language, as servers often are, so that only what asks for it goes by bytes.
        done = subprocess.run(
            [
                PROGRAMS / "initdb",
                f"--pgdata={self._data}",
                f"--username={USER}",
                f"--pwfile={words}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--locale-provider=icu",
                "--icu-locale=en-US",
                "--no-sync",
            ],
            capture_output=True,
            check=False,
            cwd=folder,
            **self._account,
        )
        if done.returncode != 0:
            raise Unavailable(f"initdb failed: {done.stderr.decode()[-2000:]}")
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(CONFIGURATION.format(port=self.port))

    def _command(self) -> list[str | Path]:
        return [PROGRAMS / "postgres", "-D", self._data]

    def _how(self) -> dict[str, Any]:
        return {"cwd": self._data, **self._account}

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True


def _account(folder: Path) -> dict[str, Any]:
    """How to run the server: it refuses to be root, so root runs it as the package's own user."""
    if os.geteuid() != 0:
        return {}
    try:
        user = pwd.getpwnam("postgres")
    except KeyError as error:
        raise Unavailable("there is no user postgres to run it as") from error
    os.chown(folder, user.pw_uid, user.pw_gid)
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    return {
        "user": user.pw_uid,
        "group": user.pw_gid,
        "extra_groups": [],
        "env": environment,
    }


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running server; tests that stop it use `postgres.down()` or start it again."""
    # Not in pytest's own folder, which only its owner may enter.
    folder = Path(tempfile.mkdtemp(prefix=f"fleetpulse-postgres-{getpass.getuser()}-"))
    try:
        server = Postgres(folder)
        server.start()
    except (Unavailable, FileNotFoundError) as problem:
        shutil.rmtree(folder, ignore_errors=True)
        without(f"PostgreSQL {VERSION} ({problem})", how=HOW)
    with server:
        yield server
    shutil.rmtree(folder, ignore_errors=True)
