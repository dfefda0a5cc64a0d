"""What every store promises as a whole: all at once or nothing, and the same again is nothing."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any, cast

import pytest

from fleetpulse.alerts import Severity, Status
from fleetpulse.stores.protocols import Scored, Store
from tests.contracts.alert_store import AlertStoreContract
from tests.contracts.builders import (
    NOON,
    a_chat,
    a_device,
    a_heartbeat,
    a_reading,
    a_state,
    an_episode,
    an_event,
    ids,
    rows,
    scored,
)
from tests.contracts.delivery_store import DeliveryStoreContract
from tests.contracts.device_store import DeviceStoreContract
from tests.contracts.owner_stores import (
    ChatStoreContract,
    DocumentStoreContract,
    HeartbeatStoreContract,
    KeyStoreContract,
    RuleStoreContract,
)
from tests.contracts.reading_store import ReadingStoreContract
from tests.contracts.rollup_store import PruneContract, RollupStoreContract


def everything(store: Store, *device_ids: str) -> dict[str, Any]:
    """All that save() can change, as it is read back."""
    return {
        "readings": [store.readings.page(name, limit=10_000) for name in device_ids],
        "count": store.readings.count(),
        "devices": store.devices.page(limit=10_000),
        "states": sorted(store.alerts.states_of(device_ids), key=lambda s: (s.device_id, s.rule)),
        "events": store.alerts.events_page(limit=10_000),
        "outbox": store.alerts.stored_since(0, limit=10_000),
        "alerts": store.alerts.page(limit=10_000),
    }


def a_batch() -> Scored:
    """Something of everything."""
    return scored(
        a_reading(status=Status.SOON, causes=["heat"]),
        a_reading("pc-1"),
        new_devices=[a_device(), a_device("pc-1", kind="pc")],
        states=[a_state(level=Status.SOON, episode=1), a_state("pc-1")],
        events=an_episode()[:1],
        stored_at=NOON,
    )


def event_that_fails() -> Scored:
    """A batch whose last part cannot be stored: no severity is called so."""
    broken = an_event(device_id="pc-1", severity=cast(Severity, "nonsense"))
    return replace(a_batch(), events=[*an_episode()[:1], broken])


class SaveContract:
    """Subclass once per backend with a `store` fixture; add no tests there."""

    def test_all_parts_are_saved_at_once(self, store: Store) -> None:
        store.save(a_batch())

        assert store.readings.latest("pi-1") == a_reading(status=Status.SOON, causes=["heat"])
        assert store.devices.get("pc-1") == a_device("pc-1", kind="pc")
        assert len(store.alerts.states_of(["pi-1", "pc-1"])) == 2
        assert len(store.alerts.stored_since(NOON)) == 1
        assert len(store.alerts.page(open_only=True)) == 1

    def test_saving_the_same_again_changes_nothing(self, store: Store) -> None:
        store.save(a_batch())
        before = everything(store, "pi-1", "pc-1")

        store.save(a_batch())
        store.save(replace(a_batch(), stored_at=NOON + 60_000))

        assert everything(store, "pi-1", "pc-1") == before

    def test_a_failure_in_the_middle_leaves_nothing(self, store: Store) -> None:
        with pytest.raises(Exception, match="nonsense"):
            store.save(event_that_fails())

        nothing = {"readings": [[], []], "count": 0, "devices": [], "states": []}
        nothing |= {"events": [], "outbox": [], "alerts": []}
        assert everything(store, "pi-1", "pc-1") == nothing

    def test_a_store_works_on_after_a_failure(self, store: Store) -> None:
        with pytest.raises(Exception, match="nonsense"):
            store.save(event_that_fails())

        store.save(a_batch())

        assert len(store.alerts.page()) == 1
        assert store.readings.count() == 2

    def test_columns_of_different_lengths_are_refused_whole(self, store: Store) -> None:
        crooked = replace(rows(a_reading(), a_reading("pc-1")), rejected=[0])

        with pytest.raises(ValueError, match="shorter"):
            store.save(Scored(rows=crooked, new_devices=[a_device()]))

        assert store.readings.count() == 0
        assert store.devices.page() == []

    def test_a_store_that_answers_passes_its_check(self, store: Store) -> None:
        store.check()

    def test_threads_may_save_and_ask_at_the_same_time(self, store: Store) -> None:
        failures: list[BaseException] = []

        def work(number: int) -> None:
            name = f"pi-{number}"
            try:
                for tick in range(10):
                    store.save(scored(a_reading(name, at=NOON + tick), events=[]))
                    store.heartbeats.beat(a_heartbeat(name, at=NOON + tick))
                    store.chats.put(a_chat(f"telegram:{number}"))
                    assert store.readings.latest(name) == a_reading(name, at=NOON + tick)
                    store.readings.count()
            except BaseException as failure:
                failures.append(failure)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert failures == []
        assert store.readings.count() == 40
        for number in range(4):
            assert ids(store.readings.page(f"pi-{number}")) == [
                (f"pi-{number}", NOON + tick, 1) for tick in range(10)
            ]


class StoreContract(
    ReadingStoreContract,
    RollupStoreContract,
    DeviceStoreContract,
    AlertStoreContract,
    DeliveryStoreContract,
    ChatStoreContract,
    RuleStoreContract,
    KeyStoreContract,
    HeartbeatStoreContract,
    DocumentStoreContract,
    SaveContract,
):
    """Everything that a backend must keep: subclass it with a `store` fixture."""


class PrunedStoreContract(StoreContract, PruneContract):
    """The same for a backend that gives up what is old when `prune` says so."""
