"""A release tells its own section of the changelog, and is not made without one."""

from __future__ import annotations

import pytest

from fleetpulse import __version__
from scripts.release_notes import ROOT, NotReleasable, notes, version_of

CHANGELOG = """\
# Changelog

## [Unreleased]

- Soon.

## [0.2.0] - 2026-12-01

### Added

- A page.

## [0.1.0]

## 0.0.1 - 2026-01-01

- The first.

[0.2.0]: https://example.org/0.2.0
"""


def test_the_notes_are_the_section_of_the_version() -> None:
    assert notes("v0.2.0", "0.2.0", CHANGELOG) == "### Added\n\n- A page.\n"


def test_the_last_section_ends_before_the_links() -> None:
    assert notes("v0.0.1", "0.0.1", CHANGELOG) == "- The first.\n"


@pytest.mark.parametrize(
    ("tag", "version"),
    [
        ("v0.2.0", "0.1.0"),
        ("0.2.0", "0.2.0"),
        ("v0.3.0", "0.3.0"),
        ("v0.1.0", "0.1.0"),
        ("v0.2", "0.2"),
    ],
)
def test_a_tag_of_another_version_or_without_a_section_is_refused(tag: str, version: str) -> None:
    with pytest.raises(NotReleasable):
        notes(tag, version, CHANGELOG)


def test_the_version_is_read_where_fleetpulse_says_it() -> None:
    assert version_of((ROOT / "fleetpulse/__init__.py").read_text()) == __version__
