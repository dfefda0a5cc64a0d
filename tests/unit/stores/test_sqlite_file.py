"""A SQLite file that cannot be used is refused in one sentence, and never harmed."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import event

from fleetpulse.errors import SettingsError, StoreBusy, StoreError
from fleetpulse.stores import sql_retention, sql_schema, sql_sqlite
from fleetpulse.stores.protocols import Resolution
from fleetpulse.stores.sql import SqlStore
from fleetpulse.stores.sql_database import Database
from tests.contracts.builders import NOON, a_heartbeat, a_reading, scored
from tests.contracts.store import a_batch


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fleet.db"


@pytest.fixture
def open_at() -> Iterator[Callable[[Path], SqlStore]]:
    opened: list[SqlStore] = []

    def open_store(path: Path) -> SqlStore:
        opened.append(SqlStore(f"sqlite:///{path}"))
        return opened[-1]

    yield open_store
    for store in opened:
        store.close()


@pytest.fixture
def store(path: Path, open_at: Callable[[Path], SqlStore]) -> SqlStore:
    return open_at(path)


def set_for_connections(store: SqlStore, pragma: str) -> None:
    """Set a pragma on every connection that the store uses from now on."""

    def tune(connection: sqlite3.Connection, *_others: object) -> None:
        connection.execute(f"PRAGMA {pragma}").close()

    event.listen(store.database.engine, "checkout", tune)


def assert_a_sentence(error: StoreError, path: Path) -> None:
    """One sentence that names the file and says what to do."""
    text = str(error)
    assert str(path) in text
    assert text.endswith(".")
    assert "\n" not in text
    assert ": " in text


def test_a_store_and_its_folder_are_made(
    tmp_path: Path, open_at: Callable[[Path], SqlStore]
) -> None:
    path = tmp_path / "of" / "this house" / "fleet.db"

    open_at(path).check()

    assert path.exists()


def test_only_its_owner_may_read_a_new_store(
    path: Path, open_at: Callable[[Path], SqlStore]
) -> None:
    open_at(path).save(a_batch())

    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert path.with_name(f"{path.name}-wal").name in modes
    assert set(modes.values()) == {0o600}


def test_a_store_that_others_may_read_stays_so(
    path: Path, open_at: Callable[[Path], SqlStore]
) -> None:
    open_at(path).close()
    path.chmod(0o640)

    open_at(path).close()

    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_store_is_still_there_when_it_is_opened_again(
    path: Path, open_at: Callable[[Path], SqlStore]
) -> None:
    first = open_at(path)
    first.save(a_batch())
    first.close()

    again = open_at(path)

    assert again.readings.count() == 2
    assert len(again.alerts.page(open_only=True)) == 1


def test_readers_and_a_writer_do_not_wait_for_each_other(store: SqlStore) -> None:
    with store.database.engine.connect() as connection:
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()

    assert mode == "wal"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("I am in the way")

    with pytest.raises(StoreError, match="cannot be made") as refused:
        SqlStore(f"sqlite:///{tmp_path}/file/fleet.db")

    assert_a_sentence(refused.value, tmp_path / "file")


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    garbage = b"device_id,measured_at\npi-1,1795348800000\n" * 500
    path.write_bytes(garbage)

    with pytest.raises(StoreError, match="is not a fleetpulse store") as refused:
        SqlStore(f"sqlite:///{path}")

    assert_a_sentence(refused.value, path)
    assert path.read_bytes() == garbage
    assert list(path.parent.iterdir()) == [path]


def test_a_database_of_another_program_is_refused_and_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE bookmarks (url TEXT)")
    other.close()
    before = path.read_bytes()

    with pytest.raises(StoreError, match="another program") as refused:
        SqlStore(f"sqlite:///{path}")

    assert_a_sentence(refused.value, path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened") as refused:
        SqlStore(f"sqlite:///{tmp_path}")

    assert_a_sentence(refused.value, tmp_path)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:fleet"])
def test_an_address_without_a_file_is_a_wrong_setting(url: str) -> None:
    with pytest.raises(SettingsError, match=r"sqlite:///FILE"):
        SqlStore(url)


def test_a_store_that_another_process_writes_to_is_busy(
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    open_at: Callable[[Path], SqlStore],
) -> None:
    monkeypatch.setattr(sql_sqlite, "WAIT_FOR_LOCK_S", 0.0)
    store = open_at(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreBusy) as busy:
        store.save(a_batch())

    assert busy.value.retry_after_s > 0
    assert isinstance(busy.value.__cause__, Exception)
    assert_a_sentence(busy.value, path)
    assert store.readings.count() == 0  # who asks does not wait
    other.execute("ROLLBACK")
    other.close()
    store.save(a_batch())
    assert store.readings.count() == 2


def test_a_new_store_that_another_process_holds_is_busy(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_sqlite, "WAIT_FOR_LOCK_S", 0.0)
    monkeypatch.setattr(sql_schema, "WAIT_FOR_MIGRATION_S", 0.0)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreBusy):
        SqlStore(f"sqlite:///{path}")

    other.execute("ROLLBACK")
    other.close()
    SqlStore(f"sqlite:///{path}").close()


def test_a_full_disk_loses_nothing_that_is_stored(store: SqlStore, path: Path) -> None:
    store.save(a_batch())
    with store.database.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    many = scored(*(a_reading(at=NOON + 1 + tick) for tick in range(2_000)))
    set_for_connections(store, f"max_page_count = {pages}")

    with pytest.raises(StoreError, match="disk is full") as full:
        store.save(many)

    assert not isinstance(full.value, StoreBusy)
    assert_a_sentence(full.value, path)
    assert store.readings.count() == 2
    set_for_connections(store, "max_page_count = 100000")
    store.save(many)
    assert store.readings.count() == 2_002


def test_a_read_only_store_says_so(store: SqlStore, path: Path) -> None:
    set_for_connections(store, "query_only = ON")

    with pytest.raises(StoreError, match="read-only") as refused:
        store.heartbeats.beat(a_heartbeat())

    assert_a_sentence(refused.value, path)


def test_a_damaged_store_says_so(
    path: Path, store: SqlStore, open_at: Callable[[Path], SqlStore]
) -> None:
    store.save(scored(*(a_reading(at=NOON + tick) for tick in range(2_000))))
    store.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))

    with pytest.raises(StoreError, match="damaged") as refused:
        open_at(path).readings.count()

    assert_a_sentence(refused.value, path)


def test_a_store_whose_file_is_gone_fails_its_check(store: SqlStore, path: Path) -> None:
    store.check()
    path.unlink()

    with pytest.raises(StoreError, match="is gone") as gone:
        store.check()

    assert_a_sentence(gone.value, path)


def test_a_failure_keeps_its_cause(store: SqlStore) -> None:
    with store.database.writes() as connection:
        connection.exec_driver_sql("DROP TABLE chats")

    with pytest.raises(StoreError, match="no such table") as failed:
        store.chats.active()

    assert failed.value.__cause__ is not None


def test_the_newest_of_many_is_found_without_a_search(store: SqlStore) -> None:
    store.save(scored(*(a_reading(f"pi-{number}") for number in range(50))))

    plans = plans_of(store.database, lambda: store.readings.latest_of(["pi-1", "pi-2"]))

    assert plans
    assert not [step for step in plans if step.startswith("SCAN") and "listed" not in step]
    assert not [step for step in plans if "TEMP B-TREE" in step]


def test_a_page_is_found_without_a_search(store: SqlStore) -> None:
    store.save(a_batch())

    plans = plans_of(
        store.database,
        lambda: (
            store.readings.page("pi-1", after=(NOON, 1), since=1),
            store.readings.page("pi-1", after=(NOON, 1), newest_first=True),
            store.readings.rollups("pi-1", Resolution.MINUTE, since=1, after=NOON),
            store.alerts.page(open_only=True),
            store.alerts.page(device_id="pi-1", since=1, before=(NOON, "x")),
            store.alerts.events_page(device_id="pi-1", since=1),
            store.alerts.stored_since(1),
            store.deliveries.due("telegram:", NOON),
            store.rules.changed_since(1),
        ),
    )

    assert not [step for step in plans if "TEMP B-TREE" in step]
    assert not [step for step in plans if is_a_search(step)]


def test_impossible_values_are_found_without_reading_the_others(store: SqlStore) -> None:
    store.save(a_batch())

    plans = plans_of(store.database, lambda: store.readings.rejected_since(["pi-1"], 1))

    assert any("COVERING INDEX readings_rejected" in step for step in plans)
    assert not [step for step in plans if is_a_search(step)]


def is_a_search(step: str) -> bool:
    """Whether a step of a plan reads a table from one end to the other."""
    return step.startswith("SCAN") and "USING INDEX" not in step and "listed" not in step


def test_old_readings_are_deleted_a_few_at_a_time(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that no writer waits for long."""
    monkeypatch.setattr(sql_retention, "CHUNK", 3)
    old = [a_reading(name, at=tick) for name in ("pc-1", "pi-1") for tick in range(7)]
    store.save(scored(*old, a_reading(), a_reading("pi-2")))
    deleted: list[int] = []

    def note(_c: object, cursor: sqlite3.Cursor, statement: str, *_others: object) -> None:
        if statement.startswith("DELETE"):
            deleted.append(cursor.rowcount)

    event.listen(store.database.engine, "after_cursor_execute", note)
    store.prune(Resolution.RAW, NOON)
    event.remove(store.database.engine, "after_cursor_execute", note)

    assert deleted == [3, 3, 1, 3, 3, 1]
    assert store.readings.count() == 2


@pytest.mark.parametrize("newest_first", [False, True])
def test_the_last_page_costs_no_more_than_the_first(store: SqlStore, newest_first: bool) -> None:
    store.save(scored(*(a_reading(at=NOON + tick) for tick in range(3_000))))
    last = (NOON + 10, 1) if newest_first else (NOON + 2_989, 1)

    bounds = {"until": NOON + 3_000} if newest_first else {"since": NOON}

    def page(after: tuple[int, int] | None) -> object:
        return store.readings.page(
            "pi-1", after=after, limit=10, newest_first=newest_first, **bounds
        )

    first_steps = steps_of(store.database, lambda: page(None))
    last_steps = steps_of(store.database, lambda: page(last))

    assert last_steps < first_steps + 10


def steps_of(database: Database, ask: Callable[[], object]) -> int:
    """How many times ten steps of SQLite's machine it takes to answer what `ask` asks."""
    tens = 0

    def count() -> int:
        nonlocal tens
        tens += 1
        return 0

    def watch(connection: sqlite3.Connection, *_others: object) -> None:
        connection.set_progress_handler(count, 10)

    event.listen(database.engine, "checkout", watch)
    ask()
    event.remove(database.engine, "checkout", watch)
    return tens


def plans_of(database: Database, ask: Callable[[], object]) -> list[str]:
    """How SQLite would answer each question that `ask` asks, step by step."""
    asked: list[tuple[str, object]] = []

    def note(_c: object, _cursor: object, statement: str, given: object, *_others: object) -> None:
        asked.append((statement, given))

    event.listen(database.engine, "before_cursor_execute", note)
    ask()
    event.remove(database.engine, "before_cursor_execute", note)
    with sqlite3.connect(database.name) as plain:
        plans = [
            row[3]
            for statement, given in asked
            if statement.startswith("SELECT")
            for row in plain.execute(f"EXPLAIN QUERY PLAN {statement}", given)  # type: ignore[arg-type]
        ]
    plain.close()
    return plans
