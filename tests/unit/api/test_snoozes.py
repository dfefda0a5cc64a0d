"""Silence about some devices, as the API takes and shows it."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from fleetpulse.clock import ManualClock
from fleetpulse.people import Group, People, Snooze
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Delivery
from tests.unit.api.builders import NOON, document, save_event, save_reading

OF_DEVICE = "/api/v1/devices/pi-1/snooze"
ALL = "/api/v1/snoozes"
HOUR = {"seconds": 3600}
HOUR_MS = 3_600_000


@pytest.fixture(autouse=True)
def a_device_in_a_group(store: MemoryStore) -> None:
    save_reading(store, "pi-1")
    People(store.documents).groups.put("lab", Group(name="lab", devices=["pi-*"]))


def waits(store: MemoryStore, until: int) -> None:
    """A message about the device waits for the end of a snooze."""
    save_event(store, "pi-1")
    waiting = Delivery(event_id="pi-1:heat:1:soon", target="telegram:1", due_at=until)
    store.deliveries.plan("telegram", [waiting], NOON)


def due(store: MemoryStore) -> list[int]:
    return [each.due_at for each in store.deliveries.due("", 2**62)]


def snooze_of(client: FlaskClient) -> Any:
    """What the fleet's list says of the device's snooze."""
    (device,) = document(client.get("/api/v1/fleet"))["devices"]
    assert document(client.get("/api/v1/devices/pi-1"))["snooze"] == device["snooze"]
    return device["snooze"]


def test_a_device_is_snoozed_and_says_so(client: FlaskClient) -> None:
    answer = client.put(OF_DEVICE, json=HOUR)

    snooze = {"selector": "pi-1", "until": NOON + HOUR_MS, "said_by": "this machine"}
    assert (answer.status_code, document(answer)) == (200, snooze)
    assert snooze_of(client) == snooze
    assert document(client.get(ALL)) == {"items": [snooze], "next_cursor": None}


def test_a_snooze_that_is_over_is_not_told(client: FlaskClient, clock: ManualClock) -> None:
    client.put(OF_DEVICE, json=HOUR)
    clock.advance(3600)

    assert snooze_of(client) is None
    assert document(client.get(ALL))["items"] == []
    assert client.delete(OF_DEVICE, json={}).status_code == 404


@pytest.mark.parametrize("selector", ["*", "@lab", "pi-1"])
def test_a_device_says_what_silences_it(client: FlaskClient, selector: str) -> None:
    answer = client.put(ALL, json={"selector": selector} | HOUR)

    assert answer.status_code == 200
    assert snooze_of(client)["selector"] == selector

    assert client.delete(ALL, json={"selector": selector}).status_code == 200
    assert snooze_of(client) is None


def test_of_several_snoozes_the_one_that_ends_last_is_told(client: FlaskClient) -> None:
    client.put(ALL, json={"selector": "@lab", "seconds": 7200})
    client.put(OF_DEVICE, json=HOUR)

    assert snooze_of(client)["selector"] == "@lab"


def test_the_end_of_a_snooze_has_what_waited_told(client: FlaskClient, store: MemoryStore) -> None:
    client.put(OF_DEVICE, json=HOUR)
    waits(store, NOON + HOUR_MS)

    answer = client.delete(OF_DEVICE, json={})

    assert document(answer)["until"] == NOON + HOUR_MS
    assert due(store) == [NOON]


def test_a_longer_snooze_stays_and_is_the_answer(client: FlaskClient) -> None:
    client.put(OF_DEVICE, json={"seconds": 7200})

    answer = client.put(OF_DEVICE, json=HOUR)

    assert document(answer)["until"] == NOON + 2 * HOUR_MS
    assert snooze_of(client)["until"] == NOON + 2 * HOUR_MS


@pytest.mark.parametrize("seconds", [0, 59, 2_592_001, -1, 1.5, "60", None])
def test_a_length_that_cannot_be_is_refused(client: FlaskClient, seconds: object) -> None:
    for path, body in ((OF_DEVICE, {}), (ALL, {"selector": "pi-1"})):
        answer = client.put(path, json=body | {"seconds": seconds})

        assert answer.status_code == 400
        assert "seconds" in document(answer)["detail"]


@pytest.mark.parametrize("seconds", [60, 2_592_000])
def test_the_shortest_and_the_longest_are_taken(client: FlaskClient, seconds: int) -> None:
    assert client.put(OF_DEVICE, json={"seconds": seconds}).status_code == 200


def test_a_group_that_does_not_exist_is_refused_with_those_that_do(client: FlaskClient) -> None:
    answer = client.put(ALL, json={"selector": "@cellar"} | HOUR)

    assert answer.status_code == 400
    assert document(answer)["type"] == "urn:fleetpulse:invalid-wish"
    assert document(answer)["detail"] == "I know no group called @cellar; there are @lab."


@pytest.mark.parametrize("selector", ["pi-2", "pi-*", "kind:pc", "rule:heat", "", "a b"])
def test_only_devices_groups_and_everything_can_be_snoozed(
    client: FlaskClient, store: MemoryStore, selector: str
) -> None:
    answer = client.put(ALL, json={"selector": selector} | HOUR)

    assert answer.status_code == 404
    assert People(store.documents).snoozes.all() == {}


def test_the_snooze_of_a_group_that_is_gone_can_be_ended(
    client: FlaskClient, store: MemoryStore
) -> None:
    People(store.documents).snoozes.put("@old", Snooze(until=NOON + 1, said_by="Ada"))

    assert client.delete(ALL, json={"selector": "@old"}).status_code == 200


def test_what_is_not_snoozed_cannot_be_ended(client: FlaskClient) -> None:
    for answer in (client.delete(OF_DEVICE, json={}), client.delete(ALL, json={"selector": "*"})):
        assert answer.status_code == 404
        assert "is not snoozed" in document(answer)["detail"]


def test_a_device_that_nobody_knows_cannot_be_snoozed(client: FlaskClient) -> None:
    assert client.put("/api/v1/devices/pi-2/snooze", json=HOUR).status_code == 404
    assert client.delete("/api/v1/devices/pi-2/snooze", json={}).status_code == 404
