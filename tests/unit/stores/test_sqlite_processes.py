"""Several processes share one SQLite store, and one that dies leaves it whole."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
from contextlib import closing
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from fleetpulse.stores.protocols import Scored
from fleetpulse.stores.sql import SqlStore
from tests.contracts.builders import NOON, a_device, a_reading, an_event, scored
from tests.contracts.old_stores import dump

pytestmark = pytest.mark.integration

BATCH = 200
processes = multiprocessing.get_context("spawn")


def a_batch_of(device_id: str, number: int) -> Scored:
    """The number-th batch of one device, with a device and an event of its own."""
    first = NOON + number * BATCH
    return scored(
        *(a_reading(device_id, at=first + tick) for tick in range(BATCH)),
        new_devices=[a_device(f"{device_id}.{number}")],
        events=[an_event(device_id=device_id, episode=number + 1, at=first)],
        stored_at=first,
    )


def save_batches(path: str, device_id: str, batches: int, together: Barrier) -> None:
    together.wait()
    store = SqlStore(f"sqlite:///{path}")
    for number in range(batches):
        store.save(a_batch_of(device_id, number))
    store.close()


def die_while_saving(path: str) -> None:
    store = SqlStore(f"sqlite:///{path}")
    store.save(a_batch_of("pi-1", 0))
    store.alerts.save_events = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign]
    store.save(a_batch_of("pi-1", 1))


def die_after_saving(path: str) -> None:
    store = SqlStore(f"sqlite:///{path}")
    store.save(a_batch_of("pi-1", 0))
    os.kill(os.getpid(), signal.SIGKILL)


def assert_whole(path: Path) -> None:
    with sqlite3.connect(path) as plain:
        assert plain.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert plain.execute("SELECT count(*) FROM fleetpulse_version").fetchall() == [(1,)]
    plain.close()


def test_processes_that_make_the_same_store_at_once_share_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "fleet.db"
    together = processes.Barrier(3)
    writers = [
        processes.Process(target=save_batches, args=(str(path), f"pi-{n}", 2, together))
        for n in range(3)
    ]

    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)

    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    store = SqlStore(f"sqlite:///{path}")
    assert store.readings.count() == 3 * 2 * BATCH
    assert len(store.alerts.stored_since(0)) == 6
    store.close()
    assert_whole(path)


def test_processes_that_meet_an_old_store_at_once_migrate_it_once(tmp_path: Path) -> None:
    path = tmp_path / "fleet.db"
    with closing(sqlite3.connect(path)) as old:
        old.executescript(dump(1))
    together = processes.Barrier(3)
    writers = [
        processes.Process(target=save_batches, args=(str(path), f"pi-{n}", 1, together))
        for n in range(10, 13)
    ]

    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)

    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    with closing(SqlStore(f"sqlite:///{path}")) as store:
        assert store.readings.count() == 2 + 3 * BATCH
    assert_whole(path)


def test_a_reader_sees_whole_batches_while_another_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "fleet.db"
    store = SqlStore(f"sqlite:///{path}")
    together = processes.Barrier(2)
    writer = processes.Process(target=save_batches, args=(str(path), "pi-1", 30, together))
    writer.start()
    together.wait()

    seen = set()
    while writer.is_alive():
        seen.add(store.readings.count("pi-1"))

    writer.join(60)
    assert writer.exitcode == 0
    assert {count % BATCH for count in seen} == {0}
    assert store.readings.count() == 30 * BATCH
    store.close()


@pytest.mark.parametrize("death", [die_while_saving, die_after_saving])
def test_a_process_that_is_killed_leaves_what_it_had_saved_and_nothing_by_half(
    tmp_path: Path, death: object
) -> None:
    path = tmp_path / "fleet.db"
    victim = processes.Process(target=death, args=(str(path),))  # type: ignore[arg-type]

    victim.start()
    victim.join(60)

    assert victim.exitcode == -signal.SIGKILL
    assert_whole(path)
    store = SqlStore(f"sqlite:///{path}")
    assert store.readings.count() == BATCH
    assert [device.device_id for device in store.devices.page()] == ["pi-1.0"]
    assert [event.episode for event in store.alerts.events_page()] == [1]
    store.save(a_batch_of("pi-1", 1))
    assert store.readings.count() == 2 * BATCH
    store.close()
