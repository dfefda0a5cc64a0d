"""Pages, cursors and parameters, the same for every list."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from flask.testing import FlaskClient

from fleetpulse.alerts import State, Status
from fleetpulse.people import Group, People, Person, Snooze
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Chat
from fleetpulse.telemetry import CHANNEL_NAMES
from tests.unit.api.builders import NOON, document, save_event, save_reading

READINGS = "/api/v1/devices/pi-1/readings"
PREDICTIONS = "/api/v1/devices/pi-1/predictions"
LISTS = [
    "/api/v1/devices",
    READINGS,
    PREDICTIONS,
    "/api/v1/alerts",
    "/api/v1/events",
    "/api/v1/snoozes",
    "/api/v1/groups",
    "/api/v1/people",
    "/api/v1/chats",
]


@pytest.fixture
def filled(store: MemoryStore) -> MemoryStore:
    """Seven of everything."""
    for number in range(7):
        save_reading(store, f"pi-{number}", at=NOON)
        if number:
            save_reading(store, "pi-1", at=NOON + number * 1000, seq=number)
        save_event(store, episode=number, at=NOON + number)
        name, people = f"n{number}", People(store.documents)
        people.snoozes.put(name, Snooze(until=NOON + 60_000, said_by="Ada"))
        people.groups.put(name, Group(name=name, devices=["*"]))
        people.people.put(name, Person(name=name))
        store.chats.put(Chat(chat_id=f"telegram:{number}", title="", subscribed_at=NOON))
    return store


def walk(client: FlaskClient, path: str, limit: int) -> list[list[Any]]:
    """Every page of a list."""
    pages, cursor = [], None
    sign = "&" if "?" in path else "?"
    while True:
        after = f"&cursor={cursor}" if cursor else ""
        page = document(client.get(f"{path}{sign}limit={limit}{after}"))
        pages.append(page["items"])
        cursor = page["next_cursor"]
        if cursor is None:
            return pages


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("path", [*LISTS, f"{READINGS}?order=asc"])
def test_pages_hold_every_item_once_and_in_the_same_order(client: FlaskClient, path: str) -> None:
    whole = document(client.get(path))["items"]

    pages = walk(client, path, limit=3)

    assert [item for page in pages for item in page] == whole
    assert [len(page) for page in pages] == [3, 3, 1]


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("path", LISTS)
def test_a_full_last_page_has_no_next(client: FlaskClient, path: str) -> None:
    assert (
        document(client.get(f"{path}{'&' if '?' in path else '?'}limit=7"))["next_cursor"] is None
    )


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("cursor", ["", "x", "%00", "%E2%82%AC", "bm90IGpzb24", "A" * 300])
def test_a_cursor_that_no_list_gave_is_refused(client: FlaskClient, path: str, cursor: str) -> None:
    answer = client.get(f"{path}?cursor={cursor}")

    assert answer.status_code == 400
    assert document(answer)["parameter"] == "cursor"


@pytest.mark.usefixtures("filled")
def test_a_cursor_of_another_list_is_refused(client: FlaskClient) -> None:
    cursor = document(client.get(f"{READINGS}?limit=1"))["next_cursor"]

    assert client.get(f"{READINGS}?limit=1&cursor={cursor}").status_code == 200
    assert client.get(f"{READINGS}?order=asc&cursor={cursor}").status_code == 400
    assert client.get(f"/api/v1/events?cursor={cursor}").status_code == 400


@pytest.mark.usefixtures("filled")
def test_a_cursor_with_a_number_no_store_can_hold_is_refused(client: FlaskClient) -> None:
    forged = f'["readings-desc",[{10**30},1]]'.encode()

    answer = client.get(f"{READINGS}?cursor={base64.urlsafe_b64encode(forged).decode()}")

    assert answer.status_code == 400


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("limit", ["0", "1001", "-1", "ten", "1.5", "", "١", "9" * 40])
def test_a_limit_that_makes_no_sense_is_refused_by_name(
    client: FlaskClient, store: MemoryStore, path: str, limit: str
) -> None:
    save_reading(store)

    answer = client.get(path, query_string={"limit": limit})

    assert answer.status_code == 400
    assert document(answer)["parameter"] == "limit"
    assert document(answer)["detail"].startswith("limit ")


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("since", "yesterday"),
        ("until", "2026-13-01"),
        ("since", "-5"),
        ("order", "random"),
        ("resolution", "5s"),
        ("limt", "5"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(
    client: FlaskClient, store: MemoryStore, parameter: str, value: str
) -> None:
    save_reading(store)

    answer = client.get(READINGS, query_string={parameter: value})

    assert answer.status_code == 400
    assert document(answer)["parameter"] == parameter


def test_a_parameter_given_twice_is_refused(client: FlaskClient) -> None:
    answer = client.get("/api/v1/alerts?limit=1&limit=2")

    assert (answer.status_code, document(answer)["parameter"]) == (400, "limit")


# NOON is 2026-11-22T10:08:40Z, see ManualClock.
@pytest.mark.parametrize(
    "moment",
    [
        str(NOON),
        "2026-11-22T10:08:40",
        "2026-11-22 10:08:40",
        "2026-11-22T10:08:40Z",
        "2026-11-22T11:08:40+01:00",
        "2026-11-22T11:08:40.000%2B01:00",
    ],
)
def test_a_moment_is_read_in_every_usual_form(
    client: FlaskClient, store: MemoryStore, moment: str
) -> None:
    save_reading(store, at=NOON - 1, seq=1)
    save_reading(store, at=NOON, seq=2)

    since = document(client.get(f"{READINGS}?since={moment}"))["items"]
    until = document(client.get(f"{READINGS}?until={moment}"))["items"]

    assert [item["seq"] for item in since] == [2]
    assert [item["seq"] for item in until] == [1]


def test_readings_come_newest_first_unless_asked_otherwise(
    client: FlaskClient, store: MemoryStore
) -> None:
    save_reading(store, at=NOON, seq=1)
    save_reading(store, at=NOON + 1, seq=2)

    newest = document(client.get(READINGS))["items"]
    oldest = document(client.get(f"{READINGS}?order=asc"))["items"]

    assert [item["seq"] for item in newest] == [2, 1]
    assert [item["seq"] for item in oldest] == [1, 2]


@pytest.mark.parametrize("asked", ["", "?resolution=raw", "?resolution=auto"])
def test_readings_say_their_resolution(client: FlaskClient, store: MemoryStore, asked: str) -> None:
    save_reading(store)

    assert document(client.get(READINGS + asked))["resolution"] == "raw"


def test_a_reading_has_every_channel_and_its_prediction(
    client: FlaskClient, store: MemoryStore
) -> None:
    save_reading(store, status=Status.SOON, probability=0.8, expected_s=70, causes=["hot"])

    reading = document(client.get(READINGS))["items"][0]

    assert set(reading) == {
        *CHANNEL_NAMES,
        *("device_id", "measured_at", "seq", "probability", "expected_s", "status", "causes"),
        *("model_version", "rejected"),
    }
    assert (reading["causes"], reading["status"]) == (["hot"], "soon")


def test_a_prediction_is_a_reading_without_the_measurements(
    client: FlaskClient, store: MemoryStore
) -> None:
    save_reading(store, temperature_c=70.0, probability=0.8)

    prediction = document(client.get(PREDICTIONS))["items"][0]

    assert prediction["probability"] == 0.8
    assert "temperature_c" not in prediction


def test_alerts_are_one_item_per_episode_and_events_one_per_change(
    client: FlaskClient, store: MemoryStore
) -> None:
    save_event(store, episode=1, state=State.SOON, at=NOON)
    save_event(store, episode=1, state=State.STRESSED, at=NOON + 60_000)

    alerts = document(client.get("/api/v1/alerts"))["items"]
    events = document(client.get("/api/v1/events"))["items"]

    assert [(alert["alert_id"], alert["state"]) for alert in alerts] == [
        ("pi-1:heat:1", "stressed")
    ]
    assert [event["state"] for event in events] == ["stressed", "soon"]
    assert events[0]["event_id"] == "pi-1:heat:1:stressed"


def test_alerts_can_be_narrowed_to_a_device_and_to_open_ones(
    client: FlaskClient, store: MemoryStore
) -> None:
    save_event(store, "a", state=State.SOON)
    save_event(store, "b", state=State.SOON)
    save_event(store, "b", state=State.RECOVERED, at=NOON + 1)

    def names(query: str) -> list[str]:
        return [
            alert["device_id"] for alert in document(client.get(f"/api/v1/alerts?{query}"))["items"]
        ]

    assert names("device_id=a") == ["a"]
    assert names("open=true") == ["a"]
    assert sorted(names("open=false")) == ["a", "b"]
    assert names(f"since={NOON + 1}") == []


@pytest.mark.parametrize("query", ["open=1", "device_id=a%20b", "device_id="])
def test_a_filter_that_makes_no_sense_is_refused(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/api/v1/alerts?{query}")

    assert (answer.status_code, document(answer)["parameter"]) == (400, query.split("=")[0])


def test_models_are_listed_with_their_cards(client: FlaskClient) -> None:
    card = document(client.get("/api/v1/models"))["items"][0]

    assert (card["name"], card["in_use"], card["horizon_s"]) == ("heat", True, 120.0)
