"""A silence begins, gets longer, ends, and is forgotten."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpulse.people import People, Snooze
from fleetpulse.snoozing import KEPT_MS, end_snooze, snooze
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Delivery
from tests.contracts.builders import NOON, an_event, told

HOUR_MS = 3_600_000


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def an_hour(store: MemoryStore, selector: str = "pi-1", *, hours: int = 1, by: str = "") -> Snooze:
    """Somebody silences this for so long from noon."""
    return snooze(store, selector, until=NOON + hours * HOUR_MS, said_by=by, now_ms=NOON)


def waits(store: MemoryStore, until: int) -> None:
    """A message waits until then."""
    event = an_event(at=NOON)
    store.save(told(event, stored_at=NOON))
    waiting = Delivery(event_id=event.event_id, target="telegram:1", due_at=until)
    store.deliveries.plan("telegram", [waiting], NOON)


def due(store: MemoryStore) -> list[int]:
    return [each.due_at for each in store.deliveries.due("", 2**62)]


def test_of_two_the_later_end_holds_and_who_has_said_it(store: MemoryStore) -> None:
    assert an_hour(store, hours=7, by="Ada") == an_hour(store, hours=1, by="Bob")
    found = an_hour(store, hours=9, by="Bob")

    assert found == Snooze(until=NOON + 9 * HOUR_MS, said_by="Bob")
    assert People(store.documents).snoozes.all() == {"pi-1": found}


@given(ends=st.lists(st.integers(NOON, NOON + 3 * KEPT_MS), min_size=1))
def test_no_order_of_snoozes_cuts_one_short(ends: list[int]) -> None:
    store = MemoryStore()

    for until in ends:
        snooze(store, "pi-1", until=until, said_by="", now_ms=NOON)

    found = People(store.documents).snoozes.get("pi-1")
    assert found is not None
    assert found.until == max(ends)


def test_what_ended_over_a_day_ago_is_forgotten_with_the_next_one(store: MemoryStore) -> None:
    kept = People(store.documents).snoozes
    for selector, until in {
        "old": NOON - KEPT_MS - 1,
        "over": NOON - KEPT_MS,
        "lasts": NOON + 1,
    }.items():
        kept.put(selector, Snooze(until=until, said_by=""))

    an_hour(store)

    assert set(kept.all()) == {"over", "lasts", "pi-1"}


def test_what_waits_is_looked_at_anew_when_one_begins_and_when_it_ends(store: MemoryStore) -> None:
    waits(store, NOON + 5)

    an_hour(store)

    assert due(store) == [NOON]
    assert end_snooze(store, "pi-1", NOON)
    assert People(store.documents).snoozes.all() == {}


def test_what_waited_for_its_end_is_looked_at_anew(store: MemoryStore) -> None:
    an_hour(store)
    waits(store, NOON + HOUR_MS)

    assert end_snooze(store, "pi-1", NOON + 1)

    assert due(store) == [NOON + 1]


def test_what_is_over_or_never_was_cannot_be_ended(store: MemoryStore) -> None:
    an_hour(store)
    waits(store, NOON + 2 * HOUR_MS)

    assert not end_snooze(store, "pi-1", NOON + HOUR_MS)
    assert not end_snooze(store, "pi-2", NOON)

    assert due(store) == [NOON + 2 * HOUR_MS]
