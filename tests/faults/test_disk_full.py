"""The disk is full under the spool or under SQLite: it is said, nothing breaks, it recovers.

A small tmpfs where one may be mounted; else, and besides, a limit on the size of files, which
needs no rights. See test_agent_offline.py for the oracle.
"""

from __future__ import annotations

import resource
import sqlite3
import time
from pathlib import Path

import pytest

from fleetpulse.stores.protocols import Store
from generators.spool import MEMORY_READINGS
from tests.faults.agents import FarKafka, World
from tests.faults.conftest import Size
from tests.faults.fleet import Fleet
from tests.faults.report import Fault, Report
from tests.faults.stack import Scene
from tests.services.kafka import Kafka
from tests.services.small_disk import small_disk

pytestmark = pytest.mark.integration

LIMIT_BYTES = 64 * 1024
FULL_S = 5.0  # how long a disk stays full
CAUGHT_UP_S = 60.0
SAID_S = 60.0


def limit_files() -> None:
    """Let this process write no file that is larger; whoever started it can lift that again."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, hard))


def lift_limit(process_id: int) -> None:
    """Let it write files of any size."""
    _, hard = resource.prlimit(process_id, resource.RLIMIT_FSIZE)
    resource.prlimit(process_id, resource.RLIMIT_FSIZE, (hard, hard))


def test_under_the_spool(far_kafka: FarKafka, report: Report, size: Size, tmp_path: Path) -> None:
    readings = size.of(2_500, 10_000)
    with (
        report.row(Fault.DISK_FULL, "spool, tmpfs", f"{readings:,} readings on a full disk") as row,
        small_disk(tmp_path / "disk", 128) as disk,
    ):
        world = World(far_kafka, tmp_path, agent_folder=disk.folder)
        try:
            with world.proxy.cut():
                disk.fill(but_bytes=64 * 1024)
                world.agent.start(readings)
                world.agent.wait_for_readings(readings)
                disk.make_room()
            world.agent.deliver_all()

            verdict = world.verdict()
        finally:
            world.close()
        row.found = str(verdict)
        assert not verdict.faults, verdict.faults
        assert verdict.dropped > 0
        assert verdict.stored >= MEMORY_READINGS
        assert "No space left on device" in world.agent.said()


def test_under_the_spool_by_a_limit_on_files(
    far_kafka: FarKafka, report: Report, tmp_path: Path
) -> None:
    readings = MEMORY_READINGS
    with report.row(
        Fault.DISK_FULL, "spool, RLIMIT_FSIZE", f"{readings:,} readings, files up to 64 KiB"
    ) as row:
        world = World(far_kafka, tmp_path)
        try:
            with world.proxy.cut():
                world.agent.start(readings + 1, before=limit_files)
                world.agent.wait_for_readings(readings)
                lift_limit(world.agent.process_id)
            world.agent.deliver_all()

            verdict = world.verdict()
        finally:
            world.close()
        row.found = str(verdict)
        assert not verdict.faults, verdict.faults
        assert verdict.dropped == 0
        said = world.agent.said()
        assert "No space left on device" in said or "File too large" in said


def test_under_sqlite(
    kafka: Kafka, fleet: Fleet, undisturbed: Store, report: Report, size: Size, tmp_path: Path
) -> None:
    times = size.of(1, 4)
    with (
        report.row(Fault.DISK_FULL, "SQLite, tmpfs", f"{times} times for {FULL_S:g} s") as row,
        small_disk(tmp_path / "disk", size.of(96, 320) * 1024) as disk,
    ):
        store = disk.folder / "fleetpulse.db"
        scene = Scene(kafka, tmp_path, url=f"sqlite:///{store}")
        member = scene.member()
        member.start()
        try:
            with scene.load(fleet.records) as load:
                for _ in range(times):
                    scene.wait_for_progress(5_000)
                    disk.fill()
                    said = member.last_words().count("disk is full")
                    scene.wait_until(
                        lambda: member.last_words().count("disk is full") > said,  # noqa: B023
                        SAID_S,
                        "the consumer does not say that the disk is full",
                    )
                    time.sleep(FULL_S)
                    assert intact(store)
                    disk.make_room()
                scene.wait_for_progress(5_000)
                load.enough()
                load.join()
                seconds = scene.catch_up(load, CAUGHT_UP_S)

            verdict = scene.verdict(load, undisturbed)
        finally:
            scene.close()
        row.found = f"{verdict}; caught up in {seconds:.1f} s"
        assert not verdict.faults, verdict.faults
        assert member.ended_itself == 0
        assert intact(store)


def intact(database: Path) -> bool:
    """Whether SQLite finds nothing wrong with a file."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    finally:
        connection.close()
