"""What people may ask, and what they are answered."""

from __future__ import annotations

import inspect

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.commands import COMMANDS, MENU
from bot.device_commands import DEVICES_SHOWN
from fleetpulse import errors
from fleetpulse.alerts import RULE_NAMES, Status, rule_named
from fleetpulse.errors import StoreBusy
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import ClockAhead, Opinion, Store, Verdict
from tests.contracts.builders import (
    NOON,
    SECOND,
    a_change,
    a_device,
    a_reading,
    an_episode,
    an_event,
    scored,
    told,
)
from tests.unit.bot import asking
from tests.unit.bot.asking import CHAT


@pytest.fixture
def store() -> Store:
    """A Pi that is well, at noon."""
    store = MemoryStore()
    store.save(scored(a_reading(probability=0.02), new_devices=[a_device()]))
    return store


def ask(store: Store, text: str, *, now: int = NOON + 5 * SECOND) -> str:
    return asking.ask(store, text, now).text


def test_start_says_what_will_happen_and_what_can_be_asked(store: Store) -> None:
    text = ask(store, "/start")

    assert "before" in text
    assert all(f"/{command.name}" in text for command in MENU)


def test_a_chat_can_see_what_a_warning_looks_like(store: Store) -> None:
    text = ask(store, "/test")

    assert text.startswith("This chat works.")
    assert "<b>example</b> will soon be stressed" in text
    assert ask(store, "/test me") == "Usage: /test"


def test_help_is_made_from_the_table(store: Store) -> None:
    text = ask(store, "/help")

    for command in MENU:
        assert f"- {command.help}" in text
    assert "/limit &lt;device&gt; &lt;rule&gt; &lt;value|on|off&gt;" in text


@pytest.mark.parametrize("name", ["right", "false"])
def test_what_only_buttons_say_is_in_no_menu(store: Store, name: str) -> None:
    post = asking.ask(store, f"/{name}x")

    assert f"/{name}" not in ask(store, "/help") + ask(store, "/start")
    assert name not in [command.name for command in MENU]
    assert f"/{name}" not in [button.label for button in post.buttons]
    assert ask(store, f"/{name} pi-9:heat:1").startswith("There is no alert called")


@pytest.mark.parametrize(
    "text", ["/help", "help", "/HELP", "/help@fleetpulse_bot", "  /help  me please"]
)
def test_a_command_is_known_however_it_is_written(store: Store, text: str) -> None:
    assert ask(store, text) == ask(store, "/help")


@pytest.mark.parametrize("text", ["good morning", "/nonsense", "/", "", "/<b>"])
def test_what_is_no_command_is_answered_with_the_way_to_help(store: Store, text: str) -> None:
    assert "/help" in ask(store, text)
    assert "<b>" not in ask(store, text)


@pytest.mark.parametrize(
    ("text", "usage"),
    [
        ("/status", "Usage: /status &lt;device&gt;"),
        ("/status pi-1 please", "Usage: /status &lt;device&gt;"),
        ("/limit", "Usage: /limit &lt;device&gt; &lt;rule&gt; &lt;value|on|off&gt;"),
        ("/limit pi-1 heat", "Usage: /limit &lt;device&gt; &lt;rule&gt; &lt;value|on|off&gt;"),
        ("/devices all", "Usage: /devices"),
        ("/alerts all", "Usage: /alerts"),
    ],
)
def test_wrong_words_are_answered_with_the_right_ones(store: Store, text: str, usage: str) -> None:
    assert ask(store, text) == usage


# -- devices


def test_devices_are_listed_with_their_state_values_and_age(store: Store) -> None:
    assert (
        ask(store, "/devices")
        == "1 device\n🟢 <b>pi-1</b> ok, 51.5 °C, load 20 %, risk 2 %, 5 s ago"
    )


def test_devices_are_listed_worst_first_with_a_button_each(store: Store) -> None:
    for name, status in [("a-soon", Status.SOON), ("b-stressed", Status.STRESSED)]:
        store.save(scored(a_reading(name, status=status), new_devices=[a_device(name)]))
    store.save(scored(new_devices=[a_device("c-silent")]))

    post = asking.ask(store, "/devices")

    names = [line.split("<b>")[1].split("</b>")[0] for line in post.text.splitlines()[1:]]
    assert names == ["b-stressed", "a-soon", "c-silent", "pi-1"]
    assert [button.command for button in post.buttons] == [f"/status {name}" for name in names]


def test_a_long_list_of_devices_stays_one_message(store: Store) -> None:
    many = [f"{number:064}" for number in range(1_200)]
    store.save(
        scored(*[a_reading(name) for name in many], new_devices=[a_device(name) for name in many])
    )

    text = ask(store, "/devices")

    assert text.startswith("1,201 devices")
    assert text.endswith(f"and {1_201 - DEVICES_SHOWN:,} more")
    assert len(text) < 4096


def test_a_fleet_of_none_says_how_to_begin() -> None:
    assert "fleetpulse agent pc" in ask(MemoryStore(), "/devices")


# -- status


def test_status_shows_every_channel_with_its_unit_and_the_limits(store: Store) -> None:
    lines = ask(store, "/status pi-1").splitlines()

    assert lines[0] == "🟢 <b>pi-1</b> (raspberry) is ok"
    assert "Measured 5 s ago:" in lines
    assert "temperature: 51.5 °C" in lines
    assert "load: 20 %" in lines
    assert "heat: temperature at or above 80 °C" in lines


def test_a_zero_is_a_reading_and_a_missing_channel_is_no_line(store: Store) -> None:
    store.save(scored(a_reading(at=NOON + SECOND, seq=2, power_w=0.0, fan_cfm=None)))

    text = ask(store, "/status pi-1")

    assert "power: 0 W" in text
    assert "fan" not in text


def test_status_of_a_device_in_danger_says_when_and_why(store: Store) -> None:
    danger = a_reading(
        at=NOON + SECOND,
        seq=2,
        status=Status.SOON,
        probability=0.87,
        expected_s=81.0,
        causes=["load > 90 %"],
    )
    store.save(scored(danger))

    text = ask(store, "/status pi-1")

    assert "will soon be stressed" in text
    assert "Risk of stress: 87 %, expected in about 1 min 20 s." in text
    assert "Why: load &gt; 90 %." in text


@pytest.mark.parametrize("command", ["/status pi-1", "/devices"])
@pytest.mark.parametrize("status", list(Status))
def test_a_device_that_is_silent_for_too_long_is_unknown_and_never_ok(
    store: Store, command: str, status: Status
) -> None:
    store.save(scored(a_reading(at=NOON + SECOND, seq=2, status=status)))

    text = ask(store, command, now=NOON + 32 * SECOND)

    assert "unknown" in text
    assert " ok" not in text
    assert "31 s" in text


@pytest.mark.parametrize("command", ["/status pi-1", "/devices"])
def test_a_reading_of_the_future_does_not_make_a_device_ok(store: Store, command: str) -> None:
    store.save(scored(a_reading(at=NOON + 200 * SECOND, seq=2, status=Status.OK)))

    text = ask(store, command, now=NOON)

    assert "unknown" in text
    assert " ok" not in text


def test_status_of_a_device_from_the_future_says_that_its_clock_is_ahead(store: Store) -> None:
    store.save(scored(a_reading(at=NOON + 200 * SECOND, seq=2)))

    text = ask(store, "/status pi-1", now=NOON)

    assert "Its clock is ahead by about 3 min 20 s: set it. Last seen:" in text


def test_status_of_a_device_that_only_sent_the_future_says_that_its_clock_is_ahead() -> None:
    store = MemoryStore()
    store.devices.clocks_ahead(
        [ClockAhead(device_id="pi-1", kind="raspberry", ahead_ms=420_000, at=NOON)]
    )

    text = ask(store, "/status pi-1")

    assert "It has sent no reading yet." in text
    assert "Its clock is ahead by about 7 min" in text


@pytest.mark.parametrize("name", ["pi-11", "PI-1", "p1-1"])
def test_a_name_that_is_nearly_right_is_answered_with_the_right_one(
    store: Store, name: str
) -> None:
    post = asking.ask(store, f"/status {name}")

    assert post.text == f"I know no device called {name}. Do you mean pi-1?"
    assert post.buttons[0].command == "/status pi-1"


def test_a_name_like_no_other_is_answered_with_where_the_names_are(store: Store) -> None:
    assert ask(store, "/status <&>") == (
        "I know no device called &lt;&amp;&gt;. /devices lists them."
    )


# -- alerts


def test_alerts_are_none_when_nothing_is_wrong(store: Store) -> None:
    assert ask(store, "/alerts") == "🟢 Nothing is wrong, and nothing is expected."


def test_alerts_show_what_goes_on_before_what_is_over(store: Store) -> None:
    over = an_episode("pi-1", at=NOON)
    soon, stressed, _ = an_episode("pi-2", at=NOON)
    store.save(told(*over, soon, stressed))

    lines = ask(store, "/alerts", now=NOON + 300 * SECOND).splitlines()

    assert lines == [
        "🟠 <b>pi-2</b> is stressed (temperature), 80.5 °C, 4 min ago",
        "",
        "<b>Over, of the last 24 h</b>",
        "✅ <b>pi-1</b> has recovered (temperature), 1 min ago",
    ]


# -- limit


def test_a_limit_is_changed_and_says_what_it_was(store: Store) -> None:
    text = ask(store, "/limit pi-1 heat 75", now=NOON)

    assert text == "The limit of heat (temperature) on <b>pi-1</b> is now 75 °C; it was 80 °C."
    assert store.rules.of("pi-1") == [a_change(limit=75.0, changed_at=NOON)]


def test_a_second_change_says_what_the_first_one_made_and_keeps_the_rest(store: Store) -> None:
    store.rules.put(a_change(limit=75.0, hold_s=20.0))

    text = ask(store, "/limit pi-1 heat 70", now=NOON + SECOND)

    assert "it was 75 °C" in text
    assert store.rules.of("pi-1") == [a_change(limit=70.0, hold_s=20.0, changed_at=NOON + SECOND)]


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_every_rule_has_a_limit_that_can_be_set(store: Store, rule: str) -> None:
    lowest = rule_named(rule, "raspberry").lowest

    text = ask(store, f"/limit pi-1 {rule.upper()} {lowest:g}")

    assert "is now" in text
    assert store.rules.of("pi-1")[0].limit == lowest


@pytest.mark.parametrize("value", ["75", "+75.0", "75,0", "75°C", "75 °C", "75c"])
def test_a_number_is_read_as_people_write_it(store: Store, value: str) -> None:
    ask(store, f"/limit pi-1 heat {value}")

    assert store.rules.of("pi-1")[0].limit == 75.0


@pytest.mark.parametrize("value", ["warm", "nan", "inf", "7e1", "75 80", "-1", "1000", "<b>"])
def test_a_limit_that_cannot_work_is_refused_and_changes_nothing(store: Store, value: str) -> None:
    text = ask(store, f"/limit pi-1 heat {value}")

    assert "is not a number" in text or "must be between 30 and 120 °C" in text
    assert "<b>" not in text
    assert not store.rules.of("pi-1")


def test_a_rule_that_is_not_there_is_answered_with_those_that_are(store: Store) -> None:
    text = ask(store, "/limit pi-1 cold 3")

    assert all(rule in text for rule in RULE_NAMES)


def test_a_pc_has_no_undervoltage(store: Store) -> None:
    store.save(scored(new_devices=[a_device("pc-1", kind="pc")]))

    assert "There is no rule called" in ask(store, "/limit pc-1 undervoltage 4.5")


def test_a_limit_of_an_unknown_device_is_refused(store: Store) -> None:
    assert "Do you mean pi-1?" in ask(store, "/limit pi-2 heat 75")


# -- errors


def test_how_often_warnings_were_right_is_told_by_span_and_by_model(store: Store) -> None:
    soon, stressed, recovered = an_episode(at=NOON - 600 * SECOND)
    for event in (soon, stressed, recovered, an_event(episode=2, at=NOON - 600 * SECOND)):
        store.save(told(msgspec.structs.replace(event, model_version="heat-1")))

    lines = ask(store, "/model").splitlines()

    right = "1 of 2 warnings right, 1 of 1 stresses foreseen, about 1 min ahead"
    assert lines[1:4] == [f"7 days: {right}", f"30 days: {right}", f"heat heat-1: {right}"]


def test_a_model_that_had_nothing_to_say_has_no_record(store: Store) -> None:
    assert "7 days: nothing happened yet" in ask(store, "/model")


@pytest.mark.parametrize(
    ("command", "opinion", "words"),
    [
        ("right", Opinion.RIGHT, "was right"),
        ("false", Opinion.FALSE_ALARM, "was a false alarm"),
    ],
)
def test_what_the_owner_calls_a_warning_is_kept(
    store: Store, command: str, opinion: Opinion, words: str
) -> None:
    store.save(told(an_event()))

    said = ask(store, f"/{command} pi-1:heat:1", now=NOON)

    assert words in said
    verdict = Verdict(alert_id="pi-1:heat:1", opinion=opinion, said_at=NOON, said_by=CHAT)
    assert store.alerts.verdicts_of(["pi-1:heat:1"]) == {"pi-1:heat:1": verdict}


@pytest.mark.parametrize("alert_id", ["pi-1:heat:7", "<b>", "x" * 500])
def test_a_warning_that_never_was_is_not_judged(store: Store, alert_id: str) -> None:
    assert ask(store, f"/right {alert_id}").startswith("There is no alert called ")
    assert store.alerts.verdicts_of([alert_id]) == {}


def test_a_store_that_is_away_is_admitted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_device_id: str) -> None:
        raise StoreBusy("the file /secret is busy")

    monkeypatch.setattr(store.devices, "get", away)

    assert ask(store, "/status pi-1") == (
        "I cannot reach the store just now. Please try again in a minute."
    )


def test_every_error_that_people_can_cause_has_an_answer(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [errors.UnknownDevice("x"), errors.UnknownRule("x", ()), errors.InvalidRule("x")]
    for problem in [*people, errors.StoreError("x"), errors.StoreBusy("x")]:

        def fails(_id: str, problem: Exception = problem) -> None:
            raise problem

        monkeypatch.setattr(store.devices, "get", fails)

        assert ask(store, "/status pi-1")


@given(st.sampled_from([command.name for command in COMMANDS]), st.text(max_size=80))
def test_whatever_people_write_has_an_answer(name: str, words: str) -> None:
    store = MemoryStore()
    store.save(scored(a_reading(), new_devices=[a_device()]))

    assert ask(store, f"/{name} {words}")


def test_names_and_help_suit_telegrams_menu() -> None:
    # https://core.telegram.org/bots/api#botcommand
    for command in COMMANDS:
        assert command.name.islower()
        assert len(command.name) <= 32
        assert 1 <= len(command.help) <= 256
    assert all(inspect.getdoc(command.reply) for command in COMMANDS)
