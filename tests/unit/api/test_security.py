"""A web page elsewhere can neither read this API nor act on it."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from api import create_app
from api.door import Door
from fleetpulse.clock import ManualClock
from fleetpulse.stores.memory import MemoryStore
from tests.unit.api.builders import FakePublisher, FakeRegistry, save_reading

RULES = "/api/v1/devices/pi-1/rules"
CHANGE = {"rule": "heat", "limit": 75}


@pytest.fixture(autouse=True)
def a_device(store: MemoryStore) -> None:
    save_reading(store, "pi-1")


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8000", "127.0.0.1:8000", "127.0.0.2", "[::1]:8000", "LOCALHOST"],
)
def test_loopback_names_are_answered(client: FlaskClient, host: str) -> None:
    assert client.get("/api/v1/fleet", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil@localhost",
        "localhost:port",
        "192.168.1.5:8000",
        "0.0.0.0",  # noqa: S104
        "",
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/fleet", "/", "/docs", "/nowhere", "/metrics"])
def test_another_host_name_is_refused_everywhere(client: FlaskClient, host: str, path: str) -> None:
    answer = client.get(path, headers={"Host": host})

    assert answer.status_code == 403
    assert answer.content_type == "application/problem+json"


def test_a_host_that_was_allowed_is_answered(store: MemoryStore) -> None:
    door = Door(allowed_hosts=frozenset({"fleet.lan"}))
    app = create_app(
        store,
        FakeRegistry([]),
        clock=ManualClock(),
        interval_s=5.0,
        door=door,
        publisher=FakePublisher(),
    )

    assert app.test_client().get("/healthz", headers={"Host": "fleet.lan:80"}).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://localhost:3000",
        "http://127.0.0.1:8000",
        "https://localhost.evil.example",
        "null",
        "file://",
        "",
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_another_origin_is_refused(client: FlaskClient, method: str, origin: str) -> None:
    headers = {"Host": "localhost:8000", "Origin": origin}

    answer = client.open(RULES, method=method, headers=headers, json=CHANGE)

    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("host", "origin"),
    [("localhost:8000", "http://localhost:8000"), ("localhost", "http://localhost:80")],
)
def test_its_own_pages_may_write(client: FlaskClient, host: str, origin: str) -> None:
    headers = {"Host": host, "Origin": origin, "Sec-Fetch-Site": "same-origin"}

    assert client.put(RULES, headers=headers, json=CHANGE).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_write_from_another_site_is_refused(client: FlaskClient, site: str) -> None:
    answer = client.put(RULES, headers={"Sec-Fetch-Site": site}, json=CHANGE)

    assert answer.status_code == 403


def test_a_link_from_another_site_opens_the_dashboard(client: FlaskClient) -> None:
    assert client.get("/", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None]
)
def test_a_write_that_is_not_json_is_refused(
    client: FlaskClient, store: MemoryStore, kind: str | None
) -> None:
    answer = client.put(RULES, data='{"rule":"heat","limit":75}', content_type=kind)

    assert answer.status_code == 415
    assert store.rules.of("pi-1") == []


@pytest.mark.parametrize("path", ["/", "/docs", "/api/v1/fleet", "/nowhere"])
def test_every_answer_forbids_what_it_does_not_need(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers

    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


def test_no_answer_lets_other_origins_read_it(client: FlaskClient) -> None:
    answer = client.options("/api/v1/fleet")

    assert "Access-Control-Allow-Origin" not in answer.headers
