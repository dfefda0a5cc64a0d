"""A process on a store that a newer fleetpulse has migrated writes nothing more, and says so."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from fleetpulse import wire
from fleetpulse.cli.readiness import problems_at
from fleetpulse.kafka import EmbeddedBroker, producer
from fleetpulse.stores import open_store
from fleetpulse.stores.sql_tables import REVISION
from fleetpulse.telemetry import Reading
from tests.integration.processes import running, stopped, until
from tests.services.ports import free_ports

pytestmark = pytest.mark.integration


def migrate(data: Path, version: str) -> None:
    with closing(sqlite3.connect(data / "fleetpulse.db", timeout=30)) as connection:
        connection.execute("UPDATE fleetpulse_version SET version_num = ?", [version])
        connection.commit()


def is_alive(data: Path) -> bool:
    """Whether the process has a store, and has said so there."""
    if not (data / "fleetpulse.db").exists():
        return False
    with closing(open_store(f"sqlite:///{data / 'fleetpulse.db'}")) as store:
        return bool(store.heartbeats.all())


def stored(data: Path) -> int:
    with closing(sqlite3.connect(data / "fleetpulse.db", timeout=30)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM readings").fetchone()
    return int(count)


def told(port: int, part: str) -> str:
    return (problems_at(port) or {}).get(part, "")


@pytest.mark.parametrize("words", [("consumer", "hardware"), ("bot",)], ids=lambda words: words[0])
def test_a_running_process_says_that_its_store_was_migrated(
    tmp_path: Path, words: Sequence[str]
) -> None:
    api, ops = free_ports(2)
    own = {"FLEETPULSE_PORT": str(api), "FLEETPULSE_OPS_PORT": str(ops)}
    with closing(EmbeddedBroker(tmp_path)), running(words, tmp_path, **own) as process:
        until(lambda: is_alive(tmp_path))

        migrate(tmp_path, "9999")
        until(lambda: "has version 9999" in told(ops, "store"))

        migrate(tmp_path, REVISION)
        until(lambda: not told(ops, "store"))
        assert stopped(process) == 0


def test_what_comes_meanwhile_is_stored_once_the_versions_agree(tmp_path: Path) -> None:
    (ops,) = free_ports(1)
    reading = Reading(device_id="pc-1", kind="pc", measured_at=1_000, seq=1)
    with closing(EmbeddedBroker(tmp_path)) as broker:
        client = producer({"bootstrap.servers": broker.address})
        with running(("consumer", "hardware"), tmp_path, FLEETPULSE_OPS_PORT=str(ops)) as process:
            until(lambda: is_alive(tmp_path))
            migrate(tmp_path, "9999")

            client.produce("telemetry.pc", key="pc-1", value=wire.encode(reading))
            assert client.flush(10) == 0
            until(lambda: "has version 9999" in told(ops, "writing"))
            assert stored(tmp_path) == 0

            migrate(tmp_path, REVISION)
            until(lambda: stored(tmp_path) == 1)
            assert stopped(process) == 0
