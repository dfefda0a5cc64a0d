"""What people may ask and change of devices: functions from words to text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape

import msgspec

from bot.asked import Asked, WrongWords
from bot.history_charts import SPANS, chart_of_device
from bot.naming import UnknownName
from fleetpulse.alerts import (
    STATUS_ORDER,
    RuleChange,
    Status,
    checked_change,
    rule_named,
    rules_for,
)
from fleetpulse.delivery import notices, trends
from fleetpulse.delivery.messages import Button, Post, status_buttons
from fleetpulse.delivery.words import about, ago, number_of, past_limit, percent, quantity
from fleetpulse.errors import InvalidRule, UnknownDevice
from fleetpulse.notices import OURSELVES
from fleetpulse.presence import is_ahead, is_fresh
from fleetpulse.stores.protocols import Device, Store, StoredReading
from fleetpulse.telemetry import CHANNEL, CHANNELS, Channel, Unit

CLOCK_TROUBLE_MS = 10 * 60_000  # a refused record is worth a line for so long
DEVICES_SHOWN = 25
BUTTONS_SHOWN = 8
SIGNS = {Status.OK: "🟢", Status.UNKNOWN: "❔", Status.SOON: "⚠️", Status.STRESSED: "🔴"}
IS = {
    Status.OK: "is ok",
    Status.UNKNOWN: "is unknown",
    Status.SOON: "will soon be stressed",
    Status.STRESSED: "is stressed",
}
_SWITCH = {"on": True, "off": False}
_AT_A_GLANCE = {"temperature_c": "{}", "power_w": "{}", "load_pct": "load {}"}
_NUMBER = re.compile(r"([+-]?\d+(?:[.,]\d+)?)\s*(?:°|°?C|%|V|s)?", re.IGNORECASE | re.ASCII)


def devices(asked: Asked) -> Post:
    """The fleet, worst first, a device a line."""
    if asked.words:
        raise WrongWords
    known = list(asked.devices())
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
        if not asked.sees(OURSELVES, OURSELVES):
            raise UnknownDevice(OURSELVES)
        return Post("\n".join(notices.status_lines(asked.store, asked.now_ms)))
    device = asked.device(asked.words[0])
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
    if not 1 <= len(asked.words) <= 4:
        raise WrongWords
    device = asked.device(asked.words[0])
    more = [word.lower() for word in asked.words[1:]]
    spans = [word for word in more if word in SPANS]
    name_of_channel = " ".join(word for word in more if word not in SPANS)
    if len(spans) > 1:
        raise WrongWords
    span = SPANS[spans[0] if spans else "1h"]
    channel = (
        _channel(name_of_channel) if name_of_channel else _telling_channel(asked.store, device)
    )
    picture = chart_of_device(asked.store, device, channel, span, asked.now_ms)
    name = escape(device.device_id)
    others = tuple(
        Button(each, f"/chart {device.device_id} {channel.name} {each}")
        for each in SPANS
        if each != span.name
    )
    if picture is None:
        return Post(f"<b>{name}</b> has not measured {channel.label} in {span.words}.", others)
    return Post(f"<b>{name}</b>: {channel.label} of {span.words}.", others, picture)


def limit(asked: Asked) -> Post:
    """A device's limit, changed; says what it was."""
    store, words = asked.store, asked.words
    if len(words) < 3:
        raise WrongWords
    device = asked.device(words[0])
    changes = store.rules.of(device.device_id)
    rule = rule_named(words[1].lower(), device.kind, changes)
    switch = _SWITCH.get(words[2].lower()) if len(words) == 3 else None
    value = rule.limit if switch is not None else _number(" ".join(words[2:]))
    before = {change.rule: change for change in changes}.get(
        rule.name, RuleChange(device_id=device.device_id, rule=rule.name)
    )
    name = escape(device.device_id)
    if switch is not None:
        change = msgspec.structs.replace(before, enabled=switch, changed_at=asked.now_ms)
        store.rules.put(change)
        state = "watched" if switch else "no longer watched"
        return Post(f"{rule.name} ({rule.label}) is {state} on <b>{name}</b>.")
    change = msgspec.structs.replace(before, limit=value, changed_at=asked.now_ms)
    store.rules.put(checked_change(change, device.kind))
    return Post(
        f"The limit of {rule.name} ({rule.label}) on <b>{name}</b> is now"
        f" {_limit_words(value, rule.unit)}; it was {_limit_words(rule.limit, rule.unit)}."
    )


def _number(text: str) -> float:
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise InvalidRule(f"{text[:32]!r} is not a number; write for example 75 or 4.7.")
    return float(found[1].replace(",", "."))


def _channel(name: str) -> Channel:
    """The channel by its name, or by its label. Raises UnknownName."""
    for channel in CHANNELS:
        if name in (channel.name, channel.name.partition("_")[0], channel.label):
            return channel
    known = [channel.label for channel in CHANNELS]
    raise UnknownName(
        name, f"I know no channel called {name[:32]}.", known, f"There are {', '.join(known)}."
    )


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
