"""What those who watch the watcher are told."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from fleetpulse.clock import ManualClock
from fleetpulse.errors import StoreError
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Heartbeat
from fleetpulse.watch import STOPPED
from tests.unit.api.builders import NOON, document, save_event, save_reading


def test_the_process_says_that_it_is_up(client: FlaskClient) -> None:
    assert document(client.get("/healthz")) == {"status": "ok"}


def test_not_ready_without_a_consumer(client: FlaskClient, store: MemoryStore) -> None:
    store.heartbeats.beat(Heartbeat(process="bot", at=NOON))

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.content_type == "application/json"
    assert "No consumer" in document(answer)["checks"][1]["detail"]


def test_not_ready_once_the_only_consumer_was_stopped(
    client: FlaskClient, store: MemoryStore, clock: ManualClock
) -> None:
    store.heartbeats.beat(Heartbeat(process="consumer", at=NOON, detail=STOPPED))
    clock.advance(15)

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert "The consumer was stopped" in answer.text


def test_ready_while_one_of_two_consumers_has_just_been_stopped(
    client: FlaskClient, store: MemoryStore, clock: ManualClock
) -> None:
    store.heartbeats.beat(Heartbeat(process="consumer", at=NOON, detail=STOPPED))
    clock.advance(10)  # the other one's beat is due

    assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize(("silent_s", "status"), [(29, 200), (30, 503)])
def test_ready_while_a_consumer_is_alive(
    client: FlaskClient, store: MemoryStore, clock: ManualClock, silent_s: int, status: int
) -> None:
    store.heartbeats.beat(Heartbeat(process="consumer", at=NOON))
    clock.advance(silent_s)

    answer = client.get("/readyz")

    assert answer.status_code == status
    assert document(answer)["ready"] == (status == 200)


def test_not_ready_while_the_store_fails(
    client: FlaskClient, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise StoreError("The disk is full.")

    monkeypatch.setattr(store, "check", fail)

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert document(answer)["checks"][0] == {
        "name": "store",
        "ok": False,
        "detail": "The disk is full.",
    }


def test_metrics_count_devices_alerts_and_heartbeats(
    client: FlaskClient, store: MemoryStore, clock: ManualClock
) -> None:
    save_reading(store)
    save_event(store)
    store.heartbeats.beat(Heartbeat(process="consumer", at=NOON))
    clock.advance(3)

    answer = client.get("/metrics")

    assert answer.content_type.startswith("text/plain")
    lines = answer.text.splitlines()
    assert 'fleetpulse_devices{status="ok"} 1.0' in lines
    assert 'fleetpulse_open_alerts{rule="heat"} 1.0' in lines
    assert 'fleetpulse_heartbeat_age_seconds{process="consumer"} 3.0' in lines
