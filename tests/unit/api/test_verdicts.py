"""What owners think of warnings, and the track record that the API shows."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from api.track_records import KEPT_MS
from fleetpulse.alerts import State
from fleetpulse.clock import ManualClock
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Opinion, Verdict
from tests.unit.api.builders import CARD, NOON, document, save_event, save_reading

VERDICTS = "/api/v1/devices/pi-1/verdicts"
SAID = {"alert_id": "pi-1:heat:1", "opinion": "false_alarm"}


@pytest.fixture(autouse=True)
def a_warning(store: MemoryStore) -> None:
    save_reading(store, "pi-1")
    save_event(store, "pi-1", model_version=CARD.version)


def record_of_model(client: FlaskClient, days: int = 7) -> dict[str, Any]:
    """What the only model's card says of its record over so many days."""
    (card,) = document(client.get("/api/v1/models"))["items"]
    found: dict[str, Any] = next(each for each in card["track_record"] if each["days"] == days)
    return found


def test_a_verdict_is_stored_and_shown(client: FlaskClient, store: MemoryStore) -> None:
    answer = client.put(VERDICTS, json=SAID)

    assert (answer.status_code, document(answer)) == (200, SAID | {"said_at": NOON})
    (alert,) = document(client.get("/api/v1/alerts"))["items"]
    assert alert["opinion"] == "false_alarm"
    assert store.alerts.verdicts_of(["pi-1:heat:1"]) == {
        "pi-1:heat:1": Verdict(
            alert_id="pi-1:heat:1", opinion=Opinion.FALSE_ALARM, said_at=NOON, said_by=""
        )
    }


@pytest.mark.parametrize(
    "alert_id", ["pi-1:heat:2", "pc-1:heat:1", "pi-1"], ids=["unknown", "another's", "no alert"]
)
def test_an_alert_that_the_device_does_not_have_is_not_judged(
    client: FlaskClient, store: MemoryStore, alert_id: str
) -> None:
    save_event(store, "pc-1", model_version=CARD.version)

    answer = client.put(VERDICTS, json=SAID | {"alert_id": alert_id})

    assert answer.status_code == 404
    assert store.alerts.verdicts_of([alert_id]) == {}


@pytest.mark.parametrize(
    "body",
    [{}, SAID | {"opinion": "good"}, SAID | {"alert_id": "a b"}, SAID | {"more": 1}, []],
    ids=str,
)
def test_what_is_no_verdict_is_refused(client: FlaskClient, body: object) -> None:
    answer = client.put(VERDICTS, json=body)

    assert answer.status_code == 400
    assert answer.content_type == "application/problem+json"


def test_alerts_say_what_they_turned_out_to_be(client: FlaskClient, store: MemoryStore) -> None:
    save_event(store, "pi-1", state=State.STRESSED, at=NOON + 60_000, model_version=CARD.version)
    save_event(store, "pi-1", episode=2, model_version=CARD.version)
    save_event(store, "pi-1", rule="disk", episode=3, state=State.STRESSED)

    items = document(client.get("/api/v1/alerts"))["items"]

    assert {item["episode"]: item["outcome"] for item in items} == {1: "true", 2: None, 3: None}


def test_a_model_shows_how_often_it_was_right(
    client: FlaskClient, store: MemoryStore, clock: ManualClock
) -> None:
    save_event(store, "pi-1", state=State.STRESSED, at=NOON + 60_000, model_version=CARD.version)
    save_event(store, "pi-1", episode=2, model_version=CARD.version)
    save_event(store, "pi-1", episode=3, model_version="another")
    clock.advance(10 * 60)

    record = record_of_model(client)

    assert (record["true"], record["false"], record["missed"]) == (1, 1, 0)
    assert (record["precision"], record["recall"], record["median_lead_s"]) == (0.5, 1.0, 60.0)


def test_the_fleet_s_record_is_read_again_after_a_while(
    client: FlaskClient, clock: ManualClock
) -> None:
    clock.advance(130)
    assert record_of_model(client)["disputed"] == 0

    client.put(VERDICTS, json=SAID)
    clock.advance(KEPT_MS / 1000)

    assert record_of_model(client)["disputed"] == 1


def test_a_device_shows_its_own_record(
    client: FlaskClient, store: MemoryStore, clock: ManualClock
) -> None:
    save_reading(store, "pc-1")
    save_event(store, "pc-1", model_version=CARD.version)
    clock.advance(130)

    week, month = document(client.get("/api/v1/devices/pi-1"))["track_record"]

    assert (week["days"], week["false"], month["days"], month["false"]) == (7, 1, 30, 1)
