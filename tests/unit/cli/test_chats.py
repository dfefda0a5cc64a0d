"""`fleetpulse chats` and `fleetpulse groups`: whose chats are, and which devices go together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetpulse.cli import chats, groups
from fleetpulse.clock import SystemClock
from fleetpulse.pairing import pair
from fleetpulse.people import Group, People, Person, Preferences, Role
from fleetpulse.stores import open_store
from fleetpulse.stores.protocols import Chat, Store


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path / 'fleet.db'}"
    monkeypatch.setenv("FLEETPULSE_STORE", url)
    store = open_store(url)
    yield store
    store.close()


def test_a_code_that_is_made_pairs_a_chat_and_the_chat_is_listed(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    groups.main(["set", "lab", "pc-1"])
    capsys.readouterr()
    assert chats.main(["pair", "Ada", "--role", "viewer", "--owns", "@lab", "pi-*"]) == 0
    code = capsys.readouterr().out.strip().replace("-", "")

    now = SystemClock().now_ms()
    person = pair(store, code, "telegram:7", "Ada's phone", now_ms=now)
    assert chats.main(["list"]) == 0

    assert person == Person(name="Ada", role=Role.VIEWER, owns=["@lab", "pi-*"])
    listed = capsys.readouterr().out
    assert ["telegram:7", "Ada's", "phone", "Ada", "viewer", "@lab", "pi-*", "yes"] in [
        line.split() for line in listed.splitlines()
    ]
    assert code not in listed


def test_a_chat_that_is_removed_is_told_nothing_more(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    chats.main(["pair", "Ada"])
    code = capsys.readouterr().out.strip().replace("-", "")
    pair(store, code, "telegram:7", "", now_ms=SystemClock().now_ms())

    assert chats.main(["remove", "telegram:7"]) == 0
    assert store.chats.active() == []
    assert "comes back" not in capsys.readouterr().out
    assert chats.main(["remove", "telegram:7"]) == 0  # a chat that was listed once, or was paired
    assert "comes back" not in capsys.readouterr().out
    assert chats.main(["remove", "telegram:8"]) == 1
    assert "is not known" in capsys.readouterr().err


def test_a_chat_of_the_settings_that_is_removed_is_said_to_come_back(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    store.chats.put(Chat(chat_id="telegram:1", title="", subscribed_at=1))

    assert chats.main(["remove", "telegram:1"]) == 0

    assert "It is listed in the settings: it comes back when" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["", "<b>", "-x", "x" * 65])
def test_a_name_that_is_none_is_refused(
    name: str, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert chats.main(["pair", "--", name]) == 2

    assert capsys.readouterr().err.startswith("fleetpulse chats: A person's name has 1 to 64")
    assert People(store.documents).people.all() == {}


def test_another_code_leaves_a_person_as_before(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    chats.main(["pair", "Eve", "--role", "viewer", "--owns", "pi-*"])
    capsys.readouterr()

    assert chats.main(["pair", "Eve"]) == 0

    eve = Person(name="Eve", role=Role.VIEWER, owns=["pi-*"])
    assert People(store.documents).people.get("Eve") == eve
    assert "Eve was" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "now", "says"),
    [
        (["--role", "owner"], Person(name="Eve", owns=["pi-*"]), "owner of pi-*"),
        (
            ["--owns", "pc-1", "x"],
            Person(name="Eve", role=Role.VIEWER, owns=["pc-1", "x"]),
            "viewer of pc-1 x",
        ),
    ],
)
def test_what_a_code_changes_of_a_person_is_said(
    words: list[str], now: Person, says: str, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    chats.main(["pair", "Eve", "--role", "viewer", "--owns", "pi-*"])
    capsys.readouterr()

    assert chats.main(["pair", "Eve", *words]) == 0

    assert People(store.documents).people.get("Eve") == now
    assert f"Eve was viewer of pi-*, and is now {says}.\n" in capsys.readouterr().err


def test_somebody_new_is_an_owner_of_every_device(store: Store) -> None:
    chats.main(["pair", "Ada"])

    assert People(store.documents).people.get("Ada") == Person(name="Ada", role=Role.OWNER, owns=[])


@pytest.mark.parametrize("wrong", ["@nosuch", "<b>", "rule:heat", "a b"])
def test_devices_that_no_name_can_be_are_not_owned(
    wrong: str, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert chats.main(["pair", "Eve", "--owns", "pi-1", wrong]) == 2

    told = capsys.readouterr()
    assert told.out == ""
    assert wrong in told.err
    assert told.err.count("\n") == 1
    assert People(store.documents).people.all() == {}
    assert People(store.documents).codes.all() == {}


def test_a_group_is_made_replaced_listed_and_removed(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert groups.main(["set", "@lab", "pi-1"]) == 0
    assert groups.main(["set", "lab", "pi-*", "pc-7"]) == 0
    assert groups.main(["list"]) == 0

    assert "@lab   pi-* pc-7" in capsys.readouterr().out
    assert People(store.documents).groups.all() == {
        "lab": Group(name="lab", devices=["pi-*", "pc-7"])
    }
    assert groups.main(["remove", "lab"]) == 0
    assert groups.main(["remove", "lab"]) == 1


@pytest.mark.parametrize(
    "words", [["La b", "pi-1"], ["lab", "<b>"], ["lab", "pi-1", "rasp berry"], ["lab", "@lab"]]
)
def test_a_group_with_names_that_are_none_is_refused(
    words: list[str], store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert groups.main(["set", *words]) == 2

    assert capsys.readouterr().err.count("\n") == 1
    assert People(store.documents).groups.all() == {}


def test_a_group_that_is_used_is_not_removed_and_says_by_whom(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    groups.main(["set", "lab", "pi-1"])
    chats.main(["pair", "Ada", "--owns", "@lab"])
    people = People(store.documents)
    people.preferences.put("telegram:1", Preferences(only=["@lab"]))
    people.preferences.put("telegram:2", Preferences(but_not=["@lab"]))
    people.preferences.put("telegram:3", Preferences(only=["@labs"]))

    assert groups.main(["remove", "@lab"]) == 1

    assert "used by Ada, the chat telegram:1, the chat telegram:2." in capsys.readouterr().err
    assert "lab" in people.groups.all()
