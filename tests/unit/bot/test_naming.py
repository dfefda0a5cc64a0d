"""Names that people write nearly right: the line again, with the right one, is a button."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.naming import nearest, with_name
from fleetpulse.people import Group, People, Person
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Store
from tests.contracts.builders import a_device, a_reading, scored
from tests.unit.bot.asking import ask


@pytest.fixture
def store() -> Store:
    store = MemoryStore()
    devices = [a_device("raspberry1"), a_device("attic", kind="pc")]
    store.save(scored(a_reading("raspberry1"), new_devices=devices))
    People(store.documents).groups.put("lab", Group(name="lab", devices=["raspberry1"]))
    return store


@pytest.mark.parametrize(
    ("line", "button"),
    [
        ("/status rasberry1", "/status raspberry1"),
        ("/snooze rasberry1 2h", "/snooze raspberry1 2h"),
        ("/snooze@our_bot RASBERRY1 2h", "/snooze raspberry1 2h"),
        ("/snooze lab 2h", "/snooze @lab 2h"),
        ("/snooze @lap off", "/snooze @lab off"),
        ("/ack rasberry1", "/ack raspberry1"),
        ("/chart rasberry1 load 24h", "/chart raspberry1 load 24h"),
        ("/chart raspberry1 temprature 24h", "/chart raspberry1 temperature 24h"),
        ("/chart raspberry1 fan flow 7d", "/chart raspberry1 fan 7d"),
        ("/chart raspberry1 Set Clok", "/chart raspberry1 set clock"),
        ("/subscribe rule:haet", "/subscribe rule:heat"),
        ("/limit raspberry1 haet 70", "/limit raspberry1 heat 70"),
        ("/limit rasberry1 heat 70 °C", "/limit raspberry1 heat 70 °C"),
        ("/subscribe @lba critical", "/subscribe @lab critical"),
        ("/subscribe critcal", "/subscribe critical"),
        ("/unsubscribe dsk", "/unsubscribe disk"),
        ("/quiet 22-7 europe/berlin warning", "/quiet 22-7 Europe/Berlin warning"),
        ("/quiet 22-7 Berlin", "/quiet 22-7 Europe/Berlin"),
        ("/quiet 22-7 critcal", "/quiet 22-7 critical"),
        ("/statsu raspberry1", "/status raspberry1"),
        ("/statsu@our_bot raspberry1", "/status raspberry1"),
        ("hlep", "/help"),
    ],
)
def test_the_line_is_offered_again_with_the_nearest_name(
    store: Store, line: str, button: str
) -> None:
    post = ask(store, line)

    assert post.buttons[0].command == button
    assert f"Do you mean {post.buttons[0].label}" in post.text
    assert "I know no" not in ask(store, button).text


def test_a_line_that_is_no_button_is_not_offered(store: Store) -> None:
    words = " ".join(["heat"] * 20)

    post = ask(store, f"/subscribe rasberry1 {words}")

    assert "Do you mean raspberry1" in post.text
    assert post.buttons == ()


def test_a_long_name_is_offered_under_a_short_one(store: Store) -> None:
    name = "x" * 64
    store.save(scored(new_devices=[a_device(name)]))

    (button,) = ask(store, f"/snooze {name[1:]} 2h").buttons

    assert len(button.command.encode()) <= 64
    assert ask(store, button.command).text.startswith(f"{name} is snoozed for 2 h")


def test_what_is_others_is_not_offered(store: Store) -> None:
    person = Person(name="Bob", owns=["attic"])

    for line in ("/snooze rasberry1", "/snooze @lap", "/subscribe rasbery1", "/ack rasberry1"):
        post = ask(store, line, person=person)

        assert "raspberry1" not in post.text
        assert "@lab" not in post.text
        assert post.buttons == ()


def test_only_the_word_itself_is_replaced() -> None:
    line = "/limit pre-heat heat-1 Heat 70"

    assert with_name(line, "heat", r"\\1") == r"/limit pre-heat heat-1 \\1 70"


def test_a_name_like_no_other_has_no_nearest() -> None:
    assert nearest("zzzz", ["pi-1", "attic"]) == []


@given(st.text(max_size=20), st.lists(st.text(max_size=20), max_size=8))
def test_the_nearest_are_few_and_known(word: str, known: list[str]) -> None:
    near = nearest(word, known)

    assert len(near) <= 3
    assert set(near) <= set(known)
