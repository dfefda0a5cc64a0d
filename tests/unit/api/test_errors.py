"""Every error is a problem document."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.errors import PROBLEMS
from fleetpulse import errors
from fleetpulse.stores.memory import MemoryStore
from tests.unit.api.builders import document


def every_error(kind: type[errors.FleetpulseError]) -> Iterator[type[errors.FleetpulseError]]:
    """The classes below `kind` that fleetpulse itself defines."""
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from every_error(child)


def test_every_error_of_fleetpulse_has_a_status() -> None:
    assert set(every_error(errors.FleetpulseError)) == set(PROBLEMS)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/api/v1/nowhere", 404),
        ("GET", "/api/v1/devices/pi-9", 404),
        ("POST", "/api/v1/fleet", 405),
        ("PUT", "/", 405),
        ("GET", "/api/v1/alerts?limit=0", 400),
        ("GET", "/static/nothing.js", 404),
        ("GET", "/static/charts/__init__.py", 404),
    ],
)
def test_an_error_is_a_whole_problem_document(
    client: FlaskClient, method: str, path: str, status: int
) -> None:
    answer = client.open(path, method=method, json={} if method != "GET" else None)

    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert document(answer)["status"] == status
    assert document(answer)["instance"] == path.split("?")[0]
    assert set(document(answer)) >= {"type", "title", "detail"}


def test_a_method_that_is_not_allowed_says_which_are(client: FlaskClient) -> None:
    answer = client.post("/api/v1/fleet", json={})

    assert "GET" in answer.headers["Allow"]


def test_a_busy_store_is_a_503_that_says_when_to_try_again(
    client: FlaskClient, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy() -> None:
        raise errors.StoreBusy("The store is throttled.", retry_after_s=7)

    monkeypatch.setattr(store.devices, "page", lambda **_: busy())

    answer = client.get("/api/v1/fleet")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
    assert document(answer)["detail"] == "The store is throttled."


def test_a_bug_is_a_500_that_tells_nothing_of_the_inside(
    client: FlaskClient, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: object) -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(store.devices, "page", broken)

    answer = client.get("/api/v1/fleet")

    assert answer.status_code == 500
    assert answer.content_type == "application/problem+json"
    assert b"hunter2" not in answer.data


def test_an_error_of_fleetpulse_keeps_its_own_name(app: Flask, client: FlaskClient) -> None:
    assert document(client.get("/api/v1/devices/x"))["type"] == "urn:fleetpulse:unknown-device"
