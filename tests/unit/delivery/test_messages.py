"""The words of what the bot says by itself."""

from __future__ import annotations

import itertools

import pytest

from fleetpulse.alerts import RULE_NAMES, AlertEvent, Severity, State
from fleetpulse.delivery.messages import (
    BUTTON_BYTES,
    GROUP_NAMES,
    SUMMARY_LINES,
    Post,
    alert_post,
    group_post,
    reminder_post,
    summary_post,
)
from fleetpulse.delivery.short_names import fitted, resolved
from fleetpulse.stores.episodes import alert_of
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Alert
from tests.contracts.builders import NOON, SECOND, an_episode, an_event


def test_a_warning_says_how_likely_when_what_and_why() -> None:
    event = an_event(
        probability=0.874,
        expected_s=81.0,
        value=74.23,
        limit=80.0,
        causes=["temperature rises by 6 °C a minute", "load is 98 %"],
    )

    assert alert_post(event, None, NOON).text == (
        "⚠️ <b>pi-1</b> will soon be stressed\n"
        "Probability 87 %, expected in about 1 min 20 s.\n"
        "Temperature at or above 80 °C; now 74.2 °C.\n"
        "Why: temperature rises by 6 °C a minute; load is 98 %."
    )


def test_a_warning_without_an_expected_time_leaves_it_out() -> None:
    text = alert_post(an_event(probability=0.9, limit=80.0), None, NOON).text

    assert "Probability 90 %.\n" in text
    assert "expected" not in text


def test_stress_says_value_and_limit() -> None:
    event = an_event(State.STRESSED, value=80.4, limit=80.0, severity=Severity.CRITICAL)

    assert alert_post(event, None, NOON).text == (
        "🔴 <b>pi-1</b> is stressed\nTemperature is 80.4 °C, the limit is 80 °C."
    )


def test_stress_below_a_limit_reads_the_same() -> None:
    event = an_event(State.STRESSED, rule="undervoltage", value=4.55, limit=4.63)

    assert "Supply voltage is 4.55 V, the limit is 4.63 V." in alert_post(event, None, NOON).text


def test_a_flag_is_told_without_its_number() -> None:
    event = an_event(State.STRESSED, rule="throttled", value=1.0, limit=1.0)

    assert alert_post(event, None, NOON).text.endswith("is stressed\nThrottling for 30 s.")


def test_recovery_says_how_long_it_was() -> None:
    _, stressed, recovered = an_episode()

    assert alert_post(recovered, stressed, recovered.at).text == (
        "✅ <b>pi-1</b> has recovered\n"
        "Temperature is 71 °C, the limit is 80 °C.\n"
        "It was stressed for 3 min."
    )


def test_recovery_is_told_though_its_beginning_is_not_known() -> None:
    _, _, recovered = an_episode()

    assert "has recovered" in alert_post(recovered, None, recovered.at).text


def test_danger_that_passed_says_so() -> None:
    soon = an_event()
    fine = an_event(State.OK, at=NOON + 90 * SECOND, value=70.0, limit=80.0)

    assert alert_post(fine, soon, fine.at).text == (
        "👍 <b>pi-1</b> is fine after all\n"
        "The danger has passed. It was there for 1 min 30 s.\n"
        "Temperature is 70 °C, the limit is 80 °C."
    )


def test_names_and_causes_cannot_break_the_markup() -> None:
    event = an_event(device_id="<b>&", causes=["a < b & c"], rule="<i>")

    text = alert_post(event, None, NOON).text

    assert "<b>&lt;b&gt;&amp;</b>" in text
    assert "a &lt; b &amp; c" in text
    assert "&lt;i&gt;" in text


def test_news_that_come_late_say_when_it_was() -> None:
    assert "This was 5 min ago." in alert_post(an_event(), None, NOON + 300 * SECOND).text
    assert "ago" not in alert_post(an_event(), None, NOON + 59 * SECOND).text


@pytest.mark.parametrize("rule", [*RULE_NAMES, "of-another-stream"])
@pytest.mark.parametrize("state", list(State))
def test_every_state_of_every_rule_has_words_whatever_is_missing(state: State, rule: str) -> None:
    bare = an_event(state, rule=rule)

    assert "pi-1" in alert_post(bare, None, NOON).text
    assert "pi-1" in summary_post([bare], NOON).text


def test_a_group_names_or_counts_each_device_by_what_it_is_now() -> None:
    events = [
        *(an_event(device_id=f"pi-{number:02}") for number in range(30)),
        an_event(State.STRESSED, device_id="pi-03"),
        an_event(State.STRESSED, device_id="<b>evil</b>"),
        an_event(State.RECOVERED, device_id="pi-99"),
        an_event(State.SOON, device_id="pi-50", rule="overload"),
    ]

    head, stressed, heat, overload, recovered = group_post(events).text.splitlines()

    assert head == "🔔 <b>33 devices</b> at once"
    assert "<b>2</b> are stressed (temperature): pi-03, &lt;b&gt;evil&lt;/b&gt;" in stressed
    assert "<b>29</b> will soon be stressed (temperature): pi-00, pi-01" in heat
    assert heat.endswith(f"and {29 - GROUP_NAMES} more")
    assert "<b>1</b> will soon be stressed (load over 60 s): pi-50" in overload
    assert "<b>1</b> has recovered (temperature): pi-99" in recovered


def test_a_group_of_the_longest_names_fits_into_a_message() -> None:
    happened = itertools.product(RULE_NAMES, State, range(20))
    events = [
        an_event(state, device_id=f"{place:04}{'x' * 60}", rule=rule)
        for place, (rule, state, _) in enumerate(happened)
    ]

    assert len(group_post(events).text) < 4_096
    assert len(group_post(events[:20]).text) < 4_096


def an_alert(*events: AlertEvent) -> Alert:
    return alert_of(events)


def labels(post: Post) -> list[str]:
    return [button.label for button in post.buttons]


def test_a_warning_has_buttons_for_what_its_owner_may_do() -> None:
    buttons = alert_post(an_event(episode=3), None, NOON).buttons

    assert [(button.label, button.command) for button in buttons] == [
        ("Ack", "/ack pi-1:heat:3"),
        ("Snooze 1 h", "/snooze pi-1 1h"),
        ("Chart", "/chart pi-1 temperature_c"),
        ("Right", "/right pi-1:heat:3"),
        ("False alarm", "/false pi-1:heat:3"),
    ]


def test_stress_that_nobody_foresaw_is_no_warning_to_be_judged() -> None:
    stressed = an_event(State.STRESSED)

    assert labels(alert_post(stressed, None, NOON, an_alert(stressed))) == [
        "Ack",
        "Snooze 1 h",
        "Chart",
    ]


def test_what_is_over_can_be_judged_and_no_longer_acknowledged() -> None:
    soon, stressed, recovered = an_episode()

    post = alert_post(recovered, stressed, NOON, an_alert(soon, stressed, recovered))

    assert labels(post) == ["Chart", "Right", "False alarm"]


def test_what_is_acknowledged_says_by_whom_and_not_again() -> None:
    soon = an_event()
    seen = an_event(State.ACKNOWLEDGED, at=NOON + 1, said_by="Ada & <Bob>")

    post = alert_post(soon, None, NOON, an_alert(soon, seen))

    assert post.text.endswith("👌 Acknowledged by Ada &amp; &lt;Bob&gt;.")
    assert "Ack" not in labels(post)


def test_what_lasts_says_for_how_long() -> None:
    soon, stressed, _ = an_episode()

    post = reminder_post(stressed, an_alert(soon, stressed), NOON + 4 * 3_600 * SECOND)

    assert post.text == (
        "🔁 <b>pi-1</b> is stressed (temperature).\n"
        "It began 4 h ago, and nobody has acknowledged it."
    )
    assert labels(post)[:2] == ["Ack", "Snooze 1 h"]


def test_a_silent_device_says_since_when_and_for_how_long() -> None:
    offline = an_event(State.OFFLINE, rule="offline", value=31.0, limit=30.0)
    online = an_event(State.ONLINE, rule="offline", at=NOON + 90 * SECOND)

    assert alert_post(offline, None, NOON).text == (
        "🔌 <b>pi-1</b> is offline\nNothing was heard of it for 31 s; it may be silent for 30 s."
    )
    assert alert_post(offline, None, NOON).buttons[-1].command == "/limit pi-1 offline off"
    assert alert_post(online, offline, NOON + 90 * SECOND).text == (
        "✅ <b>pi-1</b> is online again\nIt was offline for 1 min 30 s."
    )


@pytest.mark.parametrize("device_id", ["x" * 64, "ö" * 64, "pi-1"])
def test_a_name_too_long_for_a_button_has_a_short_one_that_leads_back(device_id: str) -> None:
    documents = MemoryStore().documents
    post = fitted(alert_post(an_event(device_id=device_id), None, NOON), documents)

    for button in post.buttons:
        assert len(button.command.encode()) <= BUTTON_BYTES
        assert device_id in resolved(button.command.split(" ")[1], documents)


def test_a_short_name_that_nobody_gave_leads_nowhere() -> None:
    documents = MemoryStore().documents

    assert resolved("~AAAAAAAAAAAA", documents) == "~AAAAAAAAAAAA"
    assert resolved("pi-1", documents) == "pi-1"


def test_a_summary_has_a_line_for_each_rule_of_each_device_newest_first() -> None:
    events = [*an_episode("pi-1"), an_event(device_id="pi-2", at=NOON + 300 * SECOND)]

    assert summary_post(events, NOON + 7_440 * SECOND).text == (
        "🕰 <b>While you were away</b>: 4 events\n"
        "⚠️ <b>pi-2</b> was expected to be stressed (temperature), 1 h 59 min ago\n"
        "✅ <b>pi-1</b> has recovered (temperature), 2 h ago, 3 events"
    )


def test_a_long_summary_stays_one_message() -> None:
    events = [an_event(device_id=f"{number:064}", at=NOON + number) for number in range(500)]

    post = summary_post(events, NOON + 3_600 * SECOND)

    assert post.text.endswith(f"and {500 - SUMMARY_LINES} more")
    assert [button.command for button in post.buttons] == ["/alerts"]
    assert len(post.text) < 4096
