"""What people may ask: functions from words to text, and the table of them.

The help text, Telegram's own menu and the dispatch are made from the table. Nothing here knows
Telegram; errors that people can cause become answers in one place, `answer`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from html import escape
from itertools import islice

import msgspec

from bot.history_charts import SPANS, chart_of_device
from fleetpulse.alerts import (
    STATUS_ORDER,
    RuleChange,
    Status,
    checked_change,
    rule_named,
    rules_for,
)
from fleetpulse.delivery import notices, trends
from fleetpulse.delivery.messages import (
    PHRASES,
    Button,
    Post,
    example_post,
    fitting,
    status_buttons,
)
from fleetpulse.delivery.words import (
    about,
    ago,
    number_of,
    past_limit,
    percent,
    quantity,
    rule_called,
)
from fleetpulse.errors import InvalidRule, StoreError, UnknownDevice, UnknownRule
from fleetpulse.notices import OURSELVES
from fleetpulse.presence import is_ahead, is_fresh, status_now
from fleetpulse.stores.pages import all_alerts, all_devices
from fleetpulse.stores.protocols import Alert, Device, Opinion, Store, StoredReading, Verdict
from fleetpulse.telemetry import CHANNEL, CHANNELS, Channel, Unit
from fleetpulse.track_record import SPANS_DAYS, Record, models_of, past

RECENT_MS = 24 * 3_600_000  # alerts that are over are listed for so long
CLOCK_TROUBLE_MS = 10 * 60_000  # a refused record is worth a line for so long
DEVICES_SHOWN = 25
ALERTS_SHOWN = 10
BUTTONS_SHOWN = 8
SIGNS = {Status.OK: "🟢", Status.UNKNOWN: "❔", Status.SOON: "⚠️", Status.STRESSED: "🔴"}
IS = {
    Status.OK: "is ok",
    Status.UNKNOWN: "is unknown",
    Status.SOON: "will soon be stressed",
    Status.STRESSED: "is stressed",
}
_AT_A_GLANCE = {"temperature_c": "{}", "power_w": "{}", "load_pct": "load {}"}
_ALERT_ID = re.compile(r"[A-Za-z0-9._:-]{1,160}", re.ASCII)
_NUMBER = re.compile(r"([+-]?\d+(?:[.,]\d+)?)\s*(?:°|°?C|%|V)?", re.IGNORECASE | re.ASCII)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The words after a command, and what is needed to answer them."""

    store: Store
    words: Sequence[str]
    now_ms: int  # Unix
    stale_after_ms: int  # how old a device's newest reading may be to say anything of it now
    said_by: str  # the chat, as verdicts name it

    def status_of(self, reading: StoredReading | None) -> Status:
        """The status now of the device whose newest reading this is."""
        return status_now(reading, self.now_ms, self.stale_after_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command: its words, what it is for, and its answer."""

    name: str
    parameters: str = ""
    help: str
    reply: Callable[[Asked], Post]

    @property
    def usage(self) -> str:
        """How to write it."""
        return f"/{self.name} {self.parameters}".strip()


class WrongWords(Exception):
    """The words after a command are not what it takes."""


def answer(store: Store, text: str, now_ms: int, *, stale_after_ms: int, said_by: str) -> Post:
    """The answer to a line of text; it has one, whatever the line is.

    said_by: "telegram:<chat id>".
    """
    name, *words = text.split() or [""]
    command = _BY_NAME.get(name.removeprefix("/").partition("@")[0].lower())
    if command is None:
        return Post(f"I do not know {escape(name[:64])!r}. Send /help to see what I know.")
    try:
        return command.reply(
            Asked(
                store=store,
                words=words,
                now_ms=now_ms,
                stale_after_ms=stale_after_ms,
                said_by=said_by,
            )
        )
    except WrongWords:
        return Post(f"Usage: {escape(command.usage)}")
    except UnknownDevice as problem:
        return _unknown_device(store, problem.device_id)
    except (UnknownRule, InvalidRule) as problem:
        return Post(escape(str(problem)))
    except StoreError as problem:
        log.warning("no answer", extra={"command": command.name, "problem": str(problem)})
        return Post("I cannot reach the store just now. Please try again in a minute.")


def start(_asked: Asked) -> Post:
    """A welcome, and what can be asked."""
    return Post(
        "Hello! I watch your devices and tell you here <b>before</b> one gets into trouble,"
        f" and why. You need do nothing; or ask:\n\n{_command_list()}"
    )


def show_help(_asked: Asked) -> Post:
    """Every command with its words."""
    return Post(f"{_command_list()}\n\nExample: /limit pi-attic heat 75")


def devices(asked: Asked) -> Post:
    """The fleet, worst first, a device a line."""
    if asked.words:
        raise WrongWords
    known = list(all_devices(asked.store))
    if not known:
        return Post("No device has sent a reading yet. Start one: fleetpulse agent pc")
    newest = asked.store.readings.latest_of([device.device_id for device in known])
    worst_first = sorted(known, key=lambda device: _urgency(device, newest, asked))
    shown = worst_first[:DEVICES_SHOWN]
    lines = [number_of(len(known), "device")]
    lines += [_device_line(device, newest.get(device.device_id), asked) for device in shown]
    if len(known) > len(shown):
        lines.append(f"and {len(known) - len(shown):,} more")
    names = [device.device_id for device in shown]
    return Post("\n".join(lines), status_buttons(names)[:BUTTONS_SHOWN])


def status(asked: Asked) -> Post:
    """The newest reading of one device, a channel a line, with what is expected of it."""
    if len(asked.words) != 1:
        raise WrongWords
    if asked.words[0] == OURSELVES and asked.store.devices.get(OURSELVES) is None:
        return Post("\n".join(notices.status_lines(asked.store, asked.now_ms)))
    device = _device(asked.store, asked.words[0])
    reading = asked.store.readings.latest(device.device_id)
    now = asked.status_of(reading)
    lines = [f"{SIGNS[now]} <b>{escape(device.device_id)}</b> ({escape(device.kind)}) {IS[now]}"]
    lines += _risk(reading, now)
    lines += _measured(reading, asked)
    lines += trends.full_line(asked.store, device.device_id, asked.now_ms)
    lines += _clock_trouble(device, asked.now_ms)
    lines += _limits(asked.store, device)
    return Post("\n".join(lines))


def chart(asked: Asked) -> Post:
    """A picture of a device's last hour, day or week."""
    if not 1 <= len(asked.words) <= 3:
        raise WrongWords
    device = _device(asked.store, asked.words[0])
    more = [word.lower() for word in asked.words[1:]]
    spans = [word for word in more if word in SPANS]
    names = [word for word in more if word not in SPANS]
    if len(spans) > 1 or len(names) > 1:
        raise WrongWords
    span = SPANS[spans[0] if spans else "1h"]
    channel = _channel(names[0]) if names else _telling_channel(asked.store, device)
    picture = chart_of_device(asked.store, device, channel, span, asked.now_ms)
    name = escape(device.device_id)
    others = fitting(
        Button(each, f"/chart {device.device_id} {channel.name} {each}")
        for each in SPANS
        if each != span.name
    )
    if picture is None:
        return Post(f"<b>{name}</b> has not measured {channel.label} in {span.words}.", others)
    return Post(f"<b>{name}</b>: {channel.label} of {span.words}.", others, picture)


def alerts(asked: Asked) -> Post:
    """What is going on, and what has been over for less than a day."""
    if asked.words:
        raise WrongWords
    store, now_ms = asked.store, asked.now_ms
    going_on = store.alerts.page(open_only=True, limit=ALERTS_SHOWN + 1)
    recent = all_alerts(store, since=now_ms - RECENT_MS)
    over = list(islice((each for each in recent if each.closed_at is not None), ALERTS_SHOWN))
    lines = [_alert_line(alert, now_ms) for alert in going_on[:ALERTS_SHOWN]]
    if len(going_on) > ALERTS_SHOWN:
        lines.append("and more")
    lines = lines or ["🟢 Nothing is wrong, and nothing is expected."]
    if over:
        lines += ["", "<b>Over, of the last 24 h</b>"]
        lines += [_alert_line(alert, now_ms) for alert in over]
    return Post("\n".join(lines))


def limit(asked: Asked) -> Post:
    """A device's limit, changed; says what it was."""
    store, words = asked.store, asked.words
    if len(words) < 3:
        raise WrongWords
    device = _device(store, words[0])
    changes = store.rules.of(device.device_id)
    rule = rule_named(words[1].lower(), device.kind, changes)
    value = _number(" ".join(words[2:]))
    before = {change.rule: change for change in changes}.get(
        rule.name, RuleChange(device_id=device.device_id, rule=rule.name)
    )
    change = msgspec.structs.replace(before, limit=value, changed_at=asked.now_ms)
    store.rules.put(checked_change(change, device.kind))
    return Post(
        f"The limit of {rule.name} ({rule.label}) on <b>{escape(device.device_id)}</b> is now"
        f" {_limit_words(value, rule.unit)}; it was {_limit_words(rule.limit, rule.unit)}."
    )


def model(asked: Asked) -> Post:
    """How often the warnings were right, of the fleet and of each model version."""
    if asked.words:
        raise WrongWords
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


COMMANDS: tuple[Command, ...] = (
    Command(name="start", help="what I do, and tell me here", reply=start),
    Command(name="help", help="what you can ask", reply=show_help),
    Command(name="devices", help="the fleet, worst first", reply=devices),
    Command(
        name="status",
        parameters="<device>",
        help="newest readings of a device, and what is expected",
        reply=status,
    ),
    Command(
        name="chart",
        parameters="<device> [channel] [1h|24h|7d]",
        help="a picture of what was measured, and of the risk",
        reply=chart,
    ),
    Command(name="alerts", help="what is going on, and what is over", reply=alerts),
    Command(
        name="limit",
        parameters="<device> <rule> <value>",
        help="change when a device counts as stressed",
        reply=limit,
    ),
    Command(name="model", help="how often my warnings were right", reply=model),
    Command(name="test", help="see what a warning looks like here", reply=test),
    Command(name="right", parameters="<alert>", help="say that a warning was right", reply=right),
    Command(
        name="false", parameters="<alert>", help="say that a warning was a false alarm", reply=false
    ),
)
_BY_NAME: Mapping[str, Command] = {command.name: command for command in COMMANDS}


def _command_list() -> str:
    return "\n".join(f"{escape(command.usage)} - {command.help}" for command in COMMANDS)


def _judged(asked: Asked, opinion: Opinion, words: str) -> Post:
    if len(asked.words) != 1:
        raise WrongWords
    alert = asked.store.alerts.get(asked.words[0]) if _ALERT_ID.fullmatch(asked.words[0]) else None
    if alert is None:
        return Post(f"I know no alert called {escape(asked.words[0][:64])}.")
    asked.store.alerts.judge(
        Verdict(
            alert_id=alert.alert_id, opinion=opinion, said_at=asked.now_ms, said_by=asked.said_by
        )
    )
    when = ago(alert.opened_at, asked.now_ms)
    return Post(
        f"Noted: the warning of <b>{escape(alert.device_id)}</b> ({when}) {words}."
        " The next model learns from it."
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


def _device(store: Store, name: str) -> Device:
    found = store.devices.get(name)
    if found is None:
        raise UnknownDevice(name)
    return found


def _unknown_device(store: Store, name: str) -> Post:
    names = {device.device_id.lower(): device.device_id for device in all_devices(store)}
    near = [names[each] for each in get_close_matches(name.lower(), names, n=3, cutoff=0.5)]
    said = f"I know no device called {escape(name[:64])}."
    if not near:
        return Post(f"{said} /devices lists them.")
    return Post(f"{said} Do you mean {escape(' or '.join(near))}?", status_buttons(near))


def _channel(name: str) -> Channel:
    """The channel by its name, or by its label. Raises InvalidRule."""
    for channel in CHANNELS:
        if name in (channel.name, channel.name.partition("_")[0], channel.label):
            return channel
    known = ", ".join(channel.name for channel in CHANNELS)
    raise InvalidRule(f"I know no channel called {name[:32]!r}; there are {known}.")


def _telling_channel(store: Store, device: Device) -> Channel:
    """What says most of a device: its temperature, or its load where it measures none."""
    newest = store.readings.latest(device.device_id)
    has_no_temperature = newest is not None and newest.temperature_c is None
    return CHANNEL["load_pct" if has_no_temperature else "temperature_c"]


def _urgency(
    device: Device, newest: Mapping[str, StoredReading], asked: Asked
) -> tuple[int, float, str]:
    reading = newest.get(device.device_id)
    place = STATUS_ORDER.index(asked.status_of(reading))
    probability = 0.0 if reading is None else reading.probability or 0.0
    return -place, -probability, device.device_id


def _device_line(device: Device, reading: StoredReading | None, asked: Asked) -> str:
    now = asked.status_of(reading)
    words = [f"{SIGNS[now]} <b>{escape(device.device_id)}</b> {now}"]
    if reading is None:
        return ", ".join([*words, "no reading yet"])
    if now is not Status.UNKNOWN:
        words += [
            words_for.format(quantity(value, CHANNEL[name].unit))
            for name, words_for in _AT_A_GLANCE.items()
            if (value := getattr(reading, name)) is not None
        ]
        words += _chance(reading)
    return ", ".join([*words, ago(reading.measured_at, asked.now_ms)])


def _chance(reading: StoredReading) -> list[str]:
    return [] if reading.probability is None else [f"risk {percent(reading.probability)}"]


def _risk(reading: StoredReading | None, now: Status) -> list[str]:
    if reading is None or now is Status.UNKNOWN or reading.probability is None:
        return []
    risk = f"Risk of stress: {percent(reading.probability)}"
    if now is Status.SOON and reading.expected_s is not None:
        risk += f", expected in {about(reading.expected_s)}"
    why = [f"Why: {escape('; '.join(reading.causes))}."] if reading.causes else []
    return [f"{risk}.", *why]


def _measured(reading: StoredReading | None, asked: Asked) -> list[str]:
    if reading is None:
        return ["It has sent no reading yet."]
    channels = [
        f"{channel.label}: {quantity(value, channel.unit)}"
        for channel, value in reading.channels()
        if value is not None
    ]
    return [_heading(reading.measured_at, asked), *channels]


def _heading(measured_at: int, asked: Asked) -> str:
    age = ago(measured_at, asked.now_ms)
    if is_fresh(measured_at, asked.now_ms, asked.stale_after_ms):
        return f"Measured {age}:"
    if is_ahead(measured_at, asked.now_ms, asked.stale_after_ms):
        ahead = about((measured_at - asked.now_ms) / 1000)
        return f"Its clock is ahead by {ahead}: set it. Last seen:"
    return f"No news for {age.removesuffix(' ago')}. Last seen:"


def _clock_trouble(device: Device, now_ms: int) -> list[str]:
    ahead_ms, at = device.clock_ahead_ms, device.clock_ahead_at
    if ahead_ms is None or at is None or now_ms - at > CLOCK_TROUBLE_MS:
        return []
    return [f"Its clock is ahead by {about(ahead_ms / 1000)}: set it, its readings are refused."]


def _limits(store: Store, device: Device) -> list[str]:
    rules = rules_for(device.kind, store.rules.of(device.device_id))
    limits = [f"{rule.name}: {past_limit(rule, rule.limit)}" for rule in rules if rule.enabled]
    return ["", "<b>Stressed means</b>", *limits]


def _limit_words(value: float, unit: str) -> str:
    # A flag's limit is a number all the same: people type it.
    return f"{value:g} ({unit})" if unit == Unit.FLAG else quantity(value, unit)


def _alert_line(alert: Alert, now_ms: int) -> str:
    if notices.is_notice(alert):
        return notices.alert_line(alert, now_ms)
    phrase = PHRASES[alert.state]
    rule = rule_called(alert.rule, alert.kind)
    label = alert.rule if rule is None else rule.label
    words = phrase.words if alert.closed_at is None else phrase.past
    line = f"{phrase.symbol} <b>{escape(alert.device_id)}</b> {words} ({escape(label)})"
    if rule is not None and alert.value is not None and alert.closed_at is None:
        line += f", {quantity(alert.value, rule.unit)}"
    return f"{line}, {ago(alert.changed_at, now_ms)}"


def _number(text: str) -> float:
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise InvalidRule(f"{text[:32]!r} is not a number; write for example 75 or 4.7.")
    return float(found[1].replace(",", "."))
