"""What people may ask of alerts, and do about them: functions from words to text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from itertools import islice

from bot.asked import Asked, WrongWords
from bot.naming import group_called, unknown_device
from fleetpulse import snoozing
from fleetpulse.acknowledge import acknowledge
from fleetpulse.alerts import State
from fleetpulse.delivery import notices
from fleetpulse.delivery.messages import PHRASES, Button, Post, example_post
from fleetpulse.delivery.words import about, ago, duration, number_of, quantity, rule_called
from fleetpulse.errors import InvalidWish, UnknownAlert, UnknownDevice
from fleetpulse.people import GROUP
from fleetpulse.stores.pages import all_alerts
from fleetpulse.stores.protocols import Alert, Opinion, Verdict
from fleetpulse.track_record import SPANS_DAYS, Record, models_of, past

RECENT_MS = 24 * 3_600_000  # alerts that are over are listed for so long
ALERTS_SHOWN = 10
BUTTONS_SHOWN = 6
SNOOZE_MS = 3_600_000  # unless it is said how long
LONGEST_SNOOZE_MS = 30 * 24 * 3_600_000
EVERYTHING = "all"
_FOR_EVERYBODY = "A snooze is for everybody, and not all of that is yours."
_LENGTH = re.compile(r"([1-9][0-9]{0,4})(m|min|h|d)", re.ASCII)
_UNIT_MS = {"m": 60_000, "min": 60_000, "h": 3_600_000, "d": 24 * 3_600_000}


def alerts(asked: Asked) -> Post:
    """What is going on, and what has been over for less than a day."""
    if asked.words:
        raise WrongWords
    now_ms = asked.now_ms
    going_on = asked.open_alerts(ALERTS_SHOWN + 1)
    recent = (
        alert
        for alert in all_alerts(asked.store, since=now_ms - RECENT_MS)
        if alert.closed_at is not None and asked.sees(alert.device_id, alert.kind)
    )
    over = list(islice(recent, ALERTS_SHOWN))
    lines = [_alert_line(alert, now_ms) for alert in going_on[:ALERTS_SHOWN]]
    if len(going_on) > ALERTS_SHOWN:
        lines.append("and more")
    lines = lines or ["🟢 Nothing is wrong, and nothing is expected."]
    if over:
        lines += ["", "<b>Over, of the last 24 h</b>"]
        lines += [_alert_line(alert, now_ms) for alert in over]
    return Post("\n".join(lines), _ack_buttons(going_on) if asked.may_change else ())


def ack(asked: Asked) -> Post:
    """Somebody has seen an alert; the word names it, or a device, or all of them."""
    if len(asked.words) > 1:
        raise WrongWords
    if not asked.words:
        return _which_to_ack(asked)
    found = _alerts_called(asked, asked.words[0])
    seen = [
        acknowledge(asked.store, each.alert_id, said_by=asked.said_as, now_ms=asked.now_ms)
        for each in found
    ]
    return Post(_acknowledged(seen), is_brief=True)


def _acknowledged(alerts: Sequence[Alert]) -> str:
    """What came of it; alerts: as they were before."""
    new = [each for each in alerts if each.closed_at is None and each.acknowledged_at is None]
    if new:
        return f"Acknowledged: {_names(new)}. It is not told again."
    if not alerts:
        return "There is nothing to acknowledge."
    first = alerts[0]
    if first.acknowledged_at is not None:
        by = escape(first.acknowledged_by or "somebody")
        return f"{escape(first.device_id)}: {by} has acknowledged it before."
    return f"{escape(first.device_id)}: it is over."


def _names(alerts: Sequence[Alert]) -> str:
    shown = ", ".join(f"{escape(each.device_id)} ({escape(each.rule)})" for each in alerts[:5])
    return shown if len(alerts) <= 5 else f"{shown} and {len(alerts) - 5:,} more"


def _which_to_ack(asked: Asked) -> Post:
    waiting = [each for each in asked.open_alerts(200) if each.acknowledged_at is None]
    if not waiting:
        return Post("There is nothing to acknowledge.")
    every = (Button("All of them", f"/ack {EVERYTHING}"),) if len(waiting) > 1 else ()
    said = f"{number_of(len(waiting), 'alert')} to acknowledge: {_names(waiting)}."
    return Post(said, (*_ack_buttons(waiting), *every))


def _ack_buttons(alerts: Sequence[Alert]) -> tuple[Button, ...]:
    waiting = [each for each in alerts if each.acknowledged_at is None]
    return tuple(
        Button(f"Ack {each.device_id} {each.rule}", f"/ack {each.alert_id}")
        for each in waiting[:BUTTONS_SHOWN]
    )


def _alerts_called(asked: Asked, word: str) -> Sequence[Alert]:
    if word.lower() == EVERYTHING:
        return [each for each in asked.open_alerts(1000) if each.acknowledged_at is None]
    try:
        return [asked.alert(word)]
    except UnknownAlert:
        if ":" in word:
            raise
    device = asked.device(word)
    return list(asked.store.alerts.page(device_id=device.device_id, open_only=True))


def snooze(asked: Asked) -> Post:
    """No word of a device or a group for a while, for everybody; without words: what is so."""
    words = asked.words
    if not words:
        return Post("\n".join(_snoozes(asked)))
    if len(words) > 2:
        raise WrongWords
    selector = _selector(asked, words[0])
    name = _called(selector)
    if len(words) == 2 and words[1].lower() == "off":
        ended = snoozing.end_snooze(asked.store, selector, asked.now_ms)
        is_now = "is no longer" if ended else "is not"
        return Post(f"{name} {is_now} snoozed.", is_brief=True)
    length_ms = _length_ms(words[1]) if len(words) == 2 else SNOOZE_MS
    until, now = asked.now_ms + length_ms, asked.now_ms
    holds = snoozing.snooze(asked.store, selector, until=until, said_by=asked.said_as, now_ms=now)
    if holds.until > until:
        lasts = duration((holds.until - now) / 1000)
        shorter = f"For less, say /snooze {name} off first."
        return Post(f"{name} is snoozed for another {lasts}. {shorter}", is_brief=True)
    return Post(
        f"{name} is snoozed for {duration(length_ms / 1000)}, for everybody. What still lasts then"
        " is told then.",
        is_brief=True,
    )


def _selector(asked: Asked, word: str) -> str:
    """What the word names: a group that there is, everything, or a device of this person."""
    if word.lower() == EVERYTHING:
        if not asked.owns_everything:
            raise InvalidWish(f"{_FOR_EVERYBODY} Snooze your devices by their names.")
        return "*"
    if word.startswith(GROUP):
        if not asked.owns_group(group_called(asked, word)):
            raise InvalidWish(f"{_FOR_EVERYBODY} Snooze your devices of {word} by their names.")
        return word
    try:
        return asked.device(word).device_id
    except UnknownDevice:
        raise unknown_device(asked, word, [*asked.groups_seen(), EVERYTHING]) from None


def _called(selector: str) -> str:
    return EVERYTHING if selector == "*" else escape(selector)


def _snoozes(asked: Asked) -> list[str]:
    now = asked.now_ms
    lasting = [
        f"😴 <b>{_called(selector)}</b>: for another"
        f" {duration((each.until - now) / 1000)}, says {escape(each.said_by or 'somebody')}"
        for selector, each in asked.people.snoozes.all().items()
        if each.until > now and asked.sees_some_of(selector)
    ]
    return lasting or ["Nothing is snoozed. Write for example: /snooze pi-attic 2h"]


def _length_ms(word: str) -> int:
    found = _LENGTH.fullmatch(word.lower())
    length_ms = 0 if found is None else int(found[1]) * _UNIT_MS[found[2]]
    if not 0 < length_ms <= LONGEST_SNOOZE_MS:
        raise InvalidWish(
            f"{word[:16]!r} is no time that I know; write 30m, 2h or 3d (at most 30d)."
        )
    return length_ms


def model(asked: Asked) -> Post:
    """How often the warnings were right, of the fleet and of each model version."""
    if asked.words:
        raise WrongWords
    if not asked.owns_everything:
        return Post("This is told of the whole fleet, and not all of it is yours.")
    seen = past(asked.store, asked.now_ms)
    lines = ["<b>How often warnings were right</b>"]
    lines += [_record_line(f"{days} days", record) for days, record in seen.records().items()]
    for name in models_of(seen.alerts):
        record = seen.records(name)[max(SPANS_DAYS)]
        lines.append(_record_line(f"{escape(name.rule)} {escape(name.version)}", record))
    lines += [
        "",
        "Press Right or False alarm under a warning: it counts, and the next model learns.",
    ]
    return Post("\n".join(lines))


def test(asked: Asked) -> Post:
    """What a warning looks like, so that people see that this chat gets them."""
    if asked.words:
        raise WrongWords
    return example_post("chat", asked.now_ms)


def right(asked: Asked) -> Post:
    """The warning was right, says its owner."""
    return _judged(asked, Opinion.RIGHT, "was right")


def false(asked: Asked) -> Post:
    """The warning was a false alarm, says its owner."""
    return _judged(asked, Opinion.FALSE_ALARM, "was a false alarm")


def _judged(asked: Asked, opinion: Opinion, words: str) -> Post:
    if len(asked.words) != 1:
        raise WrongWords
    alert = asked.alert(asked.words[0])
    asked.store.alerts.judge(
        Verdict(
            alert_id=alert.alert_id, opinion=opinion, said_at=asked.now_ms, said_by=asked.target
        )
    )
    when = ago(alert.opened_at, asked.now_ms)
    return Post(
        f"Noted: the warning of <b>{escape(alert.device_id)}</b> ({when}) {words}."
        " The next model learns from it.",
        is_brief=True,
    )


def _record_line(of: str, record: Record) -> str:
    warnings = record.true + record.false
    if not warnings and not record.missed:
        return f"{of}: nothing happened yet"
    parts = [f"{record.true} of {number_of(warnings, 'warning')} right"]
    stresses = record.true + record.missed
    if stresses:
        parts.append(f"{record.true} of {stresses} stresses foreseen")
    if record.median_lead_s is not None:
        parts.append(f"{about(record.median_lead_s)} ahead")
    return f"{of}: {', '.join(parts)}"


def _alert_line(alert: Alert, now_ms: int) -> str:
    seen = " 👌" if alert.closed_at is None and alert.acknowledged_at is not None else ""
    if notices.is_notice(alert):
        return notices.alert_line(alert, now_ms) + seen
    phrase = PHRASES[alert.state]
    rule = rule_called(alert.rule, alert.kind)
    label = alert.rule if rule is None else rule.label
    words = phrase.words if alert.closed_at is None else phrase.past
    line = f"{phrase.symbol} <b>{escape(alert.device_id)}</b> {words} ({escape(label)})"
    is_shown = alert.closed_at is None and alert.state is not State.OFFLINE
    if rule is not None and alert.value is not None and is_shown:
        line += f", {quantity(alert.value, rule.unit)}"
    return f"{line}, {ago(alert.changed_at, now_ms)}{seen}"
