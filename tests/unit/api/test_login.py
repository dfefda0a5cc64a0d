"""A key or a one-time link becomes a session, and a session ends."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from api import create_app
from api.callers import COOKIE
from api.door import Door
from api.login import own_path
from fleetpulse.clock import ManualClock
from fleetpulse.keys import LINK_MS, Purpose, make_key
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import ApiKey, Scope
from tests.unit.api.builders import NOON, FakePublisher, FakeRegistry, document, save_reading

FLEET = "/api/v1/fleet"


@pytest.fixture
def browser(store: MemoryStore, clock: ManualClock) -> FlaskClient:
    """A browser that has logged in nowhere yet, at an API that others can reach."""
    return a_browser(store, clock)


def a_browser(store: MemoryStore, clock: ManualClock) -> FlaskClient:
    app = create_app(
        store,
        FakeRegistry([]),
        clock=clock,
        interval_s=5.0,
        door=Door(host="localhost.lan", login_limit="5/minute"),
        publisher=FakePublisher(),
    )
    app.config["SERVER_NAME"] = "localhost.lan"  # where the test client sends to
    return app.test_client()


def given(
    store: MemoryStore,
    *scopes: Scope,
    purpose: Purpose = Purpose.KEY,
    device_id: str | None = None,
) -> tuple[ApiKey, str]:
    """A key in the store and its text."""
    expires_at = NOON + LINK_MS if purpose is Purpose.LINK else None
    key, text = make_key(
        "display",
        scopes or [Scope.ACT],
        now_ms=NOON,
        purpose=purpose,
        device_id=device_id,
        expires_at=expires_at,
    )
    store.keys.put(key)
    return key, text


def test_without_a_session_a_person_is_sent_to_the_login_and_a_program_is_not(
    browser: FlaskClient,
) -> None:
    page, program = browser.get("/devices/pi-1"), browser.get(FLEET)

    assert (page.status_code, page.location) == (302, "/login?next=/devices/pi-1")
    assert program.status_code == 401
    assert program.headers["WWW-Authenticate"].startswith("Bearer")
    assert program.content_type == "application/problem+json"


def test_a_key_opens_a_session_by_the_form(browser: FlaskClient, store: MemoryStore) -> None:
    _, text = given(store)

    answer = browser.post("/login", data={"key": text, "next": "/devices/pi-1"})

    assert (answer.status_code, answer.location) == (303, "/devices/pi-1")
    assert browser.get(FLEET).status_code == 200
    cookie = answer.headers["Set-Cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=Strict", "Path=/"))
    assert text not in cookie
    assert "Secure" not in cookie


def test_a_key_opens_a_session_by_json(browser: FlaskClient, store: MemoryStore) -> None:
    _, text = given(store)

    answer = browser.post("/login", json={"key": text})

    assert document(answer) == {"name": "display", "scopes": ["act"]}
    assert browser.get(FLEET).status_code == 200


def test_over_https_the_cookie_is_for_https_only(browser: FlaskClient, store: MemoryStore) -> None:
    _, text = given(store)

    by_proxy = browser.post(
        "/login", data={"key": text}, headers={"Origin": "https://localhost.lan"}
    )
    claimed = browser.post("/login", data={"key": text}, headers={"X-Forwarded-Proto": "https"})

    assert "Secure" in by_proxy.headers["Set-Cookie"]
    assert "Secure" not in claimed.headers["Set-Cookie"]


def test_a_session_may_no_more_than_its_key(browser: FlaskClient, store: MemoryStore) -> None:
    save_reading(store, "pi-1")
    save_reading(store, "pi-2")
    _, text = given(store, Scope.READ, device_id="pi-1")
    browser.post("/login", data={"key": text})

    shown = [each["device_id"] for each in document(browser.get(FLEET))["devices"]]
    change = {"rule": "heat", "limit": 70}

    assert shown == ["pi-1"]
    assert browser.get("/api/v1/devices/pi-2").status_code == 403
    assert browser.put("/api/v1/devices/pi-1/rules", json=change).status_code == 403


@pytest.mark.parametrize("text", ["", "fp_x", "hunter2"])
def test_what_is_no_key_opens_nothing_and_is_said_on_the_page(
    browser: FlaskClient, text: str
) -> None:
    answer = browser.post("/login", data={"key": text})

    assert answer.status_code == 401
    assert "This key opens nothing" in answer.text
    assert not text or text not in answer.text
    assert browser.get(FLEET).status_code == 401


def test_a_key_that_only_sends_opens_no_dashboard(browser: FlaskClient, store: MemoryStore) -> None:
    _, text = given(store, Scope.INGEST, device_id="pi-1")

    assert browser.post("/login", data={"key": text}).status_code == 403


def test_logging_out_ends_the_session_for_whoever_has_its_cookie(
    browser: FlaskClient, store: MemoryStore
) -> None:
    _, text = given(store)
    browser.post("/login", data={"key": text})
    cookie = browser.get_cookie(COOKIE, "localhost.lan")
    assert cookie is not None

    answer = browser.post("/logout")

    assert (answer.status_code, answer.location) == (303, "/login")
    assert browser.get_cookie(COOKIE, "localhost.lan") is None
    browser.set_cookie(COOKIE, cookie.value, domain="localhost.lan")
    assert browser.get(FLEET).status_code == 401


def test_a_session_ends_with_its_key_and_after_30_days(
    browser: FlaskClient, store: MemoryStore, clock: ManualClock
) -> None:
    key, text = given(store)
    _, other = given(store)
    browser.post("/login", data={"key": other})
    clock.advance(30 * 24 * 3600)
    assert browser.get(FLEET).status_code == 401

    browser.post("/login", data={"key": text})
    assert browser.get(FLEET).status_code == 200
    store.keys.revoke(key.key_id, clock.now_ms())

    assert browser.get(FLEET).status_code == 401


def test_a_link_opens_one_session_and_being_looked_at_does_not_use_it_up(
    browser: FlaskClient, store: MemoryStore, clock: ManualClock
) -> None:
    link, code = given(store, purpose=Purpose.LINK)
    for _ in range(3):  # a messenger's preview
        assert "Open the dashboard" in browser.get(f"/login?code={code}").text

    first = browser.post("/login", data={"code": code})
    second = a_browser(store, clock).post("/login", data={"code": code})

    assert (first.status_code, second.status_code) == (303, 401)
    assert "used before" in second.text
    assert browser.get(FLEET).status_code == 200
    assert store.keys.get(link.key_id).revoked_at is not None  # type: ignore[union-attr]


def test_a_link_of_eleven_minutes_opens_nothing(
    browser: FlaskClient, store: MemoryStore, clock: ManualClock
) -> None:
    _, code = given(store, purpose=Purpose.LINK)
    clock.advance(11 * 60)

    assert browser.post("/login", data={"code": code}).status_code == 401


def test_a_link_is_no_key_and_a_key_no_link(browser: FlaskClient, store: MemoryStore) -> None:
    _, code = given(store, purpose=Purpose.LINK)
    _, text = given(store)

    assert browser.get(FLEET, headers={"X-API-Key": code}).status_code == 401
    assert browser.post("/login", data={"key": code}).status_code == 401
    assert browser.post("/login", data={"code": text}).status_code == 401


def test_guessing_is_slowed_down(browser: FlaskClient) -> None:
    answers = [browser.post("/login", data={"key": "x"}).status_code for _ in range(6)]

    assert answers == [401] * 5 + [429]


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}],
)
def test_another_sites_page_logs_nobody_in_or_out(
    browser: FlaskClient, store: MemoryStore, headers: dict[str, str]
) -> None:
    _, text = given(store)

    assert browser.post("/login", data={"key": text}, headers=headers).status_code == 403
    assert browser.post("/logout", headers=headers).status_code == 403


def test_a_session_writes_json_only(browser: FlaskClient, store: MemoryStore) -> None:
    save_reading(store, "pi-1")
    _, text = given(store)
    browser.post("/login", data={"key": text})

    answer = browser.put("/api/v1/devices/pi-1/rules", data={"rule": "heat"})

    assert answer.status_code == 415


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("/devices/pi-1", "/devices/pi-1"),
        ("/?a=b", "/?a=b"),
        ("", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/\r\nSet-Cookie: x=y", "/"),
        ("//[", "/"),
    ],
)
def test_after_the_login_nobody_is_sent_to_another_site(path: str, leads_to: str) -> None:
    assert own_path(path) == leads_to


@pytest.mark.parametrize(
    ("host", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("127.0.0.1", {"X-Forwarded-For": "10.0.0.9"}, 401),
        ("127.0.0.1", {"Host": "fleet.lan"}, 401),
        ("0.0.0.0", {}, 401),  # noqa: S104
        ("0.0.0.0", {"Host": "192.168.1.5:8000"}, 401),  # noqa: S104
        ("0.0.0.0", {"Host": "evil.example"}, 403),  # noqa: S104
        ("192.168.1.5", {"Host": "192.168.1.5:8000"}, 401),
        ("192.168.1.5", {"Host": "192.168.1.6:8000"}, 403),
    ],
)
def test_no_key_is_needed_only_where_nobody_else_can_be(
    store: MemoryStore, clock: ManualClock, host: str, headers: dict[str, str], status: int
) -> None:
    app = create_app(
        store,
        FakeRegistry([]),
        clock=clock,
        interval_s=5.0,
        door=Door(host=host, allowed_hosts=frozenset({"fleet.lan"})),
        publisher=FakePublisher(),
    )

    answer = app.test_client().get(FLEET, headers={"Host": "localhost"} | headers)

    assert answer.status_code == status
