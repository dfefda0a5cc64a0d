"""Selectors, ownership, and quiet hours by the clock on the wall."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpulse.alerts import Severity
from fleetpulse.errors import InvalidWish
from fleetpulse.people import (
    Group,
    Person,
    Preferences,
    QuietHours,
    Snooze,
    checked_quiet,
    is_matched,
    owner_of,
    owns,
    quiet_until,
    snoozed_until,
    wants,
)
from tests.contracts.builders import NOON, an_event

LAB = {"lab": Group(name="lab", devices=["pi-*", "pc-7"])}
HOUR_MS = 3_600_000
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",  # clocks are set by half an hour
    "Asia/Kathmandu",
    "Pacific/Apia",
    "America/Sao_Paulo",
]


@pytest.mark.parametrize(
    ("selector", "device_id", "is_it"),
    [
        ("pi-1", "pi-1", True),
        ("pi-1", "pi-10", False),
        ("pi-*", "pi-10", True),
        ("@lab", "pi-10", True),
        ("@lab", "pc-7", True),
        ("@lab", "pc-8", False),
        ("@nobody", "pi-1", False),
        ("kind:raspberry", "pc-8", True),
        ("kind:pc", "pc-8", False),
        ("rule:heat", "pc-8", True),
        ("rule:disk", "pc-8", False),
        ("*", "pc-8", True),
    ],
)
def test_a_selector_names_devices_groups_kinds_or_rules(
    selector: str, device_id: str, is_it: bool
) -> None:
    assert is_matched(selector, an_event(device_id=device_id), LAB) is is_it


def test_who_owns_nothing_by_name_owns_everything() -> None:
    assert owns(Person(name="Ada"), "pi-1", "raspberry", LAB)
    assert owns(Person(name="Ada", owns=["@lab"]), "pi-1", "raspberry", LAB)
    assert not owns(Person(name="Ada", owns=["@lab"]), "pc-8", "pc", LAB)


def test_a_chat_is_of_its_person_and_a_listed_one_of_an_owner_of_everything() -> None:
    ada = Person(name="Ada", owns=["pi-1"])

    assert owner_of(Preferences(person="Ada"), {"Ada": ada}) == ada
    assert owner_of(Preferences(person="Bob"), {"Ada": ada}) is None
    assert owner_of(Preferences(), {}) == Person(name="")


@pytest.mark.parametrize(
    ("only", "but_not", "is_wanted"),
    [
        ([], [], True),
        (["pi-1"], [], True),
        (["pc-1", "@lab"], [], True),
        (["pc-1"], [], False),
        (["rule:heat"], [], True),
        (["rule:disk"], [], False),
        (["pi-1", "rule:disk"], [], False),
        (["pi-1", "rule:disk", "rule:heat"], [], True),
        ([], ["pi-1"], False),
        ([], ["rule:heat"], False),
        (["pi-1"], ["rule:disk"], True),
    ],
)
def test_a_chat_wants_its_devices_and_its_rules_but_for_those_it_does_not(
    only: list[str], but_not: list[str], is_wanted: bool
) -> None:
    assert wants(Preferences(only=only, but_not=but_not), an_event(), LAB) is is_wanted


def test_a_chat_that_hears_nothing_wants_nothing() -> None:
    assert not wants(Preferences(hears=False), an_event(), LAB)


def moment(text: str, zone: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def night(zone: str = "Europe/Berlin", **fields: object) -> QuietHours:
    return QuietHours(**{"begins": 22 * 60, "ends": 7 * 60, "zone": zone, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-11-26T21:59:59", None),
        ("2026-11-26T22:00:00", "2026-11-27T07:00:00"),
        ("2026-11-27T06:59:59", "2026-11-27T07:00:00"),
        ("2026-11-27T07:00:00", None),
        # Clocks are set ahead on 29 March 2026 and back on 25 October, both in this night.
        ("2026-03-28T23:00:00", "2026-03-29T07:00:00"),
        ("2026-10-24T23:00:00", "2026-10-25T07:00:00"),
    ],
)
def test_quiet_hours_cross_midnight_and_changes_of_the_clock(now: str, until: str | None) -> None:
    told = quiet_until(night(), Severity.WARNING, moment(now, "Europe/Berlin"))

    assert told == (None if until is None else moment(until, "Europe/Berlin"))


def test_an_end_that_never_is_comes_when_clocks_are_set_ahead() -> None:
    quiet = QuietHours(begins=1320, ends=150, zone="Europe/Berlin")  # until 02:30
    at_midnight = datetime(2026, 3, 28, 23, 0, tzinfo=UTC).timestamp() * 1000
    ahead_at = datetime(2026, 3, 29, 1, 0, tzinfo=UTC).timestamp() * 1000  # 02:00 is 03:00

    assert quiet_until(quiet, Severity.WARNING, round(at_midnight)) == ahead_at


def test_an_hour_that_comes_twice_is_quiet_twice_until_its_own_end() -> None:
    quiet = QuietHours(begins=60, ends=150, zone="Europe/Berlin")  # 01:00 to 02:30
    first_end = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    second_end = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)

    def until(at: datetime) -> int | None:
        return quiet_until(quiet, Severity.WARNING, round(at.timestamp() * 1000))

    assert until(datetime(2026, 10, 25, 0, 10, tzinfo=UTC)) == first_end.timestamp() * 1000
    assert until(datetime(2026, 10, 25, 0, 40, tzinfo=UTC)) is None
    assert until(datetime(2026, 10, 25, 1, 10, tzinfo=UTC)) == second_end.timestamp() * 1000


@pytest.mark.parametrize(
    ("urgent", "told_at_night"),
    [
        (Severity.CRITICAL, [Severity.CRITICAL]),
        (Severity.WARNING, [Severity.WARNING, Severity.CRITICAL]),
        (None, []),
    ],
)
def test_what_is_urgent_is_told_all_the_same(
    urgent: Severity | None, told_at_night: list[Severity]
) -> None:
    quiet, now = night(urgent=urgent), moment("2026-11-27T03:00:00", "Europe/Berlin")

    assert [each for each in Severity if quiet_until(quiet, each, now) is None] == told_at_night


@given(
    st.integers(0, 24 * 60 - 1),
    st.integers(0, 24 * 60 - 1),
    st.sampled_from(ZONES),
    st.integers(1_700_000_000_000, 1_900_000_000_000),
)
def test_quiet_hours_end_within_a_day_and_are_over_then(
    begins: int, ends: int, zone: str, now: int
) -> None:
    if begins == ends:
        return
    quiet = QuietHours(begins=begins, ends=ends, zone=zone)

    until = quiet_until(quiet, Severity.INFO, now)

    if until is not None:
        assert now < until <= now + 26 * HOUR_MS
        assert quiet_until(quiet, Severity.INFO, until) is None


@pytest.mark.parametrize("zone", ["Europe/Nowhere", "", "../etc/passwd", "x" * 500])
def test_a_zone_that_is_none_is_refused(zone: str) -> None:
    with pytest.raises(InvalidWish, match="time zone"):
        checked_quiet(night(zone))


@pytest.mark.parametrize(("begins", "ends"), [(0, 0), (-1, 5), (0, 24 * 60)])
def test_hours_that_are_none_are_refused(begins: int, ends: int) -> None:
    with pytest.raises(InvalidWish):
        checked_quiet(night(begins=begins, ends=ends))


def test_a_snooze_lasts_until_its_end_and_the_longest_counts() -> None:
    snoozes = {
        "pi-1": Snooze(until=NOON + 10, said_by="Ada"),
        "@lab": Snooze(until=NOON + 20, said_by="Bob"),
        "pc-*": Snooze(until=NOON + 30, said_by="Ada"),
    }

    assert snoozed_until(an_event(), snoozes, LAB, NOON) == NOON + 20
    assert snoozed_until(an_event(), snoozes, {}, NOON) == NOON + 10
    assert snoozed_until(an_event(), snoozes, LAB, NOON + 20) is None
