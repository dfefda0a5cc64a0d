"""What every store promises of the queue of messages."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from fleetpulse.stores.protocols import Progress, Store
from tests.contracts.builders import NOON, SECOND, a_delivery


class DeliveryStoreContract:
    """Subclass once per backend with a `store` fixture; add no tests there."""

    def test_a_reader_that_never_read_is_at_zero(self, store: Store) -> None:
        assert store.deliveries.position("bot") == 0

    def test_planning_adds_deliveries_and_moves_the_reader(self, store: Store) -> None:
        store.deliveries.plan("bot", [a_delivery()], NOON)
        store.deliveries.plan("bot", [], NOON + 1)
        store.deliveries.plan("notify", [], 7)

        assert store.deliveries.position("bot") == NOON + 1
        assert store.deliveries.position("notify") == 7
        assert store.deliveries.due("telegram:", NOON) == [a_delivery()]

    def test_a_delivery_that_exists_is_left_as_it_is(self, store: Store) -> None:
        sent = a_delivery(progress=Progress.SENT, attempts=1, sent_at=NOON)
        store.deliveries.plan("bot", [a_delivery()], NOON)
        store.deliveries.update(sent)

        store.deliveries.plan("bot", [a_delivery(), a_delivery(target="telegram:7")], NOON)

        assert store.deliveries.of_events(["pi-1:heat:1:soon"]) == [
            sent,
            a_delivery(target="telegram:7"),
        ]

    def test_a_delivery_comes_back_as_it_went_in(self, store: Store) -> None:
        full = a_delivery(
            progress=Progress.FAILED,
            attempts=3,
            sent_at=NOON,
            message_id="1234",
            error="Chat nicht gefunden 🤷",
        )

        store.deliveries.plan("bot", [full], NOON)

        assert store.deliveries.of_events([full.event_id]) == [full]

    def test_due_are_the_waiting_ones_whose_time_has_come(self, store: Store) -> None:
        later = a_delivery("later", due_at=NOON + SECOND)
        store.deliveries.plan("bot", [a_delivery("now"), later], NOON)

        assert store.deliveries.due("telegram:", NOON - 1) == []
        assert store.deliveries.due("telegram:", NOON) == [a_delivery("now")]
        assert store.deliveries.due("telegram:", NOON + SECOND) == [a_delivery("now"), later]

    @pytest.mark.parametrize("progress", [p for p in Progress if p is not Progress.WAITING])
    def test_what_does_not_wait_is_not_due(self, store: Store, progress: Progress) -> None:
        store.deliveries.plan("bot", [a_delivery()], NOON)

        store.deliveries.update(a_delivery(progress=progress))

        assert store.deliveries.due("telegram:", NOON) == []

    def test_due_are_those_of_one_kind_of_target(self, store: Store) -> None:
        targets = ["telegram:1", "Telegram:1", "apprise:mail", "telegram%:1", "telegram_:1"]
        store.deliveries.plan("bot", [a_delivery(target=target) for target in targets], NOON)

        assert store.deliveries.due("telegram:", NOON) == [a_delivery(target="telegram:1")]
        assert store.deliveries.due("telegram_", NOON) == [a_delivery(target="telegram_:1")]
        assert len(store.deliveries.due("", NOON)) == 5

    def test_due_come_by_time_then_event_then_target(self, store: Store) -> None:
        in_order = [
            a_delivery("z", due_at=NOON - SECOND),
            a_delivery("a", target="telegram:1"),
            a_delivery("a", target="telegram:2"),
            a_delivery("b", target="telegram:1"),
        ]
        store.deliveries.plan("bot", in_order[::-1], NOON)

        assert store.deliveries.due("telegram:", NOON) == in_order
        assert store.deliveries.due("telegram:", NOON, limit=2) == in_order[:2]

    def test_a_delivery_put_off_is_due_later(self, store: Store) -> None:
        store.deliveries.plan("bot", [a_delivery()], NOON)
        put_off = replace(a_delivery(), due_at=NOON + SECOND, attempts=1, error="Too many requests")

        store.deliveries.update(put_off)

        assert store.deliveries.due("telegram:", NOON) == []
        assert store.deliveries.due("telegram:", NOON + SECOND) == [put_off]

    def test_an_update_of_what_was_never_planned_adds_nothing(self, store: Store) -> None:
        store.deliveries.update(a_delivery())

        assert store.deliveries.of_events(["pi-1:heat:1:soon"]) == []

    def test_deliveries_of_several_events_come_by_event_and_target(self, store: Store) -> None:
        mine = [
            a_delivery(event, target=target) for event in ("a", "b") for target in ("t:1", "t:2")
        ]
        store.deliveries.plan("bot", [*mine[::-1], a_delivery("c")], NOON)

        assert store.deliveries.of_events(["b", "a", "unknown", "a"]) == mine
        assert store.deliveries.of_events([]) == []

    def test_deliveries_of_one_event_come_by_target(self, store: Store) -> None:
        mine = [a_delivery(target="apprise:mail"), a_delivery(target="telegram:1")]
        store.deliveries.plan("bot", [*mine[::-1], a_delivery("another")], NOON)

        assert store.deliveries.of_events(["pi-1:heat:1:soon"]) == mine
        assert store.deliveries.of_events(["unknown"]) == []
