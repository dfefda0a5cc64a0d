"""The errors are one tree, and its drawing at the top of the module is true."""

from __future__ import annotations

import inspect
import re

import pytest

from fleetpulse import errors
from fleetpulse.errors import (
    DecodeError,
    FleetpulseError,
    NotifyError,
    StoreBusy,
    UnknownDevice,
    UnknownRule,
)

CLASSES = [
    found
    for _, found in inspect.getmembers(errors, inspect.isclass)
    if found.__module__ == errors.__name__
]
DRAWN = re.compile(r"^(?P<branch>[│├└─ ]*)(?P<name>[A-Z]\w+) *(?P<who_acts>.*)$", re.MULTILINE)


def test_there_is_one_root() -> None:
    assert all(issubclass(found, FleetpulseError) for found in CLASSES)


def test_the_drawing_shows_every_error_under_its_parent() -> None:
    drawn: dict[str, str] = {}
    above: dict[int, str] = {}
    for line in DRAWN.finditer((errors.__doc__ or "").split("\n\n")[1]):
        depth = len(line["branch"]) // 4
        above[depth] = line["name"]
        drawn[line["name"]] = above.get(depth - 1, "Exception")

    assert drawn == {found.__name__: found.__mro__[1].__name__ for found in CLASSES}


def test_every_error_that_is_raised_says_in_the_drawing_who_acts() -> None:
    told = {line["name"]: line["who_acts"] for line in DRAWN.finditer(errors.__doc__ or "")}

    silent = [found.__name__ for found in CLASSES if not told.get(found.__name__)]

    assert silent == ["FleetpulseError"]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (UnknownDevice("pi-9"), "There is no device called 'pi-9'."),
        (
            UnknownRule("cold", ("heat", "disk")),
            "There is no rule called 'cold'; the rules are heat, disk.",
        ),
        (DecodeError("not-json", "line 1"), "not-json: line 1"),
    ],
)
def test_an_error_says_what_is_wrong_in_a_sentence(error: FleetpulseError, sentence: str) -> None:
    assert str(error) == sentence


def test_a_busy_store_says_when_to_come_back_and_a_channel_whether_to() -> None:
    assert StoreBusy("busy", retry_after_s=2.5).retry_after_s == 2.5
    assert not NotifyError("away").permanent
    assert NotifyError("blocked", permanent=True).permanent
