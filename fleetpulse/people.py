"""Whose devices are, and what each chat wants to hear: values and pure functions.

A **selector** names devices or rules: `pi-attic`, a pattern such as `lab-*`, a group (`@lab`), a
kind (`kind:raspberry`), or a rule (`rule:heat`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, time, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from fleetpulse.alerts import Severity
from fleetpulse.errors import GroupInUse, InvalidWish
from fleetpulse.stores.documents import DocumentStore, Kept

GROUP, KIND, RULE = "@", "kind:", "rule:"
DAY = timedelta(days=1)
MINUTE_MS = 60_000
SEVERITY_ORDER: tuple[Severity, ...] = (Severity.INFO, Severity.WARNING, Severity.CRITICAL)
_GROUP_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)
_PATTERN = re.compile(r"[A-Za-z0-9._*?\[\]!-]{1,64}", re.ASCII)
USERS_SHOWN = 5  # of a group, in a sentence
DEFAULT_REPEAT_S = 4 * 3600  # as often as Alertmanager does by default


class Role(StrEnum):
    """What a person may do."""

    OWNER = "owner"  # ask, and change what others see: limits, acknowledgements, snoozes
    VIEWER = "viewer"  # ask, and choose what the own chat hears


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who has chats."""

    name: str
    role: Role = Role.OWNER
    owns: list[str] = []  # selectors; none: every device


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Devices under one name."""

    name: str
    devices: list[str]  # names and patterns


class QuietHours(msgspec.Struct, frozen=True, kw_only=True):
    """When a chat wants to hear of nothing but what is urgent, by the clock on its wall."""

    begins: int  # minute of the day
    ends: int  # another one; before `begins`: on the next day
    zone: str  # an IANA name
    urgent: Severity | None = Severity.CRITICAL  # told all the same from here on; None: nothing is


class Preferences(msgspec.Struct, frozen=True, kw_only=True):
    """What one chat wants to hear, and whose it is."""

    person: str = ""  # the name; empty: an owner of everything, listed in the settings
    hears: bool = True  # of alerts; a chat that does not may still ask
    only: list[str] = []  # selectors; none: whatever the person owns
    but_not: list[str] = []  # selectors
    severity: Severity = Severity.INFO  # and above
    quiet: QuietHours | None = None
    repeat_s: int = DEFAULT_REPEAT_S  # until acknowledged; 0: never


class Snooze(msgspec.Struct, frozen=True, kw_only=True):
    """A silence about some devices, for everybody."""

    until: int  # Unix ms
    said_by: str  # in words


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """What a pairing code is good for."""

    person: str
    expires_at: int  # Unix ms


class Subject(Protocol):
    """What an alert is about."""

    @property
    def device_id(self) -> str: ...

    @property
    def kind(self) -> str: ...

    @property
    def rule(self) -> str: ...


Groups = Mapping[str, Group]


class People:
    """The collections of a store that are about people."""

    def __init__(self, documents: DocumentStore) -> None:
        self.people = Kept(documents, "people", Person)  # by name
        self.groups = Kept(documents, "groups", Group)  # by name
        self.preferences = Kept(documents, "preferences", Preferences)  # by target
        self.snoozes = Kept(documents, "snoozes", Snooze)  # by selector
        self.codes = Kept(documents, "codes", Code)  # by the hash of the code


def owner_of(preferences: Preferences, people: Mapping[str, Person]) -> Person | None:
    """Whose chat this is; None: of somebody who is no more."""
    if not preferences.person:
        return Person(name="")
    return people.get(preferences.person)


def is_matched(selector: str, subject: Subject, groups: Groups) -> bool:
    """Whether a selector names what this alert is about."""
    if selector.startswith(RULE):
        return subject.rule == selector.removeprefix(RULE)
    return is_named(selector, subject.device_id, subject.kind, groups)


def is_named(selector: str, device_id: str, kind: str, groups: Groups) -> bool:
    """Whether a selector names this device."""
    if selector.startswith(GROUP):
        group = groups.get(selector.removeprefix(GROUP))
        return group is not None and any(fnmatchcase(device_id, each) for each in group.devices)
    if selector.startswith(KIND):
        return kind == selector.removeprefix(KIND)
    return fnmatchcase(device_id, selector)


def owns(person: Person, device_id: str, kind: str, groups: Groups) -> bool:
    """Whether a device is this person's."""
    return not person.owns or any(
        is_named(selector, device_id, kind, groups) for selector in person.owns
    )


def wants(preferences: Preferences, subject: Subject, groups: Groups) -> bool:
    """Whether a chat wants to hear of this at all: of its devices, and of its rules."""
    is_excluded = any(is_matched(selector, subject, groups) for selector in preferences.but_not)
    if is_excluded or not preferences.hears:
        return False
    rules = [each for each in preferences.only if each.startswith(RULE)]
    devices = [each for each in preferences.only if not each.startswith(RULE)]
    return all(
        not selectors or any(is_matched(selector, subject, groups) for selector in selectors)
        for selectors in (rules, devices)
    )


def is_at_least(severity: Severity, least: Severity) -> bool:
    """Whether a severity is that, or worse."""
    return SEVERITY_ORDER.index(severity) >= SEVERITY_ORDER.index(least)


def quiet_until(quiet: QuietHours, severity: Severity, now_ms: int) -> int | None:
    """When what has this severity may be told, Unix ms; None: now."""
    is_urgent = quiet.urgent is not None and is_at_least(severity, quiet.urgent)
    if is_urgent or not _is_quiet(quiet, now_ms):
        return None
    now = _on_the_wall(quiet, now_ms)
    ends_today = now.hour * 60 + now.minute < quiet.ends
    day = now.date() if ends_today else now.date() + DAY
    end = datetime.combine(day, time(quiet.ends // 60, quiet.ends % 60), now.tzinfo)
    # When clocks are set back an hour comes twice: the end that is still ahead.
    ends = (round(end.replace(fold=fold).timestamp() * 1000) for fold in (0, 1))
    end_ms = next((each for each in ends if each > now_ms), None)
    # When they are set ahead the end may be a time that never is: the first one that is no longer
    # quiet.
    while end_ms is not None and end_ms > now_ms and not _is_quiet(quiet, end_ms - MINUTE_MS):
        end_ms -= MINUTE_MS
    return end_ms


def _is_quiet(quiet: QuietHours, at_ms: int) -> bool:
    at = _on_the_wall(quiet, at_ms)
    minute = at.hour * 60 + at.minute
    if quiet.begins < quiet.ends:
        return quiet.begins <= minute < quiet.ends
    return minute >= quiet.begins or minute < quiet.ends


def _on_the_wall(quiet: QuietHours, at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, ZoneInfo(quiet.zone))


def checked_quiet(quiet: QuietHours) -> QuietHours:
    """The same, if it can be. Raises InvalidWish."""
    if not (0 <= quiet.begins < 24 * 60 and 0 <= quiet.ends < 24 * 60):
        raise InvalidWish("Quiet hours are between 00:00 and 23:59.")
    if quiet.begins == quiet.ends:
        raise InvalidWish("Quiet hours must begin and end at different times.")
    try:
        ZoneInfo(quiet.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidWish(
            f"I know no time zone called {quiet.zone[:64]!r}; they are called like Europe/Berlin."
        ) from None
    return quiet


def checked_group(name: str, devices: Sequence[str]) -> Group:
    """A group with a name that can be written in a chat. Raises InvalidWish."""
    if not _GROUP_NAME.fullmatch(name):
        raise InvalidWish(
            "A group's name has 1 to 32 of a-z, 0-9 and -, and does not begin with a -."
        )
    if not devices:
        raise InvalidWish("A group needs a device: a name, or a pattern such as lab-*.")
    for each in devices:
        _check_pattern(each)
    return Group(name=name, devices=list(devices))


def remove_group(people: People, name: str) -> Group | None:
    """Forget a group; its devices stay. None: there is none. Raises GroupInUse, StoreError.

    Whoever is told of it alone would be told of nothing, or be shown nothing, without a word.
    """
    used_by = users_of_group(name, people.people.all(), people.preferences.all())
    if used_by and people.groups.get(name) is not None:
        shown = ", ".join(used_by[:USERS_SHOWN])
        more = f" and {len(used_by) - USERS_SHOWN} more" if len(used_by) > USERS_SHOWN else ""
        raise GroupInUse(
            f"{GROUP}{name} is not removed: it is used by {shown}{more}. Take it from them first."
        )
    return people.groups.take(name)


def users_of_group(
    name: str, people: Mapping[str, Person], preferences: Mapping[str, Preferences]
) -> list[str]:
    """Whose device group this is, then which chats have chosen what they hear by it."""
    selector = f"{GROUP}{name}"
    owners = [each for each, person in people.items() if selector in person.owns]
    chats = [
        f"the chat {target}"
        for target, wanted in preferences.items()
        if selector in wanted.only or selector in wanted.but_not
    ]
    return owners + chats


def checked_selectors(selectors: Sequence[str], groups: Groups) -> list[str]:
    """The same, if each can name devices. Raises InvalidWish."""
    for selector in selectors:
        if selector.startswith(GROUP):
            _check_known(selector, groups)
        else:
            _check_pattern(selector.removeprefix(KIND))
    return list(selectors)


def _check_known(selector: str, groups: Groups) -> None:
    if selector.removeprefix(GROUP) not in groups:
        known = ", ".join(f"{GROUP}{name}" for name in groups) or "none yet"
        raise InvalidWish(f"I know no group called {selector[:64]}; there are {known}.")


def _check_pattern(pattern: str) -> None:
    if not _PATTERN.fullmatch(pattern):
        raise InvalidWish(
            f"{pattern[:64]!r} names no devices: write a name of 1 to 64 of A-Z a-z 0-9 . _ -,"
            " or a pattern such as lab-*."
        )


def snoozed_until(
    subject: Subject, snoozes: Mapping[str, Snooze], groups: Groups, now_ms: int
) -> int | None:
    """When the last snooze that is about this ends; None: there is none now."""
    ends: Collection[int] = [
        snooze.until
        for selector, snooze in snoozes.items()
        if snooze.until > now_ms and is_matched(selector, subject, groups)
    ]
    return max(ends, default=None)
