"""What people do about alerts from the chat: see them, silence them, say whose they are."""

from __future__ import annotations

import pytest

from fleetpulse.alerts import State
from fleetpulse.people import Group, People, Person, Role, Snooze
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Store
from tests.contracts.builders import NOON, SECOND, a_device, a_reading, an_event, scored, told
from tests.unit.bot.asking import ANOTHER_CHAT, CHAT, LATER, ask, looked_at, wait

VIEWER = Person(name="Eve", role=Role.VIEWER)
OF_THE_LAB = Person(name="Bob", owns=["@lab"])
HOUR_MS = 3_600_000


@pytest.fixture
def store() -> Store:
    """Two Pis in trouble, of which one is the lab's, and a PC."""
    store = MemoryStore()
    names = ("pi-1", "pi-2", "pc-1")
    store.save(
        scored(*(a_reading(name) for name in names), new_devices=[a_device(name) for name in names])
    )
    store.save(told(an_event(), an_event(State.STRESSED, device_id="pi-2")))
    People(store.documents).groups.put("lab", Group(name="lab", devices=["pi-2"]))
    return store


def seen_by(store: Store, device_id: str) -> str | None:
    (alert,) = store.alerts.page(device_id=device_id)
    return alert.acknowledged_by


def snoozed(store: Store) -> dict[str, int]:
    return {name: each.until for name, each in People(store.documents).snoozes.all().items()}


# -- seen


@pytest.mark.parametrize("word", ["pi-1:heat:1", "pi-1"])
def test_an_alert_is_acknowledged_by_its_name_or_its_device(store: Store, word: str) -> None:
    post = ask(store, f"/ack {word}")

    assert post.text == "Acknowledged: pi-1 (heat). It is not told again."
    assert post.is_brief
    assert (seen_by(store, "pi-1"), seen_by(store, "pi-2")) == ("Ada", None)


def test_all_alerts_are_acknowledged_at_once(store: Store) -> None:
    ask(store, "/ack all")

    assert (seen_by(store, "pi-1"), seen_by(store, "pi-2")) == ("Ada", "Ada")


def test_without_a_word_it_is_asked_which(store: Store) -> None:
    post = ask(store, "/ack")

    assert post.text.startswith("2 alerts to acknowledge")
    assert sorted(button.command for button in post.buttons) == [
        "/ack all",
        "/ack pi-1:heat:1",
        "/ack pi-2:heat:1",
    ]


def test_what_was_seen_before_is_said_with_by_whom(store: Store) -> None:
    ask(store, "/ack pi-1")

    again = ask(store, "/ack pi-1:heat:1", person=Person(name="Bob"))

    assert again.text == "pi-1: Ada has acknowledged it before."
    assert ask(store, "/ack pc-1").text == "There is nothing to acknowledge."


def test_what_is_over_cannot_be_acknowledged(store: Store) -> None:
    store.save(told(an_event(State.OK, at=NOON + SECOND)))

    assert ask(store, "/ack pi-1:heat:1").text == "pi-1: it is over."


@pytest.mark.parametrize("word", ["pi-9:heat:1", "<b>:heat:1"])
def test_an_alert_that_is_none_is_not_acknowledged(store: Store, word: str) -> None:
    assert ask(store, f"/ack {word}").text.startswith("There is no alert called ")


def test_alerts_are_listed_with_a_button_for_each_that_nobody_has_seen(store: Store) -> None:
    ask(store, "/ack pi-2")

    post = ask(store, "/alerts")

    assert [button.label for button in post.buttons] == ["Ack pi-1 heat"]
    assert "pi-2" in post.text
    assert post.text.count("👌") == 1


# -- snoozed


@pytest.mark.parametrize(
    ("words", "selector", "for_ms"),
    [
        ("pi-1", "pi-1", HOUR_MS),
        ("pi-1 30m", "pi-1", HOUR_MS // 2),
        ("pi-1 90min", "pi-1", HOUR_MS * 3 // 2),
        ("@lab 2h", "@lab", 2 * HOUR_MS),
        ("all 3d", "*", 72 * HOUR_MS),
        ("ALL 3d", "*", 72 * HOUR_MS),
    ],
)
def test_a_device_a_group_or_everything_is_snoozed(
    store: Store, words: str, selector: str, for_ms: int
) -> None:
    assert "is snoozed for" in ask(store, f"/snooze {words}").text

    assert snoozed(store) == {selector: NOON + for_ms}


def test_a_snooze_is_listed_and_taken_back(store: Store) -> None:
    ask(store, "/snooze pi-1 2h")

    listed = ask(store, "/snooze", NOON + HOUR_MS).text
    ended = ask(store, "/snooze pi-1 off").text

    assert listed == "😴 <b>pi-1</b>: for another 1 h, says Ada"
    assert ended == "pi-1 is no longer snoozed."
    assert ask(store, "/snooze pi-1 off").text == "pi-1 is not snoozed."
    assert ask(store, "/snooze").text.startswith("Nothing is snoozed.")


@pytest.mark.parametrize("words", ["pi-1 1h", "pi-1", "pi-1 30m"])
def test_a_snooze_that_lasts_longer_is_kept_until_it_is_taken_back(
    store: Store, words: str
) -> None:
    ask(store, "/snooze pi-1 2d")

    kept = ask(store, f"/snooze {words}")
    longest = snoozed(store)
    ask(store, "/snooze pi-1 off")
    ask(store, f"/snooze {words}")

    assert kept.text == "pi-1 is snoozed for another 2 d. For less, say /snooze pi-1 off first."
    assert kept.is_brief
    assert longest == {"pi-1": NOON + 48 * HOUR_MS}
    assert snoozed(store)["pi-1"] <= NOON + HOUR_MS


def test_a_snooze_becomes_longer(store: Store) -> None:
    ask(store, "/snooze pi-1 2h")
    ask(store, "/snooze pi-1 1d")
    ask(store, "/snooze pi-1", NOON + 24 * HOUR_MS)

    assert snoozed(store) == {"pi-1": NOON + 25 * HOUR_MS}


@pytest.mark.parametrize("lines", [["/snooze pi-1"], ["/snooze pi-1", "/snooze pi-1 off"]])
def test_what_waits_anywhere_is_looked_at_when_a_snooze_changes(
    store: Store, lines: list[str]
) -> None:
    for line in lines[:-1]:
        ask(store, line)
    wait(store)

    ask(store, lines[-1])

    assert looked_at(store) == {CHAT: NOON, ANOTHER_CHAT: NOON}


def test_a_snooze_that_is_kept_lets_wait_what_waits(store: Store) -> None:
    ask(store, "/snooze pi-1 2h")
    wait(store)

    ask(store, "/snooze pi-1 1h")

    assert set(looked_at(store).values()) == {LATER}


@pytest.mark.parametrize("length", ["0h", "-1h", "31d", "1y", "soon", "99999d"])
def test_a_length_that_is_none_is_refused(store: Store, length: str) -> None:
    assert "is no time that I know" in ask(store, f"/snooze pi-1 {length}").text
    assert snoozed(store) == {}


def test_what_is_unknown_is_not_snoozed(store: Store) -> None:
    assert "Do you mean pi-1" in ask(store, "/snooze pi-11").text
    assert ask(store, "/snooze @nobody").text == ("I know no group called @nobody. There is @lab.")
    assert snoozed(store) == {}


# -- who may


@pytest.mark.parametrize(
    "text",
    [
        "/ack pi-1",
        "/snooze pi-1",
        "/limit pi-1 heat 70",
        "/right pi-1:heat:1",
        "/false pi-1:heat:1",
    ],
)
def test_who_may_only_look_changes_nothing_that_others_see(store: Store, text: str) -> None:
    assert "this is for owners" in ask(store, text, person=VIEWER).text

    assert seen_by(store, "pi-1") is None
    assert snoozed(store) == {}
    assert store.rules.of("pi-1") == []
    assert store.alerts.verdicts_of(["pi-1:heat:1"]) == {}


def test_who_may_only_look_has_no_buttons_to_acknowledge(store: Store) -> None:
    assert ask(store, "/alerts", person=VIEWER).buttons == ()


@pytest.mark.parametrize(
    "text",
    [
        "/status pi-1",
        "/chart pi-1",
        "/limit pi-1 heat 70",
        "/ack pi-1",
        "/ack pi-1:heat:1",
        "/snooze pi-1",
        "/right pi-1:heat:1",
        "/subscribe pi-1",
    ],
)
def test_of_others_devices_people_learn_nothing(store: Store, text: str) -> None:
    post = ask(store, text, person=OF_THE_LAB)

    refusals = ("I know no device called pi-1", "I know nothing called pi-1", "There is no alert")
    assert post.text.startswith(refusals)
    assert [button.label for button in post.buttons] in ([], ["pi-2"])
    assert store.rules.of("pi-1") == []
    assert seen_by(store, "pi-1") is None


def test_lists_are_of_the_own_devices(store: Store) -> None:
    devices, alerts = (ask(store, text, person=OF_THE_LAB).text for text in ("/devices", "/alerts"))
    ask(store, "/ack all", person=OF_THE_LAB)

    assert "pi-1" not in devices + alerts
    assert "1 device" in devices
    assert (seen_by(store, "pi-1"), seen_by(store, "pi-2")) == (None, "Bob")


def test_who_owns_some_devices_sees_the_snoozes_of_those(store: Store) -> None:
    for selector in ("pi-1", "pi-2", "pc-*", "@lab"):
        snooze = Snooze(until=NOON + HOUR_MS, said_by="Ada")
        People(store.documents).snoozes.put(selector, snooze)

    listed = ask(store, "/snooze", person=OF_THE_LAB).text

    assert [line.split("<b>")[1].split("</b>")[0] for line in listed.splitlines()] == [
        "@lab",
        "pi-2",
    ]


@pytest.mark.parametrize("text", ["/snooze @nobody", "/subscribe @nobody", "/snooze @vault"])
def test_who_owns_some_devices_learns_no_other_groups(store: Store, text: str) -> None:
    People(store.documents).groups.put("vault", Group(name="vault", devices=["pi-1"]))

    said = ask(store, text, person=OF_THE_LAB).text

    assert said == f"I know no group called {text.split()[1]}. There is @lab."


@pytest.mark.parametrize(
    ("devices", "is_allowed"),
    [
        (["pi-2"], True),
        (["pi-2", "pc-1"], False),
        (["pi-*"], False),
        (["p?-2"], True),
        (["pi-2", "pi-9"], False),  # it may come, and be another's
    ],
)
def test_a_group_is_silenced_by_who_owns_all_of_it(
    store: Store, devices: list[str], is_allowed: bool
) -> None:
    People(store.documents).groups.put("mixed", Group(name="mixed", devices=devices))
    said = ask(store, "/snooze @mixed", person=Person(name="Bob", owns=["pi-2"])).text

    assert said.startswith("@mixed is snoozed") is is_allowed
    assert ("not all of that is yours" in said) is not is_allowed
    assert list(snoozed(store)) == (["@mixed"] if is_allowed else [])


def test_the_own_group_and_the_own_patterns_are_silenced_whatever_they_name(store: Store) -> None:
    People(store.documents).groups.put("mine", Group(name="mine", devices=["pi-2", "pi-2-*"]))

    by_group = ask(store, "/snooze @lab", person=OF_THE_LAB).text
    by_pattern = ask(store, "/snooze @mine", person=Person(name="Bob", owns=["pi-2", "pi-2-*"]))

    assert by_group.startswith("@lab is snoozed")
    assert by_pattern.text.startswith("@mine is snoozed")


def test_everything_is_silenced_by_who_owns_everything(store: Store) -> None:
    said = ask(store, "/snooze all", person=OF_THE_LAB).text

    assert said == (
        "A snooze is for everybody, and not all of that is yours."
        " Snooze your devices by their names."
    )
    assert snoozed(store) == {}


def test_what_fleetpulse_says_of_itself_is_for_owners(store: Store) -> None:
    assert ask(store, "/status fleetpulse", person=VIEWER).text.startswith("I know no device")
    assert "fleetpulse" in ask(store, "/status fleetpulse", person=OF_THE_LAB).text
    assert not ask(store, "/status fleetpulse").text.startswith("I know no device")


def test_the_record_of_the_fleet_is_for_who_owns_the_fleet(store: Store) -> None:
    assert ask(store, "/model", person=OF_THE_LAB).text == (
        "This is told of the whole fleet, and not all of it is yours."
    )
    assert "How often" in ask(store, "/model", person=VIEWER).text


# -- what is watched


def test_a_rule_is_switched_off_and_on_for_a_device(store: Store) -> None:
    off = ask(store, "/limit pi-1 disk off").text
    (change,) = store.rules.of("pi-1")
    ask(store, "/limit pi-1 disk on")

    assert off == "disk (disk) is no longer watched on <b>pi-1</b>."
    assert change.enabled is False
    assert [each.enabled for each in store.rules.of("pi-1")] == [True]


def test_the_person_in_the_chat_is_who_judges(store: Store) -> None:
    ask(store, "/false pi-1:heat:1")

    assert store.alerts.verdicts_of(["pi-1:heat:1"])["pi-1:heat:1"].said_by == CHAT
