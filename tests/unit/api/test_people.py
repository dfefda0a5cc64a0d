"""Groups, people, their chats, and the codes that pair them."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from api.resources.chats import heard
from fleetpulse.alerts import Severity
from fleetpulse.channel_tests import answer, wanted
from fleetpulse.clock import ManualClock
from fleetpulse.pairing import code_in, pair
from fleetpulse.people import Group, People, Person, Preferences, QuietHours, Role
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Chat
from tests.unit.api.builders import NOON, document

GROUPS, PEOPLE, CHATS = "/api/v1/groups", "/api/v1/people", "/api/v1/chats"
LAB = {"name": "lab", "devices": ["lab-*", "pi-1"]}
ADA = {"name": "Ada Lovelace", "role": "viewer", "owns": ["@lab", "pi-1", "kind:pc", "x-[0-9]*"]}


def items(client: FlaskClient, path: str) -> list[Any]:
    """The first page of a list."""
    found: list[Any] = document(client.get(path))["items"]
    return found


def a_code(client: FlaskClient, name: str = "Ada Lovelace") -> Any:
    return document(client.post(f"{PEOPLE}/{name}/code", json={}))


def test_a_group_is_kept_replaced_and_forgotten(client: FlaskClient) -> None:
    assert document(client.put(GROUPS, json=LAB)) == LAB
    client.put(GROUPS, json=LAB | {"devices": ["pc-*"]})
    assert items(client, GROUPS) == [{"name": "lab", "devices": ["pc-*"]}]

    client.delete(GROUPS, json={"name": "lab"})

    assert items(client, GROUPS) == []
    assert client.delete(GROUPS, json={"name": "lab"}).status_code == 404


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"name": "@lab"}, "group's name"),
        ({"name": "Lab"}, "group's name"),
        ({"name": "-lab"}, "group's name"),
        ({"name": ""}, "group's name"),
        ({"name": "l" * 33}, "group's name"),
        ({"devices": []}, "needs a device"),
        ({"devices": ["a b"]}, "'a b' names no devices"),
        ({"devices": ["@lab"]}, "'@lab' names no devices"),
        ({"devices": ["*" * 65]}, "names no devices"),
    ],
    ids=str,
)
def test_a_group_that_cannot_be_is_refused_in_words(
    client: FlaskClient, wrong: dict[str, Any], says: str
) -> None:
    answer = client.put(GROUPS, json=LAB | wrong)

    assert answer.status_code == 400
    assert answer.content_type == "application/problem+json"
    assert says in document(answer)["detail"]
    assert items(client, GROUPS) == []


def test_a_group_that_is_used_is_not_removed_and_says_by_whom(
    client: FlaskClient, store: MemoryStore
) -> None:
    client.put(GROUPS, json=LAB)
    for name in "ABCDEF":
        client.put(PEOPLE, json={"name": name, "owns": ["@lab"]})

    answer = client.delete(GROUPS, json={"name": "lab"})

    assert (answer.status_code, answer.content_type) == (409, "application/problem+json")
    assert document(answer)["type"] == "urn:fleetpulse:group-in-use"
    assert "used by A, B, C, D, E and 1 more" in document(answer)["detail"]
    assert items(client, GROUPS) == [LAB]


def test_another_code_leaves_a_person_as_before(client: FlaskClient) -> None:
    person = {"name": "Eve", "role": "viewer", "owns": ["pi-1"]}
    client.put(PEOPLE, json=person)

    a_code(client, "Eve")

    assert items(client, PEOPLE) == [person]


@pytest.mark.parametrize(
    "written", ["6YE68WCG", "6YE6-8WCG", "6ye6-8wcg", "/start 6YE6 8WCG", "pair 6ye6 8wcg"]
)
def test_a_code_is_read_however_its_halves_are_divided(written: str) -> None:
    assert code_in(written) == "6YE68WCG"


def test_two_words_of_four_letters_are_a_talk() -> None:
    assert code_in("text back") is None


def test_a_person_is_kept_and_changed(client: FlaskClient, store: MemoryStore) -> None:
    client.put(GROUPS, json=LAB)

    assert document(client.put(PEOPLE, json=ADA)) == ADA
    client.put(PEOPLE, json={"name": "Ada Lovelace", "role": "owner", "owns": []})

    assert items(client, PEOPLE) == [{"name": "Ada Lovelace", "role": "owner", "owns": []}]
    assert People(store.documents).people.get("Ada Lovelace") == Person(name="Ada Lovelace")


@pytest.mark.parametrize(
    ("change", "now"),
    [
        ({}, {}),
        ({"role": "owner"}, {"role": "owner"}),
        ({"owns": []}, {"owns": []}),
    ],
)
def test_what_is_left_out_of_a_person_stays_as_it_is(
    client: FlaskClient, change: dict[str, Any], now: dict[str, Any]
) -> None:
    client.put(GROUPS, json=LAB)
    client.put(PEOPLE, json=ADA)

    client.put(PEOPLE, json={"name": ADA["name"]} | change)

    assert items(client, PEOPLE) == [ADA | now]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"name": "<b>"}, "person's name"),
        ({"name": ""}, "person's name"),
        ({"name": "A" * 65}, "person's name"),
        ({"owns": ["@cellar"]}, "no group called @cellar; there are @lab"),
        ({"owns": ["pi 1"]}, "'pi 1' names no devices"),
        ({"owns": ["rule:heat"]}, "'rule:heat' names no devices"),
        ({"role": "king"}, "role"),
    ],
    ids=str,
)
def test_a_person_who_cannot_be_is_refused_in_words(
    client: FlaskClient, wrong: dict[str, Any], says: str
) -> None:
    client.put(GROUPS, json=LAB)

    answer = client.put(PEOPLE, json=ADA | wrong)

    assert answer.status_code == 400
    assert says in document(answer)["detail"]
    assert items(client, PEOPLE) == []


def test_a_code_pairs_one_chat_once(client: FlaskClient, store: MemoryStore) -> None:
    client.put(GROUPS, json=LAB)
    client.put(PEOPLE, json=ADA)

    made = a_code(client)

    assert made["expires_at"] == NOON + 600_000
    code = code_in(made["code"])
    assert code is not None
    person = pair(store, code, "telegram:1", "Ada", now_ms=NOON + 599_999)
    assert person is not None
    assert person.role is Role.VIEWER
    assert pair(store, code, "telegram:2", "Eve", now_ms=NOON + 599_999) is None
    assert items(client, CHATS) == [
        {
            "target": "telegram:1",
            "title": "Ada",
            "person": "Ada Lovelace",
            "active": True,
            "hears": "everything",
            "test": None,
        }
    ]


def test_a_code_is_too_old_after_ten_minutes(
    client: FlaskClient, store: MemoryStore, clock: ManualClock
) -> None:
    client.put(PEOPLE, json={"name": "Ada"})
    code = code_in(a_code(client, "Ada")["code"])
    assert code is not None

    assert pair(store, code, "telegram:1", "Ada", now_ms=NOON + 600_000) is None
    a_code(client, "Ada")
    a_code(client, "Ada")
    clock.advance(601)
    a_code(client, "Ada")

    assert len(People(store.documents).codes.all()) == 1  # the old ones are forgotten


def test_nobody_gets_a_code_who_is_not_known(client: FlaskClient, store: MemoryStore) -> None:
    answer = client.post(f"{PEOPLE}/Eve/code", json={})

    assert answer.status_code == 404
    assert "nobody called 'Eve'" in document(answer)["detail"]
    assert People(store.documents).codes.all() == {}


def test_a_person_who_is_removed_leaves_no_chat_and_no_code_to_a_namesake(
    client: FlaskClient, store: MemoryStore
) -> None:
    client.put(PEOPLE, json={"name": "Ada"})
    first, second = (code_in(a_code(client, "Ada")["code"]) for _ in range(2))
    assert first is not None
    assert second is not None
    pair(store, first, "telegram:1", "Ada", now_ms=NOON)

    answer = client.delete(PEOPLE, json={"name": "Ada"})

    assert answer.status_code == 200
    client.put(PEOPLE, json={"name": "Ada"})
    assert pair(store, second, "telegram:2", "Eve", now_ms=NOON) is None
    assert items(client, CHATS) == []
    assert list(store.chats.active()) == []
    assert client.delete(PEOPLE, json={"name": "Eve"}).status_code == 404


def test_a_chat_is_removed(client: FlaskClient, store: MemoryStore) -> None:
    store.chats.put(Chat(chat_id="telegram:1", title="Ada", subscribed_at=NOON))

    assert document(client.delete(CHATS, json={"target": "telegram:1"})) == {"target": "telegram:1"}

    assert items(client, CHATS) == []
    assert client.delete(CHATS, json={"target": "telegram:2"}).status_code == 404


def test_chats_say_whose_they_are_and_whether_they_are_told(
    client: FlaskClient, store: MemoryStore
) -> None:
    people = People(store.documents)
    store.chats.put(Chat(chat_id="telegram:1", title="the lab", subscribed_at=NOON))
    blocked = Chat(chat_id="telegram:2", title="Ada", subscribed_at=NOON, active=False)
    store.chats.put(blocked)
    people.preferences.put("telegram:2", Preferences(person="Ada"))

    found = items(client, CHATS)

    assert [(each["title"], each["person"], each["active"]) for each in found] == [
        ("the lab", None, True),
        ("Ada", "Ada", False),
    ]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Preferences(), "everything"),
        (Preferences(hears=False), "nothing"),
        (Preferences(only=["@lab", "rule:heat"]), "@lab, rule:heat"),
        (Preferences(but_not=["pi-1"]), "everything; but not pi-1"),
        (Preferences(severity=Severity.WARNING), "everything; from warning on"),
        (
            Preferences(quiet=QuietHours(begins=1320, ends=425, zone="Europe/Berlin")),
            "everything; quiet from 22:00 to 07:05 (Europe/Berlin)",
        ),
    ],
)
def test_what_a_chat_hears_is_said_in_short(wanted: Preferences, words: str) -> None:
    assert heard(wanted) == words


@pytest.mark.parametrize("path", [GROUPS, PEOPLE, CHATS])
def test_what_names_nothing_is_refused(client: FlaskClient, path: str) -> None:
    wrong: list[Any] = [{}, {"name": 1}, {"target": None}, []]
    for body in wrong:
        answer = client.delete(path, json=body)

        assert answer.status_code == 400
        assert answer.content_type == "application/problem+json"


def test_no_list_tells_a_secret(client: FlaskClient, store: MemoryStore) -> None:
    client.put(PEOPLE, json={"name": "Ada"})
    code = a_code(client, "Ada")["code"]
    (hashed,) = People(store.documents).codes.all()

    told = "".join(client.get(path).text for path in (GROUPS, PEOPLE, CHATS, "/api/v1/snoozes"))

    assert code not in told
    assert hashed not in told


def test_a_group_is_known_to_whom_it_is_given(client: FlaskClient, store: MemoryStore) -> None:
    client.put(GROUPS, json=LAB)

    assert People(store.documents).groups.get("lab") == Group(**LAB)  # type: ignore[arg-type]


def test_a_channel_is_tried_and_says_what_came_of_it(
    client: FlaskClient, store: MemoryStore
) -> None:
    store.chats.put(Chat(chat_id="notify:mail", title="", subscribed_at=NOON))

    asked = document(client.post(f"{CHATS}/notify:mail/test", json={}))

    assert asked == {
        "asked_at": NOON,
        "asked_by": "this machine",
        "answered_at": None,
        "problem": None,
    }
    (test,) = wanted(store, NOON).values()
    answer(store, "mail", test, problem="it is away", now_ms=NOON + 1)
    (chat,) = items(client, CHATS)
    assert chat["test"] == asked | {"answered_at": NOON + 1, "problem": "it is away"}


@pytest.mark.parametrize(
    ("target", "status", "says"),
    [
        ("telegram:1", 400, "write /test there"),
        ("notify:sms", 404, "no channel called 'notify:sms'"),
        ("notify:old", 404, "that is told now"),
    ],
)
def test_what_is_no_channel_cannot_be_tried(
    client: FlaskClient, store: MemoryStore, target: str, status: int, says: str
) -> None:
    store.chats.put(Chat(chat_id="telegram:1", title="Ada", subscribed_at=NOON))
    store.chats.put(Chat(chat_id="notify:old", title="", subscribed_at=NOON, active=False))

    answered = client.post(f"{CHATS}/{target}/test", json={})

    assert answered.status_code == status
    assert says in document(answered)["detail"]
    assert wanted(store, NOON) == {}
