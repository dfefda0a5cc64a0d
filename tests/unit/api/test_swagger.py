"""The description is whole, and the answers are as described."""

from __future__ import annotations

import re
from typing import Any

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api import create_app
from fleetpulse import __version__
from fleetpulse.alerts import State, Status
from fleetpulse.channel_tests import ask_for
from fleetpulse.clock import ManualClock
from fleetpulse.people import Group, People, Person, Preferences, Snooze
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Chat, ClockAhead, Heartbeat
from fleetpulse.telemetry import CHANNELS
from tests.unit.api.builders import (
    CARD,
    NOON,
    FakePublisher,
    FakeRegistry,
    document,
    save_event,
    save_reading,
)


@pytest.fixture
def swagger(client: FlaskClient) -> Any:
    return document(client.get("/swagger.json"))


def test_swagger_lists_every_route(app: Flask, swagger: Any) -> None:
    for_people = (
        "/static/",
        "/swaggerui/",
        "/docs",
        "/swagger.json",
        "/devices/",
        "/people",
        "/add",
        "/log",
    )
    routes = {
        re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.rule != "/" and not rule.rule.startswith(for_people)
    }

    assert set(swagger["paths"]) == routes
    assert "/api/v1/devices/{device_id}/rules" in routes


def test_every_field_has_a_description_and_an_example(swagger: Any) -> None:
    lacking = [
        f"{name}.{field}"
        for name, model in swagger["definitions"].items()
        for field, schema in model["properties"].items()
        if not schema.get("description") or ("example" not in schema and not refers(schema))
    ]

    assert lacking == []


def refers(schema: Any) -> bool:
    """Whether a field is made of other models, which have the examples."""
    return "$ref" in schema.get("items", {}) or "allOf" in schema


def test_every_channel_says_its_unit(swagger: Any) -> None:
    fields = swagger["definitions"]["Reading"]["properties"]

    for channel in CHANNELS:
        assert channel.unit in fields[channel.name]["description"]
        assert fields[channel.name]["example"] == channel.example


def test_every_parameter_is_described(swagger: Any) -> None:
    operations = [
        operation
        for path in swagger["paths"].values()
        for method, operation in path.items()
        if method in ("get", "put", "post", "delete")
    ]
    parameters = [
        each
        for described in [*operations, *swagger["paths"].values()]
        for each in described.get("parameters", [])
    ]

    assert parameters
    assert all(each.get("description") for each in parameters if each["in"] != "body")
    assert all(operation["summary"] for operation in operations)


def test_the_documentation_page_asks_no_other_server(client: FlaskClient) -> None:
    page = client.get("/docs").text

    assert client.get("/docs").status_code == 200
    assert "://" not in page
    assert "<script>" not in page
    for address in re.findall(r'(?:src|href)="([^"]+)"', page):
        with client.get(address) as answer:
            assert answer.status_code == 200


def a_filled_app() -> Flask:
    """An application with something in every list."""
    store = MemoryStore()
    save_reading(store, "pi-1", temperature_c=79.0, status=Status.SOON, causes=["hot"])
    save_reading(store, "pc-1", kind="pc")
    store.devices.clocks_ahead([ClockAhead(device_id="late", kind="pc", ahead_ms=600_000, at=1)])
    save_event(store, state=State.SOON)
    store.heartbeats.beat(Heartbeat(process="consumer", at=NOON))
    people = People(store.documents)
    people.people.put("Ada", Person(name="Ada", owns=["@lab"]))
    people.groups.put("lab", Group(name="lab", devices=["pi-*"]))
    people.preferences.put("telegram:1", Preferences(person="Ada"))
    people.snoozes.put("@lab", Snooze(until=NOON + 60_000, said_by="Ada"))
    ask_for(store, "notify:mail", asked_by="Ada", now_ms=NOON)
    for chat_id in ("telegram:1", "telegram:2", "notify:mail"):
        store.chats.put(Chat(chat_id=chat_id, title="", subscribed_at=NOON))
    return create_app(
        store,
        FakeRegistry([CARD]),
        clock=ManualClock(),
        interval_s=5.0,
        publisher=FakePublisher(),
    )


KNOWN = {"target": "notify:mail", "device_id": "pi-1", "name": "Ada"}
schema = schemathesis.openapi.from_wsgi("/swagger.json", a_filled_app())
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)


@schema.parametrize()
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_answers_conform_to_their_description(case: Any) -> None:
    for name in case.path_parameters or {}:
        case.path_parameters[name] = KNOWN[name]
    case.call_and_validate(checks=CHECKS)


def test_the_document_tells_the_version(client: FlaskClient) -> None:
    assert client.get("/swagger.json").get_json()["info"]["version"] == __version__
