"""What a chat wants to hear, and when: functions from words to text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
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
from fleetpulse.people import GROUP, KIND, RULE, Preferences, QuietHours, checked_quiet

SHORTEST_REPEAT_S = 60
LONGEST_REPEAT_S = 7 * 24 * 3600
_HOURS = re.compile(r"(\d{1,2})(?::([0-5]\d))?-(\d{1,2})(?::([0-5]\d))?", re.ASCII)
_REPEAT = re.compile(r"repeat=(?:(\d{1,5})(m|min|h)|off)", re.ASCII)
_UNIT_S = {"m": 60, "min": 60, "h": 3600}
_ALL = "all"
_NOTHING = "nothing"


def preferences_of(asked: Asked) -> Preferences:
    """What this chat wants to hear."""
    return asked.people.preferences.get(asked.target) or Preferences()


def quiet(asked: Asked) -> Post:
    """When this chat wants to hear of nothing but what is urgent; without words: when that is."""
    before = preferences_of(asked)
    if not asked.words:
        return Post(_quiet_words(before.quiet))
    if [word.lower() for word in asked.words] == ["off"]:
        asked.people.preferences.put(asked.target, replace(before, quiet=None))
        release(asked.store, asked.target, asked.now_ms)
        return Post("No quiet hours any more. What waited comes now.")
    wanted = checked_quiet(_quiet_of(asked.words, before.quiet))
    asked.people.preferences.put(asked.target, replace(before, quiet=wanted))
    return Post(_quiet_words(wanted))


def _quiet_of(words: Iterable[str], before: QuietHours | None) -> QuietHours:
    """Hours, a time zone, and how severe something must be to be told all the same."""
    hours, *rest = words
    found = _HOURS.fullmatch(hours)
    if found is None:
        raise InvalidWish(f"{hours[:32]!r} are no hours; write for example 22:00-07:00.")
    begins, ends = (int(found[at]) * 60 + int(found[at + 1] or 0) for at in (1, 3))
    zone = before.zone if before else "UTC"
    urgent = before.urgent if before else Severity.CRITICAL
    for word in rest:
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
        return Post(_told_words(before))
    after = replace(before, hears=True)
    for word in asked.words:
        after = _with(asked, after, word)
    asked.people.preferences.put(asked.target, after)
    return Post(_told_words(after))


def unsubscribe(asked: Asked) -> Post:
    """What this chat does not want to hear of; without words: of nothing any more."""
    before = preferences_of(asked)
    after = before if asked.words else replace(before, hears=False)
    for word in asked.words:
        after = _without(asked, after, word)
    asked.people.preferences.put(asked.target, after)
    return Post(_told_words(after))


def _with(asked: Asked, before: Preferences, word: str) -> Preferences:
    if word.lower() == _ALL:
        return replace(before, only=[], but_not=[], severity=Severity.INFO)
    if word.lower() in list(Severity):
        return replace(before, severity=Severity(word.lower()))
    if word.lower().startswith("repeat"):
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
    selector = _selector(asked, word)
    if selector in before.only:
        only = [each for each in before.only if each != selector]
        if only:
            return replace(before, only=only)
        return replace(before, only=[], hears=False)  # nothing else was wanted
    return replace(before, but_not=[*before.but_not, selector])


def _selector(asked: Asked, word: str) -> str:
    """What the word names. Raises UnknownName."""
    if word.startswith(GROUP):
        return group_called(asked, word)
    with suppress(UnknownDevice):
        return asked.device(word).device_id
    name, kinds = word.lower(), {device.kind for device in asked.devices()}
    if name in RULE_NAMES:
        return f"{RULE}{name}"
    if name in kinds:
        return f"{KIND}{name}"
    raise UnknownName(
        word,
        f"I know nothing called {word[:64]}.",
        [*(device.device_id for device in asked.devices()), *asked.groups_seen(), *RULE_NAMES]
        + [*kinds, *Severity, _ALL],
        "Write a device, a @group, a kind, or a rule; /devices lists the devices.",
    )


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


def _told_words(preferences: Preferences) -> str:
    if not preferences.hears:
        return "🔕 This chat is told of no alerts. You may still ask; /subscribe all turns them on."
    what = "all your devices" if not preferences.only else _names(preferences.only)
    lines = [f"🔔 This chat is told of {what}."]
    if preferences.but_not:
        lines.append(f"But not of {_names(preferences.but_not)}.")
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


def _names(selectors: Iterable[str]) -> str:
    return ", ".join(
        f"<b>{escape(each.removeprefix(KIND).removeprefix(RULE))}</b>" for each in selectors
    )
