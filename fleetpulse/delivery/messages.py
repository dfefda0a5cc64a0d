"""The words of what the bot says by itself: one text per alert event, and the summary of old ones.

The words `will soon be stressed`, `is stressed` and `has recovered` are a contract: people and
programs wait for them. Texts are HTML as Telegram reads it, so every name and cause is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from html import escape, unescape

from fleetpulse.alerts import OFFLINE, AlertEvent, Rule, Severity, State
from fleetpulse.delivery import notices
from fleetpulse.delivery.charts import channel_of
from fleetpulse.delivery.words import (
    about,
    ago,
    duration,
    number_of,
    past_limit,
    percent,
    quantity,
    rule_called,
)
from fleetpulse.stores.episodes import alert_id_of
from fleetpulse.stores.protocols import Alert
from fleetpulse.telemetry import Unit

BUTTON_BYTES = 64  # https://core.telegram.org/bots/api#inlinekeyboardbutton, callback_data
CAUSES_TOLD = 3
CAUSE_CHARACTERS = 160
SUMMARY_LINES = 20
GROUP_NAMES, GROUP_NAMES_IN_ALL = 8, 32  # of a line of a group, and of all: 4,096 characters fit
QUOTED_LINES = 2  # of what a message said before: a photo has room for 1,024 characters
LATE_MS = 60_000  # news older than this says how old it is

CHART_STATES = (State.SOON, State.STRESSED)
OPEN_STATES = (*CHART_STATES, State.OFFLINE)


@dataclass(frozen=True, slots=True)
class Button:
    """A label, and the command that pressing it is."""

    label: str
    command: str


class Telling(StrEnum):
    """What a post tells."""

    ALERT = "alert"
    GROUP = "group"
    SUMMARY = "summary"
    REMINDER = "reminder"  # it lasts
    TEST = "test"  # an example: nothing has happened


@dataclass(frozen=True, slots=True)
class Post:
    """What is put into a chat."""

    text: str  # HTML
    buttons: tuple[Button, ...] = ()
    photo: bytes | None = None  # PNG
    events: tuple[AlertEvent, ...] = ()  # that it tells of, oldest first
    reply_to: str | None = None  # the message that it answers
    is_brief: bool = False  # the answer to a button that need not stay
    telling: Telling | None = None  # None: it answers somebody
    told_before_at: int | None = None  # of a reminder: when that was, Unix ms


def plain_text(html: str) -> str:
    """The words of a post's text."""
    return unescape(re.sub(r"<[^>]+>", "", html))


def status_buttons(device_ids: Sequence[str]) -> tuple[Button, ...]:
    """A button per device that asks for its status."""
    return tuple(Button(device_id, f"/status {device_id}") for device_id in device_ids)


def alert_buttons(event: AlertEvent, alert: Alert | None = None) -> tuple[Button, ...]:
    """What may be asked or done about an alert that stands at this event.

    alert: what is known of it besides.
    """
    alert_id, buttons = alert_id_of(event), []
    if event.state in OPEN_STATES and (alert is None or alert.closed_at is None):
        if alert is None or alert.acknowledged_at is None:
            buttons.append(Button("Ack", f"/ack {alert_id}"))
        if not notices.is_notice(event):
            buttons.append(Button("Snooze 1 h", f"/snooze {event.device_id} 1h"))
        if event.state is State.OFFLINE:
            may_be = f"/limit {event.device_id} {OFFLINE} off"
            return (*buttons, Button("May be offline", may_be))
    if not notices.is_notice(event):
        buttons.append(Button("Chart", _chart_command(event)))
    if event.state is State.SOON or (alert is not None and _was_warning(alert)):
        buttons.append(Button("Right", f"/right {alert_id}"))
        buttons.append(Button("False alarm", f"/false {alert_id}"))
    return tuple(buttons)


def _chart_command(event: AlertEvent) -> str:
    """What draws the channel that the alert is about."""
    rule = _rule(event)
    channel = None if rule is None else channel_of(rule)
    return f"/chart {event.device_id}" + ("" if channel is None else f" {channel.name}")


def _was_warning(alert: Alert) -> bool:
    """Whether somebody was told before it happened."""
    return alert.model_version is not None and alert.stressed_at != alert.opened_at


def has_chart(event: AlertEvent) -> bool:
    """Whether a picture says more of it: of a device that is in trouble."""
    return event.state in CHART_STATES and not notices.is_notice(event)


def alert_post(
    event: AlertEvent, began: AlertEvent | None, now_ms: int, alert: Alert | None = None
) -> Post:
    """The message of one event.

    began: for an event that ends something, the event that it ends, if it is known. alert: where
    all of it stands.
    """
    lines = _lines(event, began)
    if now_ms - event.at >= LATE_MS:
        lines.append(f"This was {ago(event.at, now_ms)}.")
    lines += _seen_by(alert)
    buttons = alert_buttons(event, alert)
    return Post("\n".join(lines), buttons, events=(event,), telling=Telling.ALERT)


def changed_post(
    shown: AlertEvent,
    told: AlertEvent,
    began: AlertEvent | None,
    now_ms: int,
    alert: Alert | None,
) -> Post:
    """A message that was sent for one event, once the alert stands at another.

    shown: where it stands; told: what the message was sent for. What it said stays readable, since
    people and programs look for it.
    """
    if shown.state is told.state:
        return alert_post(told, began, now_ms, alert)
    came_true = shown.state is State.STRESSED and told.state is State.SOON
    lines = _came_true(shown, told) if came_true else _lines(shown, began)
    lines += ["", *_lines(told, None)[:QUOTED_LINES]]
    lines += _seen_by(alert)
    buttons = alert_buttons(shown, alert)
    return Post("\n".join(lines), buttons, events=(shown,), telling=Telling.ALERT)


def _came_true(stressed: AlertEvent, soon: AlertEvent) -> list[str]:
    after = duration((stressed.at - soon.at) / 1000)
    name = f"<b>{escape(stressed.device_id)}</b>"
    return [f"{symbol(stressed)} {name} has reached its limit, {after} after this:"]


def _lines(event: AlertEvent, began: AlertEvent | None) -> list[str]:
    if notices.is_notice(event):
        return notices.alert_lines(event, began)
    return _device_lines(event, began)


def _seen_by(alert: Alert | None) -> list[str]:
    if alert is None or alert.acknowledged_at is None:
        return []
    return [f"👌 Acknowledged by {escape(alert.acknowledged_by or 'somebody')}."]


def reminder_post(event: AlertEvent, alert: Alert | None, now_ms: int) -> Post:
    """The message that something lasts, and that nobody has said to have seen it."""
    began = event.at if alert is None else alert.opened_at
    if notices.is_notice(event):
        lines = notices.alert_lines(event, None)
    else:
        words = PHRASES[event.state].words
        lines = [f"🔁 <b>{escape(event.device_id)}</b> {words} ({_label(event)})."]
    lines.append(f"It began {ago(began, now_ms)}, and nobody has acknowledged it.")
    buttons = alert_buttons(event, alert)
    return Post("\n".join(lines), buttons, events=(event,), telling=Telling.REMINDER)


def _device_lines(event: AlertEvent, began: AlertEvent | None) -> list[str]:
    phrase = PHRASES[event.state]
    line = f"{symbol(event)} <b>{escape(event.device_id)}</b> {phrase.words}"
    return [line, *phrase.details(event, began)]


def summary_post(
    events: Sequence[AlertEvent],
    now_ms: int,
    alert_called: Callable[[str], Alert | None] = lambda _: None,
) -> Post:
    """One message for events, oldest first, that happened while nobody could be told.

    Each rule of each device has one line: where it stands, and how often something happened.
    alert_called: finds an alert by its name.
    """
    by_alert: dict[tuple[str, str], list[AlertEvent]] = {}
    for event in events:
        by_alert.setdefault((event.device_id, event.rule), []).append(event)
    newest_first = sorted(by_alert.values(), key=lambda each: each[-1].at, reverse=True)
    shown = newest_first[:SUMMARY_LINES]
    alerts = [alert_called(alert_id_of(each[-1])) for each in shown]
    lines = [f"🕰 <b>While you were away</b>: {number_of(len(events), 'event')}"]
    lines += [_summary_line(*each, now_ms) for each in zip(shown, alerts, strict=True)]
    buttons: tuple[Button, ...] = ()
    if any(alert and _waits(alert) for alert in alerts):
        buttons = (Button("Acknowledge", "/ack"), Button("Alerts", "/alerts"))
    if len(newest_first) > SUMMARY_LINES:
        lines.append(f"and {len(newest_first) - SUMMARY_LINES:,} more")
        buttons = buttons or (Button("Alerts", "/alerts"),)
    return Post("\n".join(lines), buttons, events=tuple(events), telling=Telling.SUMMARY)


def _waits(alert: Alert) -> bool:
    """Whether it goes on, and nobody has said to have seen it."""
    return alert.closed_at is None and alert.acknowledged_at is None


def group_post(events: Sequence[AlertEvent], *, is_repeated: bool = False) -> Post:
    """One message for the news of many devices, oldest first: each is named, or counted.

    Each rule of each device counts where it is now. is_repeated: it lasts, and was told before.
    """
    newest = {(event.device_id, event.rule): event for event in events}
    ours = [event for event in newest.values() if notices.is_notice(event)]
    theirs = [event for event in newest.values() if not notices.is_notice(event)]
    devices = {event.device_id for event in theirs}
    count = f"<b>{number_of(len(devices), 'device')}</b>"
    still = f"🔁 {count} still, and nobody has acknowledged them"
    lines = [still if is_repeated else f"🔔 {count} at once"]
    for event in ours:
        lines += notices.alert_lines(event, None)
    together: dict[tuple[int, str], list[AlertEvent]] = {}
    for event in theirs:
        together.setdefault((_GROUP_ORDER.index(event.state), event.rule), []).append(event)
    names = min(GROUP_NAMES, GROUP_NAMES_IN_ALL // max(1, len(together)))
    lines += [_group_line(together[key], names) for key in sorted(together)]
    first = Button("Ack all", "/ack all") if is_repeated else Button("Devices", "/devices")
    buttons = (first, Button("Alerts", "/alerts"))
    return Post("\n".join(lines), buttons, events=tuple(events), telling=Telling.GROUP)


def example_post(where: str, now_ms: int) -> Post:
    """What a warning looks like, for people to see that they get them. where: chat, channel."""
    example = AlertEvent(
        event_id="example:heat:1:soon",
        device_id="example",
        kind="raspberry",
        rule="heat",
        episode=1,
        state=State.SOON,
        previous_state=State.OK,
        at=now_ms,
        probability=0.83,
        expected_s=60.0,
        value=76.5,
        limit=80.0,
        causes=["3.5 °C below the limit", "load 95 % for 80 s, normally 12 %"],
    )
    warning = alert_post(example, None, now_ms).text
    text = f"This {where} works. A warning looks like this:\n\n{warning}"
    return Post(text, events=(example,), telling=Telling.TEST)


def _group_line(events: Sequence[AlertEvent], most_names: int) -> str:
    """Devices to which the same has happened."""
    first, names = events[0], [escape(event.device_id) for event in events[:most_names]]
    phrase = PHRASES[first.state]
    words = phrase.words if len(events) == 1 else phrase.of_many
    line = f"{symbol(first)} <b>{len(events):,}</b> {words} ({_label(first)})"
    if not names:
        return line
    rest = len(events) - len(names)
    return f"{line}: {', '.join(names)}" + (f" and {rest:,} more" if rest else "")


def _summary_line(events: Sequence[AlertEvent], alert: Alert | None, now_ms: int) -> str:
    newest = events[-1]
    if notices.is_notice(newest):
        return notices.summary_line(events, now_ms)
    count = f", {number_of(len(events), 'event')}" if len(events) > 1 else ""
    name = f"<b>{escape(newest.device_id)}</b>"
    if alert is not None and alert.closed_at is None:
        phrase, seen = PHRASES[alert.state], " 👌" if alert.acknowledged_at is not None else ""
        since = ago(alert.opened_at, now_ms)
        return (
            f"{phrase.symbol} {name} {phrase.words} ({_label(newest)}), began {since}{count}{seen}"
        )
    state, at = (newest.state, newest.at) if alert is None else (alert.state, alert.changed_at)
    phrase = PHRASES[state]
    return f"{phrase.symbol} {name} {phrase.past} ({_label(newest)}), {ago(at, now_ms)}{count}"


def symbol(event: AlertEvent) -> str:
    """The sign that a message begins with."""
    if event.state is State.STRESSED and event.severity is Severity.CRITICAL:
        return "🔴"
    return PHRASES[event.state].symbol


def _rule(event: AlertEvent) -> Rule | None:
    return rule_called(event.rule, event.kind)


def _label(event: AlertEvent) -> str:
    rule = _rule(event)
    return escape(event.rule if rule is None else rule.label)


def _soon(event: AlertEvent, _began: AlertEvent | None) -> list[str]:
    chance = "" if event.probability is None else f"Probability {percent(event.probability)}"
    when = "" if event.expected_s is None else f"expected in {about(event.expected_s)}"
    lines = [", ".join(part for part in (chance, when) if part) or "Expected soon"]
    lines[0] = lines[0][0].upper() + lines[0][1:] + "."
    lines.append(_sentence(f"{_danger(event)}{_now(event)}"))
    return lines + _why(event)


def _stressed(event: AlertEvent, _began: AlertEvent | None) -> list[str]:
    rule = _rule(event)
    if rule is None or rule.unit == Unit.FLAG or event.value is None or event.limit is None:
        return [_sentence(_danger(event)), *_why(event)]
    value, limit = (quantity(number, rule.unit) for number in (event.value, event.limit))
    return [_sentence(f"{rule.label} is {value}, the limit is {limit}"), *_why(event)]


def _recovered(event: AlertEvent, began: AlertEvent | None) -> list[str]:
    lasted = "" if began is None else f"It was stressed for {_span(began, event)}."
    return [line for line in (_back(event), lasted) if line]


def _fine(event: AlertEvent, began: AlertEvent | None) -> list[str]:
    if event.rule == OFFLINE:
        return ["It may be offline from now on."]
    lasted = "" if began is None else f" It was there for {_span(began, event)}."
    return [line for line in (f"The danger has passed.{lasted}", _back(event)) if line]


def _silent(event: AlertEvent, _began: AlertEvent | None) -> list[str]:
    if event.value is None:
        return []
    most = "" if event.limit is None else f"; it may be silent for {duration(event.limit)}"
    return [f"Nothing was heard of it for {duration(event.value)}{most}."]


def _heard_again(event: AlertEvent, began: AlertEvent | None) -> list[str]:
    if event.value is not None:
        return [f"Nothing was heard of it for {duration(event.value)}."]
    return [] if began is None else [f"It was offline for {_span(began, event)}."]


def _seen(event: AlertEvent, _began: AlertEvent | None) -> list[str]:
    return [f"Acknowledged by {escape(event.said_by or 'somebody')}."]


def _plain(_event: AlertEvent, _began: AlertEvent | None) -> list[str]:
    return []


def _back(event: AlertEvent) -> str:
    """Where the quantity is now, against its limit."""
    rule = _rule(event)
    if rule is None or rule.unit == Unit.FLAG or event.value is None:
        return ""
    limit = "" if event.limit is None else f", the limit is {quantity(event.limit, rule.unit)}"
    return _sentence(f"{rule.label} is {quantity(event.value, rule.unit)}{limit}")


def _danger(event: AlertEvent) -> str:
    rule = _rule(event)
    if rule is None:
        return escape(event.rule)
    return past_limit(rule, rule.limit if event.limit is None else event.limit)


def _now(event: AlertEvent) -> str:
    rule = _rule(event)
    if rule is None or rule.unit == Unit.FLAG or event.value is None:
        return ""
    return f"; now {quantity(event.value, rule.unit)}"


def _why(event: AlertEvent) -> list[str]:
    causes = [escape(cause[:CAUSE_CHARACTERS]) for cause in event.causes[:CAUSES_TOLD]]
    return [f"Why: {'; '.join(causes)}."] if causes else []


def _span(began: AlertEvent, ended: AlertEvent) -> str:
    return duration((ended.at - began.at) / 1000)


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """How one state is told."""

    symbol: str
    words: str  # after the device's name
    of_many: str  # after their number
    past: str  # the same, of something long ago
    details: Callable[[AlertEvent, AlertEvent | None], list[str]] = _plain
    ends: State | None = None  # the state whose beginning gives the duration


PHRASES: dict[State, Phrase] = {
    State.SOON: Phrase(
        symbol="⚠️",
        words="will soon be stressed",
        of_many="will soon be stressed",
        past="was expected to be stressed",
        details=_soon,
    ),
    State.STRESSED: Phrase(
        symbol="🟠",
        words="is stressed",
        of_many="are stressed",
        past="was stressed",
        details=_stressed,
    ),
    State.RECOVERED: Phrase(
        symbol="✅",
        words="has recovered",
        of_many="have recovered",
        past="has recovered",
        details=_recovered,
        ends=State.STRESSED,
    ),
    State.OK: Phrase(
        symbol="👍",
        words="is fine after all",
        of_many="are fine after all",
        past="was fine after all",
        details=_fine,
        ends=State.SOON,
    ),
    State.OFFLINE: Phrase(
        symbol="🔌",
        words="is offline",
        of_many="are offline",
        past="was offline",
        details=_silent,
    ),
    State.ONLINE: Phrase(
        symbol="✅",
        words="is online again",
        of_many="are online again",
        past="came back online",
        details=_heard_again,
        ends=State.OFFLINE,
    ),
    State.UNKNOWN: Phrase(
        symbol="❔", words="is unknown", of_many="are unknown", past="was unknown"
    ),
    State.ACKNOWLEDGED: Phrase(
        symbol="👌",
        words="has been seen",
        of_many="have been seen",
        past="was seen",
        details=_seen,
    ),
}

# Worst first.
_GROUP_ORDER = (
    State.STRESSED,
    State.SOON,
    State.OFFLINE,
    State.UNKNOWN,
    State.RECOVERED,
    State.ONLINE,
    State.OK,
    State.ACKNOWLEDGED,
)
