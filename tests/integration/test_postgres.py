"""The PostgreSQL store keeps every promise, among processes, and on a server that fails."""

from __future__ import annotations

import math
import multiprocessing
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from multiprocessing.synchronize import Barrier

import pytest
from sqlalchemy import event, text

from fleetpulse.errors import StoreBusy, StoreError
from fleetpulse.stores import open_store
from fleetpulse.stores.protocols import Resolution, Scored, Store
from fleetpulse.stores.rollups import DAY_MS
from fleetpulse.stores.sql import SqlStore
from fleetpulse.stores.sql_tables import REVISION
from tests.contracts.builders import (
    NOON,
    a_device,
    a_heartbeat,
    a_reading,
    a_state,
    an_event,
    scored,
    told,
)
from tests.contracts.store import PrunedStoreContract, a_batch
from tests.services.postgres import PASSWORD, Postgres

pytestmark = pytest.mark.integration
processes = multiprocessing.get_context("spawn")


@pytest.fixture(scope="module")
def empty(postgres: Postgres) -> Iterator[str]:
    """A database with the tables, which is only copied."""
    with postgres.database() as name:
        SqlStore(postgres.url(name)).close()
        yield name


@pytest.fixture
def name(postgres: Postgres, empty: str) -> Iterator[str]:
    """A database with the tables and nothing in them."""
    with postgres.database(like=empty) as name:
        yield name


@pytest.fixture
def store(postgres: Postgres, name: str) -> Iterator[SqlStore]:
    with closing(SqlStore(postgres.url(name))) as store:
        yield store


def assert_a_sentence(error: StoreError, name: str) -> None:
    """One sentence that names the database, says what to do, and tells no password."""
    said = str(error)
    assert name in said
    assert said.endswith(".")
    assert "\n" not in said
    assert PASSWORD not in "".join(traceback.format_exception(error))


class TestPostgresStore(PrunedStoreContract):
    @pytest.fixture
    def store(self, postgres: Postgres, empty: str) -> Iterator[Store]:
        with postgres.database(like=empty) as name:
            store = SqlStore(postgres.url(name))
            yield store
            store.close()


class TestTables:
    """The tables are those that the code means."""

    def test_every_text_is_ordered_by_its_bytes(self, postgres: Postgres, name: str) -> None:
        other = postgres.run(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND data_type = 'text'"
            " AND collation_name IS DISTINCT FROM 'C' AND column_name NOT IN ('causes', 'scopes')",
            name,
        )

        assert other == []

    def test_a_number_that_is_none_is_missing(self, store: SqlStore) -> None:
        store.save(told(an_event(value=math.nan, probability=0.0)))

        assert store.alerts.events_page() == [an_event(probability=0.0)]
        assert [alert.value for alert in store.alerts.page()] == [None]

    def test_an_address_opens_it(self, postgres: Postgres, name: str) -> None:
        with closing(open_store(postgres.url(name))) as store:
            store.check()

    def test_a_database_of_another_program_is_refused(self, postgres: Postgres) -> None:
        with postgres.database() as name:
            postgres.run("CREATE TABLE bookmarks (url text)", name)

            with pytest.raises(StoreError, match="another program") as refused:
                SqlStore(postgres.url(name))

            assert_a_sentence(refused.value, name)
            assert postgres.run("SELECT tablename FROM pg_tables WHERE schemaname='public'", name)

    def test_a_newer_store_is_refused(self, postgres: Postgres, name: str) -> None:
        postgres.run("UPDATE fleetpulse_version SET version_num = '9999'", name)

        with pytest.raises(StoreError, match=f"9999, this fleetpulse reads {REVISION}") as refused:
            SqlStore(postgres.url(name))

        assert_a_sentence(refused.value, name)


def days_of(postgres: Postgres, name: str, table: str = "readings") -> list[str]:
    """The days that have a table of their own."""
    found = postgres.run("SELECT tablename FROM pg_tables WHERE tablename ~ '_[0-9]{8}$'", name)
    tables = [row[0].split("_") for row in found]
    return sorted(day for owner, day in tables if owner == table)


class TestDays:
    """Readings lie in a table for each day, so that giving up a day is a drop."""

    def test_days_are_made_for_readings_early_late_and_to_come(
        self, postgres: Postgres, name: str, store: SqlStore
    ) -> None:
        times = [NOON - 300 * DAY_MS, NOON, NOON + DAY_MS, 0, 2**62]

        store.save(scored(*(a_reading(at=at) for at in times)))

        assert days_of(postgres, name) == ["20260126", "20261122", "20261123"]
        assert store.readings.count("pi-1") == 5
        assert store.readings.latest("pi-1") == a_reading(at=2**62)

    def test_thousands_of_wrong_dates_make_no_tables_and_are_kept_until_they_are_given_up(
        self, postgres: Postgres, name: str, store: SqlStore
    ) -> None:
        store.prune(Resolution.RAW, NOON - 14 * DAY_MS)
        wrong = [a_reading(at=NOON - days * DAY_MS) for days in range(15, 5_015)]

        store.save(scored(*wrong, a_reading(at=NOON)))

        assert days_of(postgres, name) == ["20261122"]
        assert store.readings.count("pi-1") == 5_001
        assert store.readings.page("pi-1", limit=1) == [wrong[-1]]
        store.prune(Resolution.RAW, NOON - 14 * DAY_MS)
        assert store.readings.page("pi-1") == [a_reading(at=NOON)]

    def test_more_days_than_a_transaction_may_lock_are_made_and_dropped_in_several(
        self, postgres: Postgres, name: str, store: SqlStore
    ) -> None:
        """Nothing was given up yet; each table made holds some of the server's 6,400 locks."""
        store.save(scored(*(a_reading(at=NOON - days * DAY_MS) for days in range(120))))

        assert len(days_of(postgres, name)) == 120
        assert store.readings.count("pi-1") == 120

        store.prune(Resolution.RAW, NOON - 10 * DAY_MS)

        assert len(days_of(postgres, name)) == store.readings.count("pi-1") == 11

    def test_old_days_are_dropped(self, postgres: Postgres, name: str, store: SqlStore) -> None:
        buckets = [("pi-1", NOON - days * DAY_MS) for days in range(3)]
        store.save(scored(*(a_reading(at=start) for _, start in buckets)))
        store.roll(Resolution.MINUTE, buckets)

        store.prune(Resolution.RAW, NOON)
        store.prune(Resolution.MINUTE, NOON - DAY_MS)

        assert days_of(postgres, name) == ["20261122"]
        assert days_of(postgres, name, "minutes") == ["20261121", "20261122"]

    def test_a_late_reading_of_a_day_that_another_process_dropped_is_kept(
        self, postgres: Postgres, name: str, store: SqlStore
    ) -> None:
        store.save(scored(a_reading()))
        with closing(SqlStore(postgres.url(name))) as other:
            other.prune(Resolution.RAW, NOON + DAY_MS)

        store.save(scored(a_reading()))

        assert store.readings.count() == 1
        assert days_of(postgres, name) == []

    def test_the_newest_of_many_is_found_without_a_search(self, store: SqlStore) -> None:
        names = [f"pi-{number:03}" for number in range(200)]
        for day in range(4):
            at = NOON - day * DAY_MS
            store.save(
                scored(*(a_reading(name, at=at + tick) for name in names for tick in range(9)))
            )
        with store.database.writes() as connection:
            connection.execute(text("ANALYZE"))

        plan = self.plan_of(store, lambda: store.readings.latest_of(names[:20]))

        assert "Seq Scan" not in plan
        assert "Sort" not in plan
        assert "never executed" in plan  # older days are not looked into

    def plan_of(self, store: SqlStore, ask: Callable[[], object]) -> str:
        """How PostgreSQL answers what `ask` asks."""
        plans: list[str] = []

        def note(_c: object, cursor: object, statement: str, given: object, *_o: object) -> None:
            cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF) {statement}", given)  # type: ignore[attr-defined]
            plans.append("\n".join(row[0] for row in cursor.fetchall()))  # type: ignore[attr-defined]

        event.listen(store.database.engine, "before_cursor_execute", note)
        ask()
        event.remove(store.database.engine, "before_cursor_execute", note)
        return plans[-1]


def a_batch_of(device_id: str, number: int) -> Scored:
    """The number-th batch of one device, of a day of its own, with a device and an event."""
    first = NOON + number * DAY_MS
    return scored(
        *(a_reading(device_id, at=first + tick) for tick in range(100)),
        a_reading("shared", at=first, seq=1),
        new_devices=[a_device(f"{device_id}.{number}"), a_device("shared")],
        states=[a_state("shared"), a_state(device_id)],
        events=[an_event(device_id=device_id, episode=number + 1, at=first)],
        stored_at=first,
    )


def save_batches(url: str, device_id: str, batches: int, together: Barrier) -> None:
    together.wait()
    with closing(SqlStore(url)) as store:
        for number in range(batches):
            store.save(a_batch_of(device_id, number))
            store.roll(Resolution.MINUTE, [("shared", NOON + number * DAY_MS)])
            store.prune(Resolution.RAW, NOON - DAY_MS)


def make_stores(urls: list[str], together: Barrier) -> None:
    for url in urls:
        together.wait(30)  # not for one that has failed
        SqlStore(url).close()


class TestProcesses:
    """Several processes share one database."""

    def test_of_processes_that_make_the_same_store_at_once_one_wins(
        self, postgres: Postgres
    ) -> None:
        together = processes.Barrier(3)
        with ExitStack() as stack:
            names = [stack.enter_context(postgres.database()) for _ in range(6)]
            urls = [postgres.url(name) for name in names]
            makers = [
                processes.Process(target=make_stores, args=(urls, together)) for _ in range(3)
            ]

            for maker in makers:
                maker.start()
            for maker in makers:
                maker.join(60)

            assert [maker.exitcode for maker in makers] == [0, 0, 0]
            for name in names:
                version = postgres.run("SELECT version_num FROM fleetpulse_version", name)
                assert version == [(REVISION,)]

    def test_processes_that_make_the_same_store_at_once_share_it(self, postgres: Postgres) -> None:
        together = processes.Barrier(3)
        with postgres.database() as name:
            writers = [
                processes.Process(
                    target=save_batches, args=(postgres.url(name), f"pi-{n}", 5, together)
                )
                for n in range(3)
            ]

            for writer in writers:
                writer.start()
            for writer in writers:
                writer.join(60)

            assert [writer.exitcode for writer in writers] == [0, 0, 0]
            with closing(SqlStore(postgres.url(name))) as store:
                assert store.readings.count() == 3 * 5 * 100 + 5
                assert len(store.alerts.events_page()) == 15

    def test_a_reader_of_the_outbox_misses_nothing_while_many_write(self, store: SqlStore) -> None:
        """Moments grow in the order of commits, whoever took one first."""
        writers = [threading.Thread(target=self.tell, args=(store, n)) for n in range(4)]
        for writer in writers:
            writer.start()

        seen: set[str] = set()
        upto = 0
        while True:
            over = not any(writer.is_alive() for writer in writers)
            for stored in store.alerts.stored_since(upto + 1):
                seen.add(stored.event.event_id)
                upto = max(upto, stored.stored_at)
            if over:
                break

        assert len(seen) == 4 * 30

    def tell(self, store: SqlStore, number: int) -> None:
        for episode in range(30):
            event = an_event(device_id=f"pi-{number}", episode=episode)
            store.save(told(event, stored_at=NOON - number))


BUSY = ("40001", "40P01", "55P03", "57014", "53300", "53400", "57P01", "57P03")
FAILED = ("53100", "25006", "42501", "58030", "XX001", "08006", "28P01", "3D000", "P0001")


def fail_with(store: SqlStore, state: str) -> None:
    """Have the server raise an error of this SQLSTATE."""
    with store.database.writes() as connection:
        raised = f"RAISE EXCEPTION 'as you wish' USING ERRCODE = '{state}'"
        connection.exec_driver_sql(f"DO $$ BEGIN {raised}; END $$")


class TestFailures:
    """What fails is told by its code, in a sentence without a secret."""

    @pytest.mark.parametrize("state", BUSY)
    def test_what_passes_by_itself_asks_for_time(
        self, name: str, store: SqlStore, state: str
    ) -> None:
        with pytest.raises(StoreBusy) as busy:
            fail_with(store, state)

        assert busy.value.retry_after_s > 0
        assert_a_sentence(busy.value, name)

    @pytest.mark.parametrize("state", FAILED)
    def test_what_somebody_must_mend_says_so(self, name: str, store: SqlStore, state: str) -> None:
        with pytest.raises(StoreError) as failed:
            fail_with(store, state)

        assert not isinstance(failed.value, StoreBusy)
        assert_a_sentence(failed.value, name)

    def test_a_wrong_password_is_refused_and_not_told(self, postgres: Postgres, name: str) -> None:
        wrong = "hunter" + "2"  # a traceback tells this line

        with pytest.raises(StoreError, match="user, password") as refused:
            SqlStore(postgres.url(name, password=wrong))

        assert_a_sentence(refused.value, name)
        assert wrong not in "".join(traceback.format_exception(refused.value))

    def test_nothing_that_a_store_shows_has_the_password(self, store: SqlStore) -> None:
        shown = [repr(part) for part in (store, store.database, store.database.engine)]

        assert PASSWORD not in " ".join([*shown, store.database.name])

    def test_a_read_only_server_says_so(self, postgres: Postgres, name: str) -> None:
        postgres.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")

        with closing(SqlStore(postgres.url(name))) as store:
            store.heartbeats.all()
            with pytest.raises(StoreError, match="read-only") as refused:
                store.heartbeats.beat(a_heartbeat())

        assert_a_sentence(refused.value, name)

    def test_a_lock_that_is_held_too_long_asks_for_time(
        self, postgres: Postgres, name: str
    ) -> None:
        impatient = f"{postgres.url(name)}?options=-c%20lock_timeout%3D100"
        with closing(SqlStore(impatient)) as store, postgres.connect(name) as other:
            with other.transaction():
                other.execute("LOCK TABLE heartbeats")

                with pytest.raises(StoreBusy, match="lock"):
                    store.heartbeats.beat(a_heartbeat())

            store.heartbeats.beat(a_heartbeat())

    def test_an_answer_that_takes_too_long_asks_for_time(
        self, postgres: Postgres, name: str
    ) -> None:
        impatient = f"{postgres.url(name)}?options=-c%20statement_timeout%3D100"
        with (
            closing(SqlStore(impatient)) as store,
            pytest.raises(StoreBusy, match="too long"),
            store.database.reads() as connection,
        ):
            connection.execute(text("SELECT pg_sleep(10)"))

    def test_connections_that_the_server_closed_are_replaced(
        self, postgres: Postgres, name: str, store: SqlStore
    ) -> None:
        store.save(a_batch())

        postgres.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            " AND application_name = 'fleetpulse'"
        )

        assert store.readings.count() == 2

    def test_a_connection_that_is_lost_in_mid_save_leaves_nothing(
        self, postgres: Postgres, name: str, store: SqlStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(store.alerts, "save_states", lambda *_: postgres.restart())

        with pytest.raises(StoreError) as lost:
            store.save(a_batch())

        assert_a_sentence(lost.value, name)
        monkeypatch.undo()
        assert store.readings.count() == 0
        store.save(a_batch())
        assert store.readings.count() == 2

    def test_a_store_heals_when_its_server_comes_back(
        self, postgres: Postgres, name: str, store: SqlStore
    ) -> None:
        store.save(a_batch())

        with postgres.down():
            for ask in (store.check, store.readings.count, lambda: store.save(a_batch())):
                with pytest.raises(StoreError) as gone:
                    ask()
                assert_a_sentence(gone.value, name)

        store.check()
        store.save(a_batch())
        assert store.readings.count() == 2

    def test_a_server_that_is_down_refuses_to_open(self, postgres: Postgres, name: str) -> None:
        with postgres.down(), pytest.raises(StoreError, match="cannot be reached") as gone:
            SqlStore(postgres.url(name))

        assert_a_sentence(gone.value, name)
