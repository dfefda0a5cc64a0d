"""A store as one channel sees it: its own rows, its own place, and all else as it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpulse.actions.own_queue import only
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Chat, Delivery
from tests.contracts.builders import NOON

MAIL, MAIL_2 = "notify:mail", "notify:mail-2"


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def waiting(number: int, target: str) -> Delivery:
    """A delivery that is due."""
    return Delivery(event_id=f"event-{number:03}", target=target, due_at=NOON)


@given(
    targets=st.lists(st.sampled_from([MAIL, MAIL_2, "notify:m", "telegram:1"]), max_size=40),
    limit=st.integers(1, 10),
)
def test_it_gives_its_own_rows_and_as_many_as_there_are(targets: list[str], limit: int) -> None:
    store = MemoryStore()
    rows = [waiting(number, target) for number, target in enumerate(targets)]
    store.deliveries.plan("all", rows, 1)

    due = only(store, MAIL).deliveries.due("notify:", NOON, limit=limit)

    assert due == [row for row in rows if row.target == MAIL][:limit]


def test_each_has_its_own_place_in_the_outbox(store: MemoryStore) -> None:
    only(store, MAIL).deliveries.plan("notify", [waiting(1, MAIL)], 7)

    assert only(store, MAIL).deliveries.position("notify") == 7
    assert only(store, MAIL_2).deliveries.position("notify") == 0


def test_each_is_told_alone(store: MemoryStore) -> None:
    for target in (MAIL, MAIL_2, "telegram:1"):
        store.chats.put(Chat(chat_id=target, title="", subscribed_at=NOON))

    assert [chat.chat_id for chat in only(store, MAIL).chats.active()] == [MAIL]
    assert only(store, MAIL).chats.get(MAIL_2) is not None


def test_all_else_is_the_store_itself(store: MemoryStore) -> None:
    own = only(store, MAIL)

    assert own.alerts is store.alerts
    assert own.look_every_s == store.look_every_s
