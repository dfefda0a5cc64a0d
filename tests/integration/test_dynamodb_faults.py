"""DynamoDB that throttles, fails and goes away: a save is repeated, and nothing is lost."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from fleetpulse.alerts import Position, Status
from fleetpulse.clock import ManualClock
from fleetpulse.errors import StoreBusy, StoreError
from fleetpulse.settings import Retention
from fleetpulse.stores import open_store
from fleetpulse.stores.dynamodb import DynamoStore
from fleetpulse.stores.protocols import Resolution, Scored, Store
from tests.contracts.builders import (
    NOON,
    SECOND,
    a_device,
    a_reading,
    a_state,
    an_episode,
    an_event,
    scored,
    told,
)
from tests.contracts.store import everything
from tests.services.dynamodb import KEYS, DynamoDBLocal
from tests.services.dynamodb_proxy import DENIED, INTERNAL, THROTTLING, THROUGHPUT, DynamoDBProxy

pytestmark = pytest.mark.integration
LONG = Retention(raw_days=36_500, minute_days=36_500, hour_days=36_500)
LAYOUTS = pytest.mark.parametrize("layout", ["reading", "minute"])
BEFORE = told(an_event(device_id="pi-2"))  # so that the outbox has a moment already
_numbers = itertools.count()


@pytest.fixture
def proxy(dynamodb: DynamoDBLocal) -> Iterator[DynamoDBProxy]:
    with DynamoDBProxy(dynamodb.endpoint) as proxy:
        yield proxy


@pytest.fixture
def prefix(dynamodb: DynamoDBLocal) -> Iterator[str]:
    prefix = f"faults{next(_numbers)}"
    yield prefix
    dynamodb.drop(prefix)


def a_store(
    dynamodb: DynamoDBLocal, prefix: str, layout: str, proxy: DynamoDBProxy | None = None
) -> DynamoStore:
    endpoint = None if proxy is None else proxy.endpoint
    url = dynamodb.url(prefix, layout=layout, endpoint=endpoint)
    return DynamoStore(url, aws=KEYS, retention=LONG)


def a_fleet(readings: int, devices: int = 1_000) -> Scored:
    """Readings of many devices, one after the other."""
    return scored(
        *(
            a_reading(f"pi-{n % devices}", at=NOON + n // devices * SECOND, seq=n)
            for n in range(readings)
        )
    )


def a_batch() -> Scored:
    """Something of everything, of two devices."""
    return scored(
        *(a_reading(f"pi-{n}", at=NOON + n, rejected=n) for n in range(2)),
        new_devices=[a_device(f"pi-{n}") for n in range(2)],
        events=[*an_episode("pi-0")[:2], an_event(device_id="pi-1")],
        states=[
            a_state(f"pi-{n}", level=Status.SOON, episode=1, judged=Position("log", 7))
            for n in range(2)
        ],
        stored_at=NOON,
    )


def all_of(store: Store) -> dict[str, Any]:
    names = [f"pi-{n}" for n in range(3)]
    return {
        **everything(store, *names),
        "rejected": dict(store.readings.rejected_since(names, 0)),
        "open": store.alerts.page(open_only=True),
    }


@LAYOUTS
def test_a_third_of_all_writes_unprocessed_loses_nothing(
    dynamodb: DynamoDBLocal, proxy: DynamoDBProxy, prefix: str, layout: str
) -> None:
    with closing(a_store(dynamodb, prefix, layout, proxy)) as store:
        proxy.faults.unprocessed = 0.3

        for _ in range(2 if layout == "minute" else 1):  # the second time, chunks are moved
            store.save(a_fleet(20_000))

        assert proxy.faults.given_back > 0
        assert store.readings.count() == 20_000


@LAYOUTS
@pytest.mark.parametrize("error", [THROUGHPUT, THROTTLING])
def test_a_store_that_throttles_is_busy_and_takes_the_same_batch_later(
    dynamodb: DynamoDBLocal, proxy: DynamoDBProxy, prefix: str, layout: str, error: str
) -> None:
    with closing(a_store(dynamodb, prefix, layout, proxy)) as store:
        proxy.faults.refuse_with = error
        with pytest.raises(StoreBusy) as busy:
            store.save(a_fleet(2_000))

        proxy.faults.heal()
        store.save(a_fleet(2_000))

        assert busy.value.retry_after_s > 0
        assert store.readings.count() == 2_000


def test_writes_that_stay_unprocessed_make_the_store_busy(
    dynamodb: DynamoDBLocal, proxy: DynamoDBProxy, prefix: str
) -> None:
    url = dynamodb.url(prefix, endpoint=proxy.endpoint)
    clock = ManualClock(NOON)
    with closing(DynamoStore(url, aws=KEYS, retention=LONG, clock=clock)) as store:
        proxy.faults.unprocessed = 1.0
        with pytest.raises(StoreBusy):
            store.save(scored(a_reading()))

        assert 5_000 <= clock.now_ms() - NOON <= 7_000
        assert store.readings.count() == 0


@pytest.mark.parametrize("fault", ["500", "reset", "slow"])
def test_a_store_that_fails_now_and_then_loses_nothing(
    dynamodb: DynamoDBLocal, proxy: DynamoDBProxy, prefix: str, fault: str
) -> None:
    with closing(a_store(dynamodb, prefix, "reading", proxy)) as store:
        if fault == "500":
            proxy.faults.refuse_with, proxy.faults.refuse_after = INTERNAL, 3
        else:
            proxy.faults.reset, proxy.faults.slow_s = (0.2, 0) if fault == "reset" else (0, 0.2)
        for _ in range(20):
            try:
                store.save(BEFORE)
                store.save(a_batch())
                break
            except StoreError:
                proxy.faults.refuse_with = None
        proxy.faults.heal()
        saved = all_of(store)

    assert saved == undisturbed(dynamodb, "reading")


@LAYOUTS
@pytest.mark.parametrize("lose_answers", [False, True], ids=["not-done", "done-but-not-told"])
def test_a_save_that_ends_at_any_call_is_completed_by_its_repeat(
    dynamodb: DynamoDBLocal, proxy: DynamoDBProxy, layout: str, lose_answers: bool
) -> None:
    expected = undisturbed(dynamodb, layout)
    ended_at = 0
    while True:
        prefix = f"faults{next(_numbers)}"
        if not ends_at(ended_at, dynamodb, proxy, prefix, layout, lose_answers):
            dynamodb.drop(prefix)
            break
        with closing(a_store(dynamodb, prefix, layout)) as successor:
            successor.save(a_batch())
            repeated = all_of(successor)
        dynamodb.drop(prefix)
        assert repeated == expected, f"ended at call {ended_at}"
        ended_at += 1
    assert ended_at > 10


def ends_at(
    call: int,
    dynamodb: DynamoDBLocal,
    proxy: DynamoDBProxy,
    prefix: str,
    layout: str,
    lose_answers: bool,
) -> bool:
    """Save, and end at that call; whether there are so many calls."""
    with closing(a_store(dynamodb, prefix, layout, proxy)) as store:
        store.save(BEFORE)
        faults = proxy.faults
        faults.refuse_with, faults.refuse_after, faults.lose_answers = DENIED, call, lose_answers
        try:
            store.save(a_batch())
        except StoreError:
            return True
        finally:
            faults.heal()
    return False


def undisturbed(dynamodb: DynamoDBLocal, layout: str) -> dict[str, Any]:
    """What a save leaves that nothing disturbs."""
    prefix = f"faults{next(_numbers)}"
    with closing(a_store(dynamodb, prefix, layout)) as store:
        store.save(BEFORE)
        store.save(a_batch())
        expected = all_of(store)
    dynamodb.drop(prefix)
    return expected


def test_a_server_that_was_away_is_used_again(lasting_dynamodb: DynamoDBLocal) -> None:
    with closing(a_store(lasting_dynamodb, "fleet", "reading")) as store:
        store.save(scored(a_reading()))
        with lasting_dynamodb.down(), pytest.raises(StoreError) as away:
            store.save(scored(a_reading(at=NOON + SECOND)))

        store.save(scored(a_reading(at=NOON + SECOND)))

        assert not isinstance(away.value, StoreBusy)
        assert store.readings.count() == 2


def test_two_writers_with_events_leave_no_gap_for_a_reader(
    dynamodb: DynamoDBLocal, prefix: str
) -> None:
    """A reader that goes on after the newest moment it has seen, while two others write."""
    done = threading.Event()
    failures: list[BaseException] = []

    def write(store: Store, name: str) -> None:
        try:
            for episode in range(1, 26):
                store.save(told(an_event(device_id=name, episode=episode), stored_at=NOON))
        except BaseException as failure:
            failures.append(failure)

    with (
        closing(a_store(dynamodb, prefix, "reading")) as one,
        closing(a_store(dynamodb, prefix, "reading")) as other,
    ):
        writers = [
            threading.Thread(target=write, args=(store, f"pi-{n}"))
            for n, store in enumerate((one, other))
        ]
        for writer in writers:
            writer.start()
        seen, position = list[str](), 0
        while not done.is_set():
            if not any(writer.is_alive() for writer in writers):
                done.set()
            for stored in one.alerts.stored_since(position + 1):
                seen.append(stored.event.event_id)
                position = stored.stored_at

    assert failures == []
    assert len(seen) == 50
    assert len(set(seen)) == 50


def test_what_has_expired_is_not_shown_though_it_is_there(
    dynamodb: DynamoDBLocal, prefix: str
) -> None:
    for layout in ("reading", "minute"):
        name = f"{prefix}-{layout}"
        url, clock = dynamodb.url(name, layout=layout), ManualClock(NOON)
        week = Retention(raw_days=7, minute_days=8, hour_days=9)
        with closing(DynamoStore(url, aws=KEYS, retention=week, clock=clock)) as store:
            store.save(scored(a_reading(rejected=1)))
            assert store.readings.latest("pi-1") is not None

            clock.advance(7 * 86_400 + 60)

            with closing(dynamodb.client()) as client:
                assert client.scan(TableName=f"{name}-readings")["Count"] == 1
            assert store.readings.latest("pi-1") is None
            assert store.readings.latest_of(["pi-1"]) == {}
            assert store.readings.page("pi-1") == []
            assert (store.readings.count("pi-1"), store.readings.count()) == (0, 0)
            assert store.readings.rejected_since(["pi-1"], 0) == {}


@pytest.mark.parametrize("layout", ["reading", "minute"])
def test_a_reading_that_was_surely_stored_before_stays_as_it_is(
    dynamodb: DynamoDBLocal, prefix: str, layout: str
) -> None:
    """After a kill in the middle of a save its status is told by a later state of the alert."""
    with closing(a_store(dynamodb, prefix, layout)) as store:
        first, second = a_reading(status=Status.SOON), a_reading(at=NOON + 1)
        store.save(scored(first))
        again = scored(a_reading(status=Status.STRESSED), second)

        store.save(replace(again, rows=replace(again.rows, stored_before={0, 1})))

        assert store.readings.page("pi-1") == [first, second]


def test_readings_that_come_again_change_nothing_in_a_minute_that_is_still_open(
    dynamodb: DynamoDBLocal, prefix: str
) -> None:
    clock = ManualClock(NOON + 30_000)
    first = [a_reading(f"pi-{number}", status=Status.SOON) for number in range(40)]
    url = dynamodb.url(prefix, layout="minute")
    with closing(DynamoStore(url, aws=KEYS, retention=LONG, clock=clock)) as store:
        store.save(scored(*first))
        again = [msgspec.structs.replace(reading, status=Status.STRESSED) for reading in first]
        for number, reading in enumerate(again):  # a chunk each, wherever its hash puts it
            parts = scored(reading, a_reading("pc-1", seq=number))
            store.save(replace(parts, rows=replace(parts.rows, stored_before={0})))
        names = [reading.device_id for reading in first]

        opened = store.readings.latest_of(names)
        clock.advance(180)
        store.save(scored())

        assert opened == {reading.device_id: reading for reading in first}
        assert [store.readings.page(name) for name in names] == [[reading] for reading in first]


@pytest.mark.parametrize("layout", ["reading", "minute"])
def test_what_has_expired_costs_no_request_each(
    dynamodb: DynamoDBLocal, prefix: str, layout: str
) -> None:
    url, clock = dynamodb.url(prefix, layout=layout), ManualClock(NOON)
    week = Retention(raw_days=7, minute_days=8, hour_days=9)
    hour_ms = 3_600_000
    with closing(DynamoStore(url, aws=KEYS, retention=week, clock=clock)) as store:
        old = [a_reading(at=NOON - hours * hour_ms) for hours in range(100)]
        store.save(scored(*old))
        store.roll(Resolution.MINUTE, [("pi-1", reading.measured_at) for reading in old])
        clock.advance(9 * 86_400)
        asked: list[str] = []
        store._dynamo._client.meta.events.register(
            "before-call.dynamodb", lambda model, **_: asked.append(model.name)
        )

        assert store.readings.latest("pi-1") is None
        assert store.readings.page("pi-1", limit=1, newest_first=True) == []
        assert store.readings.rollups("pi-1", Resolution.MINUTE, limit=1) == []

        assert len(asked) <= 5


def test_several_processes_make_the_tables_at_once(dynamodb: DynamoDBLocal, prefix: str) -> None:
    stores: list[DynamoStore] = []
    starters = [
        threading.Thread(target=lambda: stores.append(a_store(dynamodb, prefix, "reading")))
        for _ in range(4)
    ]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    for store in stores:
        store.check()
        store.close()

    assert len(stores) == 4


def test_a_store_of_another_layout_is_refused(dynamodb: DynamoDBLocal, prefix: str) -> None:
    a_store(dynamodb, prefix, "reading").close()

    with pytest.raises(StoreError, match="has layout reading and format 1, not minute and 1"):
        a_store(dynamodb, prefix, "minute")


def test_an_account_that_may_not_make_tables_is_told_so(
    dynamodb: DynamoDBLocal, proxy: DynamoDBProxy, prefix: str
) -> None:
    proxy.faults.refuse_with, proxy.faults.only = DENIED, frozenset({"CreateTable"})

    with pytest.raises(StoreError, match=rf"no DynamoDB table {prefix}-readings.*may not make it"):
        a_store(dynamodb, prefix, "reading", proxy)


def test_a_store_whose_tables_are_gone_fails_its_check(
    dynamodb: DynamoDBLocal, prefix: str
) -> None:
    store = open_store(dynamodb.url(prefix), aws=KEYS)
    dynamodb.drop(prefix)

    with closing(store), pytest.raises(StoreError, match="is gone: restart fleetpulse"):
        store.check()
