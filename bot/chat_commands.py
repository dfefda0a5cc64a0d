"""What a chat wants to hear, and when: functions from words to text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from fnmatch import fnmatchcase
from html import escape
from zoneinfo import available_timezones

from msgspec.structs import replace

from bot.asked import Asked
from bot.naming import UnknownName, group_called
from fleetpulse.alerts import RULE_NAMES, Severity
from fleetpulse.delivery.messages import Post
from fleetpulse.delivery.readers import release
from fleetpulse.delivery.words import duration
from fleetpulse.errors import InvalidWish, UnknownDevice
from fleetpulse.people import (
    GROUP,
    KIND,
    RULE,
    Groups,
    Preferences,
    QuietHours,
    checked_quiet,
    checked_selectors,
)
from fleetpulse.stores.protocols import Device

SHORTEST_REPEAT_S = 60
LONGEST_REPEAT_S = 7 * 24 * 3600
_CLOCK = r"(\d{1,2})(?::([0-5]\d))?"
_HOURS = re.compile(rf"{_CLOCK}\s*[-–]\s*{_CLOCK}(?!\S)", re.ASCII)
_WILD = re.compile(r"[*?\[]")
_REPEAT = re.compile(r"repeat=(?:(\d{1,5})(m|min|h)|off)", re.ASCII)
_UNIT_S = {"m": 60, "min": 60, "h": 3600}
_ALL = "all"
_REPEATED = "repeat="
_NOTHING = "nothing"


def preferences_of(asked: Asked) -> Preferences:
    """What this chat wants to hear."""
    return asked.people.preferences.get(asked.target) or Preferences()


def _keep(asked: Asked, wanted: Preferences) -> None:
    asked.people.preferences.put(asked.target, wanted)
    release(asked.store, asked.target, asked.now_ms)


def quiet(asked: Asked) -> Post:
    """When this chat wants to hear of nothing but what is urgent; without words: when that is."""
    before = preferences_of(asked)
    if not asked.words:
        return Post(_quiet_words(before.quiet))
    if [word.lower() for word in asked.words] == ["off"]:
        _keep(asked, replace(before, quiet=None))
        return Post("No quiet hours any more. What waited comes now.")
    wanted = checked_quiet(_quiet_of(asked.words, before.quiet))
    _keep(asked, replace(before, quiet=wanted))
    return Post(_quiet_words(wanted))


def _quiet_of(words: Iterable[str], before: QuietHours | None) -> QuietHours:
    """Hours, a time zone, and how severe something must be to be told all the same."""
    line = " ".join(words)
    found = _HOURS.match(line)
    if found is None:
        raise InvalidWish(f"{line[:32]!r} are no hours; write for example 22:00-07:00.")
    begins, ends = (int(found[at]) * 60 + int(found[at + 1] or 0) for at in (1, 3))
    zone = before.zone if before else "UTC"
    urgent = before.urgent if before else Severity.CRITICAL
    for word in line[found.end() :].split():
        if word.lower() in list(Severity):
            urgent = Severity(word.lower())
        elif word.lower() == _NOTHING:
            urgent = None
        else:
            zone = _zone(word)
    return QuietHours(begins=begins, ends=ends, zone=zone, urgent=urgent)


def _zone(word: str) -> str:
    known = available_timezones()
    if word in known:
        return word
    raise UnknownName(
        word,
        f"I know no time zone called {word[:64]}.",
        [*known, *Severity, _NOTHING],
        "They are called like Europe/Berlin.",
    )


def _quiet_words(quiet: QuietHours | None) -> str:
    if quiet is None:
        return (
            "There are no quiet hours here. Write for example: /quiet 22:00-07:00 Europe/Berlin"
            " - then only what is critical is told at night, and the rest in the morning. Add"
            " <i>warning</i> or <i>nothing</i> to be told more, or nothing at all."
        )
    told = "nothing is" if quiet.urgent is None else f"only what is {quiet.urgent} is"
    if quiet.urgent is Severity.WARNING:
        told = "only warnings and what is critical are"
    return (
        f"🌙 From {_clock(quiet.begins)} to {_clock(quiet.ends)} ({escape(quiet.zone)}) {told} told"
        " here; the rest comes after, in one message. /quiet off ends it."
    )


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def subscribe(asked: Asked) -> Post:
    """What this chat wants to hear of; each word adds something, without words: what that is."""
    before = preferences_of(asked)
    if not asked.words:
        return Post(_told_words(before, asked.groups))
    after = replace(before, hears=True)
    for word in asked.words:
        after = _with(asked, after, word)
    _keep(asked, after)
    told = _told_words(after, asked.groups)
    if after.only and before.hears and not before.only:
        only = f"Only of {_names(after.only, asked.groups)} from now on; /subscribe all for"
        told = f"{only} everything.\n{told}"
    return Post(told)


def unsubscribe(asked: Asked) -> Post:
    """What this chat does not want to hear of; without words: of nothing any more."""
    before = preferences_of(asked)
    after = before if asked.words else replace(before, hears=False)
    for word in asked.words:
        after = _without(asked, after, word)
    _keep(asked, after)
    return Post(_told_words(after, asked.groups))


def _with(asked: Asked, before: Preferences, word: str) -> Preferences:
    if word.lower() == _ALL:
        return replace(before, only=[], but_not=[], severity=Severity.INFO)
    if word.lower() in list(Severity):
        return replace(before, severity=Severity(word.lower()))
    if word.lower().startswith(_REPEATED):
        return replace(before, repeat_s=_repeat_s(word.lower()))
    selector = _selector(asked, word)
    but_not = [each for each in before.but_not if each != selector]
    if selector in before.but_not and not before.only:
        return replace(before, but_not=but_not)  # it was the only thing that was not told
    only = [*before.only, *([] if selector in before.only else [selector])]
    return replace(before, only=only, but_not=but_not)


def _without(asked: Asked, before: Preferences, word: str) -> Preferences:
    if word.lower() == _ALL:
        return replace(before, hears=False)
    if word.lower() in list(Severity):
        raise InvalidWish(
            "A severity is where alerts begin: /subscribe critical for nothing less than that,"
            " /subscribe info for all of them."
        )
    if word.lower().startswith(_REPEATED):
        raise InvalidWish("Write /subscribe repeat=off, and what lasts is not told again.")
    # What was subscribed to may be no more, and is taken back all the same.
    selector = word if word in before.only else _selector(asked, word)
    if selector in before.only:
        only = [each for each in before.only if each != selector]
        if only:
            return replace(before, only=only)
        return replace(before, only=[], hears=False)  # nothing else was wanted
    if selector in before.but_not:
        return before
    return replace(before, but_not=[*before.but_not, selector])


def _selector(asked: Asked, word: str) -> str:
    """What the word names. Raises UnknownName or InvalidWish."""
    if word.startswith(GROUP):
        return group_called(asked, word)
    with suppress(UnknownDevice):
        return asked.device(word).device_id
    devices = list(asked.devices())
    known = {name: f"{RULE}{name}" for name in RULE_NAMES}
    known |= {device.kind: f"{KIND}{device.kind}" for device in devices}
    typed = word.lower()
    if typed in known.values():
        return typed
    if typed in known:
        return known[typed]
    if _WILD.search(word):
        return _pattern(word, devices)
    meant = known.values() if ":" in word else [*known, *Severity, _ALL, *asked.groups_seen()]
    raise UnknownName(
        word,
        f"I know nothing called {word[:64]}.",
        [*(device.device_id for device in devices), *meant],
        "Write a device, a @group, a kind, a rule, or a pattern such as lab-*;"
        " /devices lists the devices.",
    )


def _pattern(word: str, devices: Iterable[Device]) -> str:
    (pattern,) = checked_selectors([word], {})
    if not any(fnmatchcase(device.device_id, pattern) for device in devices):
        raise InvalidWish(f"None of your devices is called like {pattern}; /devices lists them.")
    return pattern


def _repeat_s(word: str) -> int:
    found = _REPEAT.fullmatch(word)
    if found is None:
        raise InvalidWish("Write repeat=30m or repeat=4h, or repeat=off.")
    if found[1] is None:
        return 0
    repeat_s = int(found[1]) * _UNIT_S[found[2]]
    if not SHORTEST_REPEAT_S <= repeat_s <= LONGEST_REPEAT_S:
        raise InvalidWish("What lasts can be told again after 1 minute at the soonest, or 7 days.")
    return repeat_s


def _told_words(preferences: Preferences, groups: Groups) -> str:
    if not preferences.hears:
        return "🔕 This chat is told of no alerts. You may still ask; /subscribe all turns them on."
    what = "all your devices" if not preferences.only else _names(preferences.only, groups)
    lines = [f"🔔 This chat is told of {what}."]
    if preferences.but_not:
        lines.append(f"But not of {_names(preferences.but_not, groups)}.")
    if preferences.severity is not Severity.INFO:
        worse = " or worse" if preferences.severity is Severity.WARNING else ""
        lines.append(f"Only what is {preferences.severity}{worse}.")
    if preferences.repeat_s:
        every = duration(preferences.repeat_s)
        lines.append(f"What lasts is told again every {every} until somebody acknowledges it.")
    else:
        lines.append("What lasts is not told again.")
    if preferences.quiet is not None:
        lines.append(_quiet_words(preferences.quiet))
    lines.append(
        "Change it with /subscribe or /unsubscribe and a device, a @group, a kind, a rule,"
        " a severity, or repeat=1h."
    )
    return "\n".join(lines)


def _names(selectors: Iterable[str], groups: Groups) -> str:
    return ", ".join(_name(selector, groups) for selector in selectors)


def _name(selector: str, groups: Groups) -> str:
    name = f"<b>{escape(selector.removeprefix(KIND).removeprefix(RULE))}</b>"
    is_gone = selector.startswith(GROUP) and selector.removeprefix(GROUP) not in groups
    return f"{name} (no such group)" if is_gone else name
