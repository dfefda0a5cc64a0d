"""Copies that are made while a process writes are whole, and open as stores."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from fleetpulse.stores.sql import SqlStore
from tests.contracts.builders import NOON, a_chat, a_reading, scored
from tests.contracts.store import a_batch, everything
from tests.services.postgres import PASSWORD, PROGRAMS, USER, Postgres

pytestmark = pytest.mark.integration

WRITER = """
import sys
from fleetpulse.stores.sql import SqlStore
from tests.contracts.builders import NOON, a_reading, scored

store = SqlStore(sys.argv[1])
for tick in range(1, 1_000_000):
    store.save(scored(*(a_reading(name, at=NOON + tick) for name in ("pi-1", "pc-1"))))
    print(tick, flush=True)
"""


@contextmanager
def a_writer(url: str, said: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that saves both devices' readings tick by tick, and says which are committed."""
    with said.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=out)
    try:
        give_up_at = time.monotonic() + 30
        while last_said(said) < 20:
            assert process.poll() is None
            assert time.monotonic() < give_up_at
            time.sleep(0.02)
        yield process
    finally:
        process.kill()
        process.wait()


def last_said(said: Path) -> int:
    whole = said.read_text().rpartition("\n")[0]
    return int(whole.rpartition("\n")[2] or 0)


def assert_whole(store: SqlStore, before: int) -> None:
    """Every tick up to one that is no older than `before`, of both devices."""
    newest = store.readings.latest("pi-1")
    assert newest is not None
    ticks = newest.measured_at - NOON
    assert ticks >= before
    assert store.readings.count("pi-1") == store.readings.count("pc-1") == ticks + 1
    assert store.chats.active() == [a_chat()]
    store.save(scored(a_reading(at=NOON + 90_000_000)))  # of the next day
    assert store.readings.latest("pi-1") == a_reading(at=NOON + 90_000_000)


def test_the_command_copies_a_sqlite_store_that_a_process_writes_to(tmp_path: Path) -> None:
    url, copy = f"sqlite:///{tmp_path}/fleet.db", tmp_path / "copy.db"
    with closing(SqlStore(url)) as store:
        store.save(a_batch())
        store.chats.put(a_chat())
    command = [sys.executable, "-m", "fleetpulse.cli"]

    with a_writer(url, tmp_path / "said") as writer:
        before = last_said(tmp_path / "said")
        environment = {**os.environ, "FLEETPULSE_STORE": url}
        subprocess.run([*command, "backup", str(copy)], env=environment, check=True)
        assert writer.poll() is None  # nobody disturbed it

    with closing(sqlite3.connect(copy)) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    restored = f"sqlite:///{tmp_path}/restored.db"
    environment = {**os.environ, "FLEETPULSE_STORE": restored}
    subprocess.run([*command, "restore", str(copy)], env=environment, check=True)
    with closing(SqlStore(restored)) as store:
        assert_whole(store, before)


def test_pg_dump_copies_a_store_that_a_process_writes_to(
    postgres: Postgres, tmp_path: Path
) -> None:
    dump = tmp_path / "fleet.dump"
    environment = {**os.environ, "PGPASSWORD": PASSWORD}

    def address(name: str) -> str:
        return f"postgresql://{USER}@127.0.0.1:{postgres.port}/{name}"

    with postgres.database() as old, postgres.database(like="template0") as new:
        with closing(SqlStore(postgres.url(old))) as store:
            store.save(a_batch())
            store.chats.put(a_chat())
        with a_writer(postgres.url(old), tmp_path / "said"):
            before = last_said(tmp_path / "said")
            words = [str(PROGRAMS / "pg_dump"), "-Fc", f"--file={dump}", address(old)]
            subprocess.run(words, env=environment, check=True)
        words = [str(PROGRAMS / "pg_restore"), "--exit-on-error", "--no-owner"]
        subprocess.run([*words, f"--dbname={address(new)}", str(dump)], env=environment, check=True)

        with closing(SqlStore(postgres.url(new))) as restored:
            with closing(SqlStore(postgres.url(old))) as source:
                alerts = everything(source, "pi-1", "pc-1")["alerts"]
            assert everything(restored, "pi-1", "pc-1")["alerts"] == alerts
            assert_whole(restored, before)
