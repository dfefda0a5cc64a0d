"""What a chat wants to hear, and when."""

from __future__ import annotations

import pytest

from fleetpulse.alerts import Severity
from fleetpulse.people import Group, People, Person, Preferences, QuietHours
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Store
from tests.contracts.builders import NOON, a_device, a_reading, scored
from tests.unit.bot.asking import ANOTHER_CHAT, CHAT, LATER, ask, looked_at, wait


@pytest.fixture
def store() -> Store:
    store = MemoryStore()
    devices = [a_device(), a_device("pc-1", kind="pc"), a_device("repeater-1", kind="pc")]
    store.save(scored(a_reading(), a_reading("pc-1"), new_devices=devices))
    People(store.documents).groups.put("lab", Group(name="lab", devices=["pi-*"]))
    return store


def preferences(store: Store) -> Preferences:
    return People(store.documents).preferences.get(CHAT) or Preferences()


def say(store: Store, *lines: str) -> str:
    """The answer to the last of these lines."""
    return [ask(store, line).text for line in lines][-1]


# -- quiet hours


@pytest.mark.parametrize(
    ("words", "quiet"),
    [
        ("22:00-07:00", QuietHours(begins=1320, ends=420, zone="UTC")),
        ("22:00 - 07:00", QuietHours(begins=1320, ends=420, zone="UTC")),
        ("22 -7 nothing", QuietHours(begins=1320, ends=420, zone="UTC", urgent=None)),
        ("22–7 Asia/Tokyo", QuietHours(begins=1320, ends=420, zone="Asia/Tokyo")),
        ("22-7", QuietHours(begins=1320, ends=420, zone="UTC")),
        ("13:30-14:15 Asia/Tokyo", QuietHours(begins=810, ends=855, zone="Asia/Tokyo")),
        ("22-7 nothing", QuietHours(begins=1320, ends=420, zone="UTC", urgent=None)),
        (
            "22-7 Europe/Berlin warning",
            QuietHours(begins=1320, ends=420, zone="Europe/Berlin", urgent=Severity.WARNING),
        ),
    ],
)
def test_quiet_hours_are_set(store: Store, words: str, quiet: QuietHours) -> None:
    assert say(store, f"/quiet {words}").startswith("🌙 From ")

    assert preferences(store).quiet == quiet


def test_new_hours_keep_the_time_zone(store: Store) -> None:
    say(store, "/quiet 22-7 Europe/Berlin", "/quiet 23-6")

    assert preferences(store).quiet == QuietHours(begins=1380, ends=360, zone="Europe/Berlin")


def test_quiet_hours_are_shown_and_ended(store: Store) -> None:
    assert say(store, "/quiet").startswith("There are no quiet hours here.")
    assert say(store, "/quiet 22-7 Europe/Berlin", "/quiet") == (
        "🌙 From 22:00 to 07:00 (Europe/Berlin) only what is critical is told here;"
        " the rest comes after, in one message. /quiet off ends it."
    )
    say(store, "/quiet off")
    assert preferences(store).quiet is None


@pytest.mark.parametrize(
    "words", ["night", "25-7", "22:99-7", "7-7", "22-7-9", "22 7", "22-7 Berlin", "22-7 <b>"]
)
def test_hours_that_are_none_change_nothing(store: Store, words: str) -> None:
    said = say(store, f"/quiet {words}")

    assert preferences(store).quiet is None
    assert "<b>" not in said


@pytest.mark.parametrize(
    "line",
    ["/quiet 22-7", "/quiet off", "/subscribe all", "/unsubscribe heat", "/unsubscribe"],
)
def test_what_waits_in_the_chat_is_looked_at_when_it_wants_something_else(
    store: Store, line: str
) -> None:
    wait(store)

    say(store, line)

    assert looked_at(store) == {CHAT: NOON, ANOTHER_CHAT: LATER}


@pytest.mark.parametrize("line", ["/quiet", "/quiet night", "/subscribe", "/subscribe @nobody"])
def test_what_waits_goes_on_waiting_when_nothing_changes(store: Store, line: str) -> None:
    wait(store)

    say(store, line)

    assert set(looked_at(store).values()) == {LATER}


# -- subscriptions


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (["/subscribe pi-1"], {"only": ["pi-1"]}),
        (["/subscribe pi-1 heat", "/subscribe pi-1"], {"only": ["pi-1", "rule:heat"]}),
        (["/subscribe @lab raspberry"], {"only": ["@lab", "kind:raspberry"]}),
        (["/subscribe kind:raspberry"], {"only": ["kind:raspberry"]}),
        (["/subscribe rule:heat", "/subscribe HEAT"], {"only": ["rule:heat"]}),
        (["/subscribe p?-*"], {"only": ["p?-*"]}),
        (["/unsubscribe p[ck]-1"], {"but_not": ["p[ck]-1"]}),
        (["/subscribe repeater-1"], {"only": ["repeater-1"]}),
        (["/unsubscribe pc-1", "/unsubscribe pc-1"], {"but_not": ["pc-1"]}),
        (["/subscribe critical"], {"severity": Severity.CRITICAL}),
        (["/subscribe repeat=30m"], {"repeat_s": 1800}),
        (["/subscribe repeat=off"], {"repeat_s": 0}),
        (["/subscribe pi-1 critical", "/subscribe all"], {}),
        (["/unsubscribe"], {"hears": False}),
        (["/unsubscribe all"], {"hears": False}),
        (["/unsubscribe", "/subscribe all"], {}),
        (["/unsubscribe disk"], {"but_not": ["rule:disk"]}),
        (["/unsubscribe disk", "/subscribe disk"], {}),
        (["/subscribe pi-1 pc-1", "/unsubscribe pi-1"], {"only": ["pc-1"]}),
        (["/subscribe pi-1", "/unsubscribe pi-1"], {"hears": False}),
    ],
)
def test_a_chat_says_what_it_wants_to_hear(
    store: Store, lines: list[str], wanted: dict[str, object]
) -> None:
    say(store, *lines)

    assert preferences(store) == Preferences(**wanted)  # type: ignore[arg-type]


def test_a_chat_is_told_what_it_is_told_of(store: Store) -> None:
    assert say(store, "/subscribe").splitlines()[:2] == [
        "🔔 This chat is told of all your devices.",
        "What lasts is told again every 4 h until somebody acknowledges it.",
    ]
    assert say(store, "/subscribe @lab warning", "/unsubscribe heat").splitlines()[:3] == [
        "🔔 This chat is told of <b>@lab</b>.",
        "But not of <b>heat</b>.",
        "Only what is warning or worse.",
    ]
    assert say(store, "/unsubscribe").startswith("🔕 This chat is told of no alerts.")


@pytest.mark.parametrize("line", ["/subscribe pi-1", "/subscribe pi-1 critical"])
def test_a_chat_that_was_told_of_all_hears_that_it_is_told_of_less(store: Store, line: str) -> None:
    first, again = say(store, line), say(store, "/subscribe pc-1")

    assert first.startswith(
        "Only of <b>pi-1</b> from now on; /subscribe all for everything.\n🔔 This chat is told of"
    )
    assert again.startswith("🔔 This chat is told of <b>pi-1</b>, <b>pc-1</b>.")
    assert say(store, "/unsubscribe", "/subscribe all").startswith("🔔 This chat is told of all")


def test_a_group_that_is_no_more_is_said_to_be_none_and_taken_back(store: Store) -> None:
    say(store, "/subscribe @lab pc-1")
    People(store.documents).groups.take("lab")

    shown = say(store, "/subscribe")
    say(store, "/unsubscribe @lab")

    assert "told of <b>@lab</b> (no such group), <b>pc-1</b>." in shown
    assert preferences(store).only == ["pc-1"]


@pytest.mark.parametrize(
    ("word", "said"),
    [("critical", "/subscribe info for all of them"), ("repeat=1h", "/subscribe repeat=off")],
)
def test_what_is_no_thing_to_unsubscribe_from_is_answered_with_what_to_do(
    store: Store, word: str, said: str
) -> None:
    assert said in say(store, f"/unsubscribe {word}")

    assert preferences(store) == Preferences()


def test_a_pattern_is_of_the_own_devices(store: Store) -> None:
    said = ask(store, "/subscribe pi-*", person=Person(name="Bob", owns=["pc-1"])).text

    assert said.startswith("None of your devices is called like pi-*")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("pi-11", "Do you mean pi-1"),
        ("@nobody", "I know no group called @nobody. There is @lab."),
        ("lap-*", "None of your devices is called like lap-*"),
        ("<*", "names no devices"),
        ("kind:toaster", "I know nothing called kind:toaster"),
        ("repeat=soon", "Write repeat=30m"),
        ("repeat=999h", "at the soonest, or 7 days"),
        ("<b>", "I know nothing called &lt;b&gt;"),
    ],
)
def test_what_is_unknown_is_not_subscribed_to(store: Store, word: str, said: str) -> None:
    assert said in say(store, f"/subscribe {word}")

    assert preferences(store) == Preferences()
