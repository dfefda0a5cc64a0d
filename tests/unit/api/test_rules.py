"""Reading and changing the rules of a device."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from fleetpulse.clock import ManualClock
from fleetpulse.stores.memory import MemoryStore
from tests.unit.api.builders import NOON, document, save_reading

RULES = "/api/v1/devices/pi-1/rules"


@pytest.fixture(autouse=True)
def a_raspberry(store: MemoryStore) -> None:
    save_reading(store, "pi-1", kind="raspberry")


def rule(answer: Any, name: str = "heat") -> dict[str, Any]:
    """One rule of an answer."""
    found: dict[str, Any] = next(item for item in document(answer)["items"] if item["rule"] == name)
    return found


def test_the_rules_in_force_are_those_of_the_kind(client: FlaskClient, store: MemoryStore) -> None:
    save_reading(store, "pc-1", kind="pc")

    assert rule(client.get(RULES))["limit"] == 80.0
    assert rule(client.get("/api/v1/devices/pc-1/rules"))["limit"] == 90.0
    assert rule(client.get(RULES))["changed_at"] is None


def test_a_change_answers_the_rules_now_in_force(client: FlaskClient, clock: ManualClock) -> None:
    clock.advance(60)

    answer = client.put(RULES, json={"rule": "heat", "limit": 75, "severity": "info"})

    assert answer.status_code == 200
    assert rule(answer) == rule(client.get(RULES))
    assert (rule(answer)["limit"], rule(answer)["default_limit"]) == (75.0, 80.0)
    assert rule(answer)["severity"] == "info"
    assert rule(answer)["changed_at"] == NOON + 60_000


def test_a_change_is_stored_for_the_consumer(client: FlaskClient, store: MemoryStore) -> None:
    client.put(RULES, json={"rule": "heat", "hold_s": 10, "threshold": 0.7, "enabled": False})

    (change,) = store.rules.of("pi-1")
    assert (change.rule, change.limit, change.hold_s) == ("heat", None, 10.0)
    assert (change.threshold, change.enabled, change.changed_at) == (0.7, False, NOON)


def test_a_device_may_be_offline_or_silent_for_longer(
    client: FlaskClient, store: MemoryStore
) -> None:
    silence = rule(client.get(RULES), "offline")
    assert (silence["label"], silence["limit"], silence["unit"]) == ("silence", 30.0, "s")

    longer = client.put(RULES, json={"rule": "offline", "limit": 3_600})
    off = client.put(RULES, json={"rule": "offline", "enabled": False})

    assert rule(longer, "offline")["limit"] == 3_600.0
    assert not rule(off, "offline")["enabled"]
    assert client.put(RULES, json={"rule": "offline", "limit": 5}).status_code == 400


def test_what_a_change_leaves_out_stays_and_null_goes_back(client: FlaskClient) -> None:
    client.put(RULES, json={"rule": "heat", "limit": 75, "hold_s": 10})

    assert rule(client.put(RULES, json={"rule": "heat", "hold_s": 20}))["limit"] == 75.0
    back = rule(client.put(RULES, json={"rule": "heat", "limit": None}))

    assert (back["limit"], back["hold_s"]) == (80.0, 20.0)


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ({"rule": "heat", "limit": 500}, 400, "between 30 and 120"),
        ({"rule": "heat", "limit": "75"}, 400, "$.limit"),
        ({"rule": "heat", "threshold": 1}, 400, "threshold"),
        ({"rule": "heat", "hold_s": -1}, 400, "hold_s"),
        ({"rule": "heat", "severity": "awful"}, 400, "$.severity"),
        ({"rule": "heat", "limits": 5}, 400, "limits"),
        ({"limit": 75}, 400, "rule"),
        ([], 400, "array"),
        ({"rule": "gravity", "limit": 9.81}, 404, "gravity"),
    ],
)
def test_a_change_that_cannot_work_says_why_and_changes_nothing(
    client: FlaskClient, store: MemoryStore, body: Any, status: int, named: str
) -> None:
    answer = client.put(RULES, json=body)

    assert answer.status_code == status
    assert named in document(answer)["detail"]
    assert store.rules.of("pi-1") == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"rule":"heat","limit":1e999}'])
def test_a_body_that_is_not_json_is_refused(client: FlaskClient, body: bytes) -> None:
    answer = client.put(RULES, data=body, content_type="application/json")

    assert answer.status_code == 400
    assert answer.content_type == "application/problem+json"


def test_a_rule_of_another_kind_is_unknown(client: FlaskClient, store: MemoryStore) -> None:
    save_reading(store, "pc-1", kind="pc")

    answer = client.put("/api/v1/devices/pc-1/rules", json={"rule": "undervoltage", "limit": 4.5})

    assert answer.status_code == 404


def test_a_huge_body_is_refused(client: FlaskClient) -> None:
    answer = client.put(RULES, data=b" " * 100_000, content_type="application/json")

    assert answer.status_code == 413
    assert answer.content_type == "application/problem+json"
