"""`fleetpulse chats` and `fleetpulse groups`: whose chats are, and which devices go together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetpulse.cli import chats, groups
from fleetpulse.clock import SystemClock
from fleetpulse.pairing import pair
from fleetpulse.people import Group, People, Person, Role
from fleetpulse.stores import open_store
from fleetpulse.stores.protocols import Store


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
    assert chats.main(["remove", "telegram:8"]) == 1
    assert "is not known" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", "<b>", "-x", "x" * 65])
@pytest.mark.usefixtures("store")
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(SystemExit) as refused:
        chats.main(["pair", "--", name])

    assert refused.value.code == 2


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


@pytest.mark.usefixtures("store")
def test_a_group_with_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(SystemExit) as refused:
        groups.main(["set", "La b", "pi-1"])

    assert refused.value.code == 2
