"""A machine joins the fleet: a key of its own, in one line."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from fleetpulse.keys import Purpose, find
from fleetpulse.stores.memory import MemoryStore
from tests.unit.api.builders import NOON, document

PATH = "/api/v1/devices/pi-attic/key"
ADDRESS = "https://fleet.example.org"


def test_the_line_holds_a_key_that_sends_readings_of_this_device_and_no_more(
    client: FlaskClient, store: MemoryStore
) -> None:
    joined = document(client.post(PATH, json={"address": ADDRESS + "/"}))

    (text,) = re.findall(r"echo (fp_\S+) \|", joined["install"])
    key = find(store.keys, text, Purpose.KEY, now_ms=NOON)
    assert key is not None
    assert (key.scopes, key.device_id) == (["ingest"], "pi-attic")
    assert joined["device_id"] == "pi-attic"
    assert joined["key_id"] == key.key_id
    assert f"agent install raspberry --api {ADDRESS} --device-id pi-attic" in joined["install"]


def test_the_line_is_for_the_kind_of_machine(client: FlaskClient) -> None:
    joined = document(client.post(PATH, json={"address": ADDRESS, "kind": "pc"}))

    assert "agent install pc " in joined["install"]
    assert "--system-site-packages" not in joined["install"]


def test_the_line_installs_the_wheel_that_is_asked_for(client: FlaskClient) -> None:
    joined = document(client.post(PATH, json={"address": ADDRESS, "wheel": "./a wheel.whl"}))

    assert "pip install --force-reinstall './a wheel.whl[agent]' " in joined["install"]


def test_keys_that_the_device_has_still_are_named(client: FlaskClient) -> None:
    first = document(client.post(PATH, json={"address": ADDRESS}))
    client.post(PATH.replace("attic", "cellar"), json={"address": ADDRESS})
    second = document(client.post(PATH, json={"address": ADDRESS}))

    assert first["other_keys"] == []
    assert second["other_keys"] == [{"key_id": first["key_id"], "created_at": NOON}]


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        (PATH, {"address": "http://localhost:8000"}, "other machines find the API"),
        (PATH, {"address": "fleet.lan"}, "other machines find the API"),
        (PATH, {"address": ADDRESS, "kind": "toaster"}, "kind"),
        (PATH, {"address": ADDRESS, "wheel": ""}, "A wheel is one file"),
        (PATH, {}, "address"),
        ("/api/v1/devices/$(reboot)/key", {"address": ADDRESS}, "A device's name must be"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_in_words_and_no_key_is_made(
    client: FlaskClient, store: MemoryStore, path: str, body: dict[str, Any], says: str
) -> None:
    answer = client.post(path, json=body)

    assert answer.status_code == 400
    assert says in document(answer)["detail"]
    assert list(store.keys.all()) == []


def test_an_address_cannot_add_a_command(client: FlaskClient) -> None:
    joined = document(client.post(PATH, json={"address": "https://fleet.lan;reboot"}))

    assert "--api 'https://fleet.lan;reboot' " in joined["install"]
