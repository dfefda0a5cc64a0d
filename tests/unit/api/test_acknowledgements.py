"""Alerts that somebody has seen, as the API takes and shows it."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from api import create_app
from api.door import Door
from fleetpulse.alerts import State
from fleetpulse.clock import ManualClock
from fleetpulse.keys import make_key
from fleetpulse.notices import Matter, Notices
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Scope
from tests.unit.api.builders import (
    NOON,
    FakePublisher,
    FakeRegistry,
    document,
    save_event,
    save_reading,
)

SEEN = "/api/v1/devices/pi-1/acknowledgements"
ALERT = {"alert_id": "pi-1:heat:1"}


@pytest.fixture(autouse=True)
def an_alert(store: MemoryStore) -> None:
    save_reading(store, "pi-1")
    save_event(store, "pi-1")


def test_an_alert_is_acknowledged_and_says_so(client: FlaskClient, clock: ManualClock) -> None:
    clock.advance(5)

    answer = client.put(SEEN, json=ALERT)

    assert answer.status_code == 200
    (shown,) = document(client.get("/api/v1/alerts"))["items"]
    assert document(answer) == shown
    assert shown["acknowledged_at"] == NOON + 5000
    assert shown["acknowledged_by"] == "this machine"
    assert shown["state"] == "soon"


def test_the_event_says_who_it_was_and_the_others_say_nobody(client: FlaskClient) -> None:
    client.put(SEEN, json=ALERT)

    items = document(client.get("/api/v1/events"))["items"]

    said = {item["state"]: item["said_by"] for item in items}
    assert said == {"acknowledged": "this machine", "soon": None}


def test_a_key_is_told_by_its_name(store: MemoryStore, clock: ManualClock) -> None:
    key, text = make_key("Ada's laptop", [Scope.ACT], now_ms=NOON, device_id="pi-1")
    store.keys.put(key)
    app = create_app(
        store,
        FakeRegistry([]),
        clock=clock,
        interval_s=5.0,
        publisher=FakePublisher(),
        door=Door(host="192.168.1.5", allowed_hosts=frozenset({"fleet.lan"})),
    )

    answer = app.test_client().put(
        SEEN, json=ALERT, headers={"Host": "fleet.lan", "X-API-Key": text}
    )

    assert document(answer)["acknowledged_by"] == "Ada's laptop"


def test_the_first_one_counts(client: FlaskClient, clock: ManualClock, store: MemoryStore) -> None:
    client.put(SEEN, json=ALERT)
    clock.advance(5)

    again = client.put(SEEN, json=ALERT)

    assert document(again)["acknowledged_at"] == NOON
    assert len(store.alerts.events_page()) == 2


def test_what_is_over_stays_as_it_is(client: FlaskClient, store: MemoryStore) -> None:
    save_event(store, "pi-1", state=State.RECOVERED, at=NOON + 1)

    answer = client.put(SEEN, json=ALERT)

    assert (answer.status_code, document(answer)["acknowledged_at"]) == (200, None)


def test_a_notice_about_fleetpulse_itself_can_be_acknowledged(
    client: FlaskClient, store: MemoryStore, clock: ManualClock
) -> None:
    Notices(store, clock).report(Matter.BOT_SILENT, "No bot was heard for 60 s.")

    answer = client.put(
        "/api/v1/devices/fleetpulse/acknowledgements", json={"alert_id": "fleetpulse:bot-silent:1"}
    )

    assert document(answer)["acknowledged_by"] == "this machine"


@pytest.mark.parametrize("alert_id", ["pi-1:heat:2", "pc-1:heat:1", "pi-1"])
def test_another_device_s_alert_is_not_known_here(
    client: FlaskClient, store: MemoryStore, alert_id: str
) -> None:
    save_event(store, "pc-1")

    answer = client.put(SEEN, json={"alert_id": alert_id})

    assert answer.status_code == 404
    assert document(answer)["type"] == "urn:fleetpulse:unknown-alert"
    assert all(alert.acknowledged_at is None for alert in store.alerts.page())


@pytest.mark.parametrize("body", [{}, {"alert_id": 1}, {"alert_id": "a b"}, ALERT | {"by": "me"}])
def test_what_is_no_acknowledgement_is_refused(client: FlaskClient, body: object) -> None:
    answer = client.put(SEEN, json=body)

    assert answer.status_code == 400
    assert answer.content_type == "application/problem+json"
    assert "not an acknowledgement" in document(answer)["detail"]
