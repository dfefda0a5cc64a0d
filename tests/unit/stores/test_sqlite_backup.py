"""A copy of a SQLite store is whole, is there at once or not at all, and opens as a store."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fleetpulse.errors import StoreError
from fleetpulse.stores.sql import SqlStore
from fleetpulse.stores.sql_tables import REVISION
from fleetpulse.stores.sqlite_backup import back_up, restore
from tests.contracts.builders import NOON, a_chat, a_reading, scored
from tests.contracts.store import a_batch, everything
from tests.unit.stores.test_migrations import change, old_store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fleet.db"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "copies"
    folder.mkdir()
    return folder / "fleet.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqlStore]:
    """A store in use, with something of everything."""
    with closing(SqlStore(f"sqlite:///{path}")) as opened:
        opened.save(a_batch())
        opened.chats.put(a_chat())
        yield opened


def test_a_copy_of_a_store_in_use_opens_with_all_that_was_stored(
    store: SqlStore, path: Path, copy: Path
) -> None:
    copied = back_up(path, copy)

    assert (copied.readings, copied.version) == (2, REVISION)
    assert list(copy.parent.iterdir()) == [copy]  # all of it in one file
    with closing(SqlStore(f"sqlite:///{copy}")) as opened:
        assert everything(opened, "pi-1", "pc-1") == everything(store, "pi-1", "pc-1")
        assert opened.chats.active() == [a_chat()]


def test_a_copy_has_what_was_committed_before_it_began_while_a_writer_writes(
    store: SqlStore, path: Path, copy: Path
) -> None:
    """The writer keeps writing through every copy, and each copy is a prefix of what it wrote."""
    written = 0
    stop, began = threading.Event(), threading.Event()

    def write() -> None:
        nonlocal written
        while not stop.is_set():
            tick = written + 1
            store.save(scored(*(a_reading(name, at=NOON + tick) for name in ("pi-1", "pc-1"))))
            written = tick
            began.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        began.wait(10)
        for _ in range(5):
            before = written
            back_up(path, copy, replace=True)
            after = written + 1  # one more may be stored and not counted yet
            with closing(sqlite3.connect(copy)) as opened:
                assert opened.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                found = opened.execute(
                    "SELECT device_id, count(*), max(measured_at) FROM readings"
                    " GROUP BY device_id ORDER BY device_id"
                ).fetchall()
            ticks = found[0][2] - NOON
            # Both devices to the same tick, none missing: transactions are there whole.
            assert found == [(name, ticks + 1, NOON + ticks) for name in ("pc-1", "pi-1")]
            assert before <= ticks <= after
    finally:
        stop.set()
        writer.join()


def test_only_its_owner_may_read_a_copy(store: SqlStore, path: Path, copy: Path) -> None:
    back_up(path, copy)

    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_a_file_that_is_there_stays_unless_it_may_be_replaced(
    store: SqlStore, path: Path, copy: Path
) -> None:
    copy.write_text("mine")

    with pytest.raises(StoreError, match="is there already"):
        back_up(path, copy)
    assert copy.read_text() == "mine"

    back_up(path, copy, replace=True)
    SqlStore(f"sqlite:///{copy}").close()


def test_a_store_is_never_copied_over_itself(store: SqlStore, path: Path) -> None:
    with pytest.raises(StoreError, match="is there already"):
        back_up(path, path, replace=True)

    assert store.readings.count() == 2


def test_a_damaged_store_is_not_copied_over_a_good_copy(path: Path, copy: Path) -> None:
    with closing(SqlStore(f"sqlite:///{path}")) as store:
        store.save(scored(*(a_reading(at=NOON + tick) for tick in range(2_000))))
    back_up(path, copy)
    good = copy.read_bytes()
    with path.open("r+b") as file:
        file.seek(path.stat().st_size - 4096 * 20)
        file.write(b"\xff" * 4096 * 10)

    with pytest.raises(StoreError, match=r"damaged|cannot be copied"):
        back_up(path, copy, replace=True)

    assert copy.read_bytes() == good
    assert list(copy.parent.iterdir()) == [copy]


def test_an_index_that_disagrees_with_its_table_is_damage(path: Path, copy: Path) -> None:
    """What only the check of the whole finds: every page can be read."""
    with closing(SqlStore(f"sqlite:///{path}")) as store:
        store.save(a_batch())
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("CREATE INDEX of_mine ON readings (seq)")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = 'CREATE INDEX of_mine ON readings (measured_at)'"
            " WHERE name = 'of_mine'"
        )
        connection.commit()

    with pytest.raises(StoreError, match="damaged"):
        back_up(path, copy)

    assert not copy.exists()


def test_a_copy_that_cannot_be_put_there_says_so(store: SqlStore, path: Path) -> None:
    folder = path.parent / "not mounted"

    with pytest.raises(StoreError, match="There is no folder .+: make it, or mount"):
        back_up(path, folder / "fleet.db")

    assert not folder.exists()


def test_a_store_is_restored_into_a_folder_that_is_made(
    store: SqlStore, path: Path, copy: Path
) -> None:
    back_up(path, copy)
    (path.parent / "file").write_text("in the way")

    restore(copy, path.parent / "data" / "fleet.db")
    with pytest.raises(StoreError, match="cannot be made"):
        restore(copy, path.parent / "file" / "fleet.db")

    assert (path.parent / "data" / "fleet.db").is_file()


def test_a_store_that_is_not_there_is_not_made(path: Path, copy: Path) -> None:
    with pytest.raises(StoreError, match="There is no store"):
        back_up(path, copy)

    assert not path.exists()


def test_a_store_of_an_older_version_is_copied_as_it_is(path: Path, copy: Path) -> None:
    """Before an upgrade: the fleetpulse that was there can go on with the copy."""
    old_store(path)

    assert back_up(path, copy).version == "0001"

    for each in (path, copy):
        with closing(sqlite3.connect(each)) as opened:
            assert opened.execute("SELECT version FROM schema_version").fetchall() == [(1,)]


def test_a_restored_copy_is_the_store_again(store: SqlStore, path: Path, copy: Path) -> None:
    back_up(path, copy)
    before = everything(store, "pi-1", "pc-1")
    new = path.parent / "elsewhere" / "fleet.db"

    restore(copy, new)

    with closing(SqlStore(f"sqlite:///{new}")) as opened:
        assert everything(opened, "pi-1", "pc-1") == before
        with opened.database.engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file to another user")
def test_what_root_restores_belongs_to_the_user_of_the_folder(
    store: SqlStore, path: Path, copy: Path
) -> None:
    back_up(path, copy)
    folder = path.parent / "of another"
    folder.mkdir()
    os.chown(folder, 12345, 12346)

    restore(copy, folder / "fleet.db")

    found = (folder / "fleet.db").stat()
    assert (found.st_uid, found.st_gid) == (12345, 12346)
    assert stat.S_IMODE(found.st_mode) == 0o600


def test_a_restored_copy_of_an_older_version_is_brought_up_to_date(path: Path, copy: Path) -> None:
    old_store(path)
    back_up(path, copy)
    new = path.parent / "new.db"

    restore(copy, new)

    with closing(SqlStore(f"sqlite:///{new}")) as opened:
        assert opened.readings.count() == 2


def test_a_copy_of_a_newer_fleetpulse_is_not_restored(path: Path, copy: Path) -> None:
    SqlStore(f"sqlite:///{path}").close()
    change(path, "UPDATE fleetpulse_version SET version_num = '9999'")
    back_up(path, copy)
    new = path.parent / "new.db"

    with pytest.raises(StoreError, match=f"version 9999, this fleetpulse reads {REVISION}"):
        restore(copy, new)

    assert not new.exists()


@pytest.mark.parametrize("left", ["fleet.db", "fleet.db-wal", "fleet.db-shm"])
def test_a_copy_is_not_restored_over_a_store_or_what_is_left_of_one(
    store: SqlStore, path: Path, copy: Path, left: str
) -> None:
    """SQLite would take the rest of the lost store for the newest part of the copy."""
    back_up(path, copy)
    new = path.parent / "new"
    new.mkdir()
    (new / left).write_text("mine")

    with pytest.raises(StoreError, match=f"move {left} in {new} away"):
        restore(copy, new / "fleet.db")

    assert [(each.name, each.read_text()) for each in new.iterdir()] == [(left, "mine")]


def a_database_of_another_program(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")


def a_text(path: Path) -> None:
    path.write_text("x" * 10_000)


def nothing(path: Path) -> None:
    return


@pytest.mark.parametrize("made", [a_database_of_another_program, a_text, nothing])
def test_what_is_no_copy_of_a_store_is_refused_in_one_sentence(
    tmp_path: Path, made: object
) -> None:
    wrong, new = tmp_path / "wrong.db", tmp_path / "new.db"
    assert callable(made)
    made(wrong)

    with pytest.raises(StoreError) as refused:
        restore(wrong, new)

    assert str(wrong) in str(refused.value)
    assert str(refused.value).endswith(".")
    assert not new.exists()
