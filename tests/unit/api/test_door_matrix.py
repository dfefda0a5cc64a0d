"""Every route x every kind of key: who gets in, and who does not.

The tables below are written by hand, and not made from the product's own: a route that is added,
opened or narrowed changes nothing here until somebody says that it should.
"""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api import create_app
from api.access import NEEDS
from api.callers import COOKIE
from api.door import Door
from fleetpulse.clock import ManualClock
from fleetpulse.keys import Purpose, make_key
from fleetpulse.people import Group, People, Person, Preferences, Snooze
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Chat, Heartbeat, Scope
from tests.unit.api.builders import (
    CARD,
    NOON,
    FakePublisher,
    FakeRegistry,
    document,
    save_event,
    save_reading,
)

HOST = {"Host": "fleet.lan"}
# Who asks, as columns of the table below; a and b are devices.
CALLERS = (
    "none", "wrong", "revoked", "expired", "link", "session-as-key",
    "read", "act", "admin", "read-a", "act-a", "ingest-a", "ingest-b", "cookie-a",
)  # fmt: skip
EVERYBODY = [200] * len(CALLERS)
OPEN_FOR = {
    #          none wrong revo expi link sess read  act admin re-a ac-a in-a in-b ck-a
    "page":    [302, 401, 401, 401, 401, 401, 200, 200, 200, 200, 200, 403, 403, 200],
    "shared":  [401, 401, 401, 401, 401, 401, 200, 200, 200, 200, 200, 403, 403, 200],
    "fleet":   [401, 401, 401, 401, 401, 401, 200, 200, 200, 403, 403, 403, 403, 403],
    "of a":    [401, 401, 401, 401, 401, 401, 200, 200, 200, 200, 200, 403, 403, 200],
    "of b":    [401, 401, 401, 401, 401, 401, 200, 200, 200, 403, 403, 403, 403, 403],
    "act a":   [401, 401, 401, 401, 401, 401, 403, 200, 200, 403, 200, 403, 403, 403],
    "act b":   [401, 401, 401, 401, 401, 401, 403, 200, 200, 403, 403, 403, 403, 403],
    "act all": [401, 401, 401, 401, 401, 401, 403, 200, 200, 403, 403, 403, 403, 403],
    "admin":   [401, 401, 401, 401, 401, 401, 403, 403, 200, 403, 403, 403, 403, 403],
    "send a":  [401, 401, 401, 401, 401, 401, 403, 403, 202, 403, 403, 202, 403, 403],
    "send b":  [401, 401, 401, 401, 401, 401, 403, 403, 202, 403, 403, 403, 202, 403],
    "open":    EVERYBODY,
    "login":   [401] * len(CALLERS),  # what is sent is no key
}  # fmt: skip

CHANGE = {"rule": "heat", "limit": 75}
HOUR = {"seconds": 3600}
LAB = {"name": "lab", "devices": ["a"]}
ADA = {"name": "Ada", "role": "owner", "owns": ["a"]}


def verdict_on(device_id: str) -> dict[str, str]:
    """An owner's opinion of that device's first alert."""
    return {"alert_id": f"{device_id}:heat:1", "opinion": "right"}


# (rule of the url_map, method) -> what is asked: (path, body, which row)
ROUTES: dict[tuple[str, str], list[tuple[str, object, str]]] = {
    ("/", "GET"): [("/", None, "page")],
    ("/devices/<device_id>", "GET"): [("/devices/a", None, "page"), ("/devices/b", None, "page")],
    ("/people", "GET"): [("/people", None, "page")],
    ("/add", "GET"): [("/add", None, "page")],
    ("/docs", "GET"): [("/docs", None, "page")],
    ("/swagger.json", "GET"): [("/swagger.json", None, "shared")],
    ("/static/<path:filename>", "GET"): [("/static/style.css", None, "open")],
    ("/static/charts/<name>", "GET"): [("/static/charts/uPlot.min.css", None, "open")],
    ("/swaggerui/<path:filename>", "GET"): [("/swaggerui/swagger-ui.css", None, "open")],
    ("/login", "GET"): [("/login", None, "open"), ("/login?code=x", None, "open")],
    ("/login", "POST"): [("/login", {"key": "x"}, "login"), ("/login", {"code": "x"}, "login")],
    ("/logout", "POST"): [("/logout", {}, "open")],
    ("/healthz", "GET"): [("/healthz", None, "open")],
    ("/readyz", "GET"): [("/readyz", None, "shared")],
    ("/metrics", "GET"): [("/metrics", None, "fleet")],
    ("/api/v1/fleet", "GET"): [("/api/v1/fleet", None, "shared")],
    ("/api/v1/devices", "GET"): [("/api/v1/devices", None, "shared")],
    ("/api/v1/devices/<string:device_id>", "GET"): [
        ("/api/v1/devices/a", None, "of a"),
        ("/api/v1/devices/b", None, "of b"),
    ],
    ("/api/v1/devices/<string:device_id>/readings", "GET"): [
        ("/api/v1/devices/a/readings", None, "of a"),
        ("/api/v1/devices/b/readings", None, "of b"),
        ("/api/v1/devices/a/readings?resolution=auto", None, "of a"),
        ("/api/v1/devices/b/readings?resolution=auto", None, "of b"),
    ],
    ("/api/v1/devices/<string:device_id>/predictions", "GET"): [
        ("/api/v1/devices/a/predictions", None, "of a"),
        ("/api/v1/devices/b/predictions", None, "of b"),
    ],
    ("/api/v1/devices/<string:device_id>/rules", "GET"): [
        ("/api/v1/devices/a/rules", None, "of a"),
        ("/api/v1/devices/b/rules", None, "of b"),
    ],
    ("/api/v1/devices/<string:device_id>/rules", "PUT"): [
        ("/api/v1/devices/a/rules", CHANGE, "act a"),
        ("/api/v1/devices/b/rules", CHANGE, "act b"),
    ],
    ("/api/v1/devices/<string:device_id>/verdicts", "PUT"): [
        ("/api/v1/devices/a/verdicts", verdict_on("a"), "act a"),
        ("/api/v1/devices/b/verdicts", verdict_on("b"), "act b"),
    ],
    ("/api/v1/devices/<string:device_id>/acknowledgements", "PUT"): [
        ("/api/v1/devices/a/acknowledgements", {"alert_id": "a:heat:1"}, "act a"),
        ("/api/v1/devices/b/acknowledgements", {"alert_id": "b:heat:1"}, "act b"),
    ],
    ("/api/v1/devices/<string:device_id>/key", "POST"): [
        ("/api/v1/devices/a/key", {"address": "https://fleet.example.org"}, "admin")
    ],
    ("/api/v1/devices/<string:device_id>/snooze", "PUT"): [
        ("/api/v1/devices/a/snooze", HOUR, "act a"),
        ("/api/v1/devices/b/snooze", HOUR, "act b"),
    ],
    ("/api/v1/devices/<string:device_id>/snooze", "DELETE"): [
        ("/api/v1/devices/a/snooze", {}, "act a"),
        ("/api/v1/devices/b/snooze", {}, "act b"),
    ],
    ("/api/v1/snoozes", "GET"): [("/api/v1/snoozes", None, "fleet")],
    ("/api/v1/snoozes", "PUT"): [
        ("/api/v1/snoozes", {"selector": "*"} | HOUR, "act all"),
        ("/api/v1/snoozes", {"selector": "@lab"} | HOUR, "act all"),
        ("/api/v1/snoozes", {"selector": "a"} | HOUR, "act all"),
    ],
    ("/api/v1/snoozes", "DELETE"): [
        ("/api/v1/snoozes", {"selector": "*"}, "act all"),
        ("/api/v1/snoozes", {"selector": "a"}, "act all"),
    ],
    ("/api/v1/groups", "GET"): [("/api/v1/groups", None, "fleet")],
    ("/api/v1/groups", "PUT"): [("/api/v1/groups", LAB, "act all")],
    ("/api/v1/groups", "DELETE"): [("/api/v1/groups", {"name": "lab"}, "act all")],
    ("/api/v1/people", "GET"): [("/api/v1/people", None, "act all")],
    ("/api/v1/people", "PUT"): [("/api/v1/people", ADA, "admin")],
    ("/api/v1/people", "DELETE"): [("/api/v1/people", {"name": "Ada"}, "admin")],
    ("/api/v1/people/<string:name>/code", "POST"): [("/api/v1/people/Ada/code", {}, "admin")],
    ("/api/v1/chats", "GET"): [("/api/v1/chats", None, "act all")],
    ("/api/v1/chats/<string:target>/test", "POST"): [
        ("/api/v1/chats/notify:mail/test", {}, "act all")
    ],
    ("/api/v1/chats", "DELETE"): [("/api/v1/chats", {"target": "telegram:1"}, "admin")],
    ("/api/v1/alerts", "GET"): [
        ("/api/v1/alerts", None, "shared"),
        ("/api/v1/alerts?device_id=a", None, "of a"),
        ("/api/v1/alerts?device_id=b", None, "of b"),
    ],
    ("/api/v1/events", "GET"): [
        ("/api/v1/events", None, "shared"),
        ("/api/v1/events?device_id=a", None, "of a"),
        ("/api/v1/events?device_id=b", None, "of b"),
    ],
    ("/api/v1/models", "GET"): [("/api/v1/models", None, "shared")],
    ("/api/v1/readings", "POST"): [
        ("/api/v1/readings", [{"device_id": "a", "kind": "pc", "measured_at": NOON}], "send a"),
        ("/api/v1/readings", [{"device_id": "b", "kind": "pc", "measured_at": NOON}], "send b"),
    ],
}
CASES = [
    pytest.param(method, path, body, caller, OPEN_FOR[row][column], id=f"{method} {path} {caller}")
    for (_, method), asked in ROUTES.items()
    for path, body, row in asked
    for column, caller in enumerate(CALLERS)
]


def a_store() -> MemoryStore:
    """Two devices and a consumer that lives."""
    store = MemoryStore()
    save_reading(store, "a", kind="pc")
    save_reading(store, "b", kind="pc")
    save_event(store, "a")
    save_event(store, "b")
    store.heartbeats.beat(Heartbeat(process="consumer", at=NOON))
    fill_with_people(store)
    return store


def fill_with_people(store: MemoryStore) -> None:
    """Somebody with a chat, a group, and snoozes: what some routes remove."""
    people = People(store.documents)
    people.people.put("Ada", Person(name="Ada"))
    people.groups.put("lab", Group(name="lab", devices=["a"]))
    people.preferences.put("telegram:1", Preferences(person="Ada"))
    for target in ("telegram:1", "notify:mail"):
        store.chats.put(Chat(chat_id=target, title="Ada", subscribed_at=NOON))
    for selector in ("*", "@lab", "a", "b"):
        people.snoozes.put(selector, Snooze(until=NOON + 60_000, said_by="Ada"))


@pytest.fixture(autouse=True)
def everybody_is_back() -> None:
    fill_with_people(STORE)


def an_app(store: MemoryStore, door: Door) -> Flask:
    return create_app(
        store,
        FakeRegistry([CARD]),
        clock=ManualClock(),
        interval_s=5.0,
        door=door,
        publisher=FakePublisher(),
    )


STORE = a_store()
LOCKED = an_app(STORE, Door(host="192.168.1.5", allowed_hosts=frozenset({"fleet.lan"})))


def headers_of(caller: str, store: MemoryStore = STORE) -> dict[str, str]:
    """What that caller sends."""
    if caller == "none":
        return dict(HOST)
    name, _, device_id = caller.partition("-")
    scopes = {"cookie": Scope.READ} | {str(each): each for each in Scope}
    purposes = {
        "link": Purpose.LINK,
        "session-as-key": Purpose.SESSION,
        "cookie-a": Purpose.SESSION,
    }
    key, text = make_key(
        caller,
        [scopes.get(name, Scope.ADMIN)],
        now_ms=NOON - 2000,
        device_id=device_id if name in scopes and device_id else None,
        expires_at=NOON - 1000 if caller == "expired" else None,
        purpose=purposes.get(caller, Purpose.KEY),
    )
    if caller != "wrong":
        store.keys.put(key)
    if caller == "revoked":
        store.keys.revoke(key.key_id, NOON - 1000)
    if caller == "cookie-a":
        return HOST | {"Cookie": f"{COOKIE}={text}"}
    return HOST | {"Authorization": f"Bearer {text}"}


def every_route(app: Flask) -> set[tuple[str, str]]:
    """Every (rule, method) of an application, but HEAD and OPTIONS, which follow the others."""
    return {
        (rule.rule, method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


@pytest.fixture
def client() -> FlaskClient:
    return LOCKED.test_client(use_cookies=False)


def test_every_route_is_in_the_matrix_and_says_what_it_needs() -> None:
    declared = {(rule, method) for rule, methods in NEEDS.items() for method in methods}

    assert every_route(LOCKED) == set(ROUTES)
    assert declared == set(ROUTES)


@pytest.mark.parametrize(("method", "path", "body", "caller", "status"), CASES)
def test_nobody_gets_further_than_the_key_says(
    client: FlaskClient, method: str, path: str, body: object, caller: str, status: int
) -> None:
    with client.open(path, method=method, json=body, headers=headers_of(caller)) as answer:
        assert answer.status_code == status


@pytest.mark.parametrize("other", ["HEAD", "OPTIONS"])
@pytest.mark.parametrize(
    ("path", "caller", "status"),
    [
        pytest.param(path, caller, OPEN_FOR[row][column], id=f"{path} {caller}")
        for (_, method), asked in ROUTES.items()
        for path, _, row in asked
        for column, caller in enumerate(CALLERS)
        if method == "GET" and "device_id=" not in path
    ],
)
def test_other_methods_of_a_page_get_no_further_than_reading_it(
    client: FlaskClient, other: str, path: str, caller: str, status: int
) -> None:
    with client.open(path, method=other, headers=headers_of(caller)) as answer:
        assert answer.status_code == status


@pytest.mark.parametrize("caller", CALLERS)
def test_a_path_that_does_not_exist_is_told_to_nobody_without_a_key(
    client: FlaskClient, caller: str
) -> None:
    answer = client.get("/api/v1/nowhere", headers=headers_of(caller))

    known = CALLERS.index(caller) >= CALLERS.index("read")
    assert answer.status_code == (404 if known else 401)


def test_a_route_that_says_nowhere_what_it_needs_is_refused_to_everybody() -> None:
    app = an_app(MemoryStore(), Door())
    app.add_url_rule("/forgotten", "forgotten", lambda: "secret")

    answer = app.test_client().get("/forgotten", headers={"Host": "localhost"})

    assert answer.status_code == 403
    assert "secret" not in answer.text


@pytest.mark.parametrize(("method", "path", "body", "caller", "status"), CASES)
def test_on_this_machine_no_key_is_needed_and_no_cookie_looked_at_but_a_key_is_obeyed(
    method: str, path: str, body: object, caller: str, status: int
) -> None:
    app = an_app(STORE, Door())
    headers = headers_of(caller) | {"Host": "localhost:8000"}

    with app.test_client(use_cookies=False).open(
        path, method=method, json=body, headers=headers
    ) as answer:
        opened = 401 if body and path == "/login" else 202 if path == "/api/v1/readings" else 200
        assert answer.status_code == (opened if caller in ("none", "cookie-a") else status)


@pytest.mark.parametrize("path", ["fleet", "devices", "alerts", "events"])
@pytest.mark.parametrize("limit", ["", "?limit=1"])
def test_lists_tell_a_key_of_one_device_of_no_other(path: str, limit: str) -> None:
    store = a_store()
    for device_id in ("a", "b"):
        save_event(store, device_id, at=NOON)
    client = an_app(store, Door(host="192.168.1.5", allowed_hosts=frozenset({"fleet.lan"})))
    query = limit if path != "fleet" else ""

    answer = client.test_client().get(f"/api/v1/{path}{query}", headers=headers_of("read-a", store))

    found = document(answer)
    items = found["devices"] if path == "fleet" else found["items"]
    assert [item["device_id"] for item in items] == ["a"]
    assert found.get("next_cursor") is None
    assert found.get("total", 1) == 1
