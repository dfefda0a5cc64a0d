"""What /devices and /fleet say of each machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.presence import span
from fleetpulse.alerts import State, Status
from fleetpulse.clock import ManualClock
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Alert, ClockAhead
from fleetpulse.telemetry import CHANNEL_NAMES
from tests.unit.api.builders import NOON, document, save_event, save_reading


def test_a_device_has_its_newest_reading_with_every_channel(
    client: FlaskClient, store: MemoryStore
) -> None:
    save_reading(store, temperature_c=61.5, load_pct=0.0)

    device = document(client.get("/api/v1/devices/pi-1"))

    assert device["latest"]["temperature_c"] == 61.5
    assert device["latest"]["load_pct"] == 0.0
    assert device["latest"]["power_w"] is None
    assert set(CHANNEL_NAMES) <= set(device["latest"])


def test_a_device_says_who_it_is_and_since_when(
    client: FlaskClient, store: MemoryStore, clock: ManualClock
) -> None:
    save_reading(store, kind="raspberry", at=NOON)
    save_reading(store, at=NOON + 5000, seq=2, status=Status.SOON, probability=0.8, expected_s=70)
    clock.advance(7.0)

    device = document(client.get("/api/v1/devices/pi-1"))

    assert (device["device_id"], device["kind"]) == ("pi-1", "raspberry")
    assert (device["first_seen_at"], device["last_seen_at"]) == (NOON, NOON + 5000)
    assert device["age_s"] == 2.0
    assert (device["status"], device["probability"], device["expected_s"]) == ("soon", 0.8, 70.0)


@pytest.mark.parametrize(("silent_s", "status"), [(30.0, "ok"), (30.1, "unknown")])
def test_a_device_that_is_silent_for_six_intervals_is_unknown(
    client: FlaskClient, store: MemoryStore, clock: ManualClock, silent_s: float, status: str
) -> None:
    save_reading(store, status=Status.OK)
    clock.advance(silent_s)

    assert document(client.get("/api/v1/devices/pi-1"))["status"] == status
    assert document(client.get("/api/v1/fleet"))["counts"][status] == 1


def test_a_reading_of_the_future_does_not_make_a_device_ok(
    client: FlaskClient, store: MemoryStore
) -> None:
    save_reading(store, status=Status.OK, at=NOON + 200_000)

    device = document(client.get("/api/v1/devices/pi-1"))

    assert (device["status"], device["age_s"]) == ("unknown", -200.0)
    assert device["clock_ahead_ms"] == 200_000
    assert "3 min 20 s ahead, so nothing is known of it now: set" in device["clock_note"]


def test_what_a_stale_reading_foresaw_is_not_shown(
    client: FlaskClient, store: MemoryStore, clock: ManualClock
) -> None:
    save_reading(store, status=Status.SOON, probability=0.9, expected_s=60, causes=["hot"])
    clock.advance(3600)

    device = document(client.get("/api/v1/devices/pi-1"))

    assert (device["probability"], device["expected_s"], device["causes"]) == (None, None, [])


def test_a_device_counts_its_impossible_values_of_the_last_day(
    client: FlaskClient, store: MemoryStore
) -> None:
    day_ms = 24 * 3600 * 1000
    save_reading(store, at=NOON - day_ms - 1, seq=1, rejected=5)
    save_reading(store, at=NOON - 1000, seq=2, rejected=2)

    assert document(client.get("/api/v1/devices/pi-1"))["rejected_24h"] == 2
    assert document(client.get("/api/v1/devices"))["items"][0]["rejected_24h"] == 2


def test_a_device_lists_its_open_alerts_only(client: FlaskClient, store: MemoryStore) -> None:
    save_reading(store)
    save_event(store, episode=1, state=State.SOON, at=NOON - 2000)
    save_event(store, episode=1, state=State.RECOVERED, at=NOON - 1000)
    save_event(store, episode=2, state=State.SOON, at=NOON)

    alerts = document(client.get("/api/v1/devices/pi-1"))["open_alerts"]

    assert [alert["alert_id"] for alert in alerts] == ["pi-1:heat:2"]


@pytest.mark.parametrize("path", ["/api/v1/devices/pi-1", "/api/v1/devices?limit=1"])
def test_only_the_alerts_of_devices_that_are_shown_are_read(
    client: FlaskClient, store: MemoryStore, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    for name in ("pi-1", "pi-2", "pi-3"):
        save_reading(store, name)
        save_event(store, name)
    read: list[str] = []
    really = store.alerts.page

    def page(**asked: Any) -> Sequence[Alert]:
        found = really(**asked)
        read.extend(alert.device_id for alert in found)
        return found

    monkeypatch.setattr(store.alerts, "page", page)

    client.get(path)

    assert set(read) <= {"pi-1", "pi-2"}  # one more is read, to know whether there are more


def test_more_open_alerts_than_a_page_of_the_store_holds_are_all_there(
    client: FlaskClient, store: MemoryStore
) -> None:
    save_reading(store)
    for episode in range(1, 2002):  # three to a moment: a page ends within one
        save_event(store, episode=episode, at=NOON + episode // 3)

    device = document(client.get("/api/v1/devices/pi-1"))
    (of_fleet,) = document(client.get("/api/v1/fleet"))["devices"]
    metrics = client.get("/metrics").text

    names = [alert["alert_id"] for alert in device["open_alerts"]]
    assert len(set(names)) == len(names) == 2001
    assert of_fleet["open_alerts"] == device["open_alerts"]
    assert 'fleetpulse_open_alerts{rule="heat"} 2001.0' in metrics


def test_a_clock_that_was_set_back_is_said_in_words(
    client: FlaskClient, store: MemoryStore
) -> None:
    store.devices.clocks_ahead(
        [ClockAhead(device_id="pi-1", kind="raspberry", ahead_ms=-3_600_000, at=NOON)]
    )

    device = client.get("/api/v1/devices/pi-1").json

    assert device is not None
    assert device["clock_note"] == (
        "This device's clock was set back by 1 h, so its readings are filed under the past:"
        " set its clock (or turn on NTP)."
    )


def test_a_clock_that_is_ahead_is_said_in_words(client: FlaskClient, store: MemoryStore) -> None:
    store.devices.clocks_ahead(
        [ClockAhead(device_id="pi-1", kind="raspberry", ahead_ms=412_000, at=NOON)]
    )

    device = document(client.get("/api/v1/devices/pi-1"))

    assert device["clock_ahead_ms"] == 412_000
    assert "6 min 52 s ahead" in device["clock_note"]
    assert device["latest"] is None
    assert device["status"] == "unknown"


def test_a_clock_that_was_put_right_is_no_longer_mentioned(
    client: FlaskClient, store: MemoryStore
) -> None:
    store.devices.clocks_ahead(
        [ClockAhead(device_id="pi-1", kind="raspberry", ahead_ms=412_000, at=NOON)]
    )
    save_reading(store, at=NOON + 5000)

    device = document(client.get("/api/v1/devices/pi-1"))

    assert (device["clock_ahead_ms"], device["clock_note"]) == (None, None)


@pytest.mark.parametrize(
    "path", ["", "/readings", "/predictions", "/rules"], ids=["device", "r", "p", "rules"]
)
@pytest.mark.parametrize("name", ["pi-9", "a%20b", "%00", "..%2f..", "x" * 65])
def test_an_unknown_device_is_a_404_problem(client: FlaskClient, name: str, path: str) -> None:
    answer = client.get(f"/api/v1/devices/{name}{path}")

    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"


def test_the_fleet_counts_devices_by_status(client: FlaskClient, store: MemoryStore) -> None:
    save_reading(store, "a", status=Status.OK)
    save_reading(store, "b", status=Status.STRESSED)
    save_reading(store, "c", status=Status.UNKNOWN)

    fleet = document(client.get("/api/v1/fleet"))

    assert fleet["counts"] == {"ok": 1, "soon": 0, "stressed": 1, "unknown": 1}
    assert fleet["total"] == 3


def test_the_fleet_has_its_worst_devices_first(client: FlaskClient, store: MemoryStore) -> None:
    save_reading(store, "a", status=Status.OK, probability=0.1)
    save_reading(store, "b", status=Status.OK, probability=0.4)
    save_reading(store, "c", status=Status.UNKNOWN)
    save_reading(store, "d", status=Status.SOON, probability=0.7)
    save_reading(store, "e", status=Status.STRESSED)

    devices = document(client.get("/api/v1/fleet"))["devices"]

    assert [device["device_id"] for device in devices] == ["e", "d", "c", "b", "a"]
    assert all(device["latest"] is not None for device in devices)


def test_a_fleet_of_more_than_one_page_is_whole(client: FlaskClient, store: MemoryStore) -> None:
    for number in range(2001):
        store.devices.clocks_ahead(
            [ClockAhead(device_id=f"pi-{number:04}", kind="raspberry", ahead_ms=1, at=NOON)]
        )

    assert document(client.get("/api/v1/fleet"))["total"] == 2001


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "0 s"), (412, "6 min 52 s"), (3600, "1 h"), (90061, "1 d 1 h")]
)
def test_a_span_is_said_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert span(seconds) == words
