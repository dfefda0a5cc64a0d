"""The version is said once, and the changelog can be read by a release."""

from __future__ import annotations

from pathlib import Path

import pytest

import fleetpulse
from scripts import changelog_section
from scripts.changelog_section import main, sections

CHANGELOG = """\
# Changelog

## [Unreleased]

### Added

- Wings.

## [1.1.0] - 2027-01-02

### Fixed

- A wheel; see [the picture](x.png).

## [1.0.0] - 2027-01-01

- Everything.

[Unreleased]: https://example.org/compare
[1.1.0]: https://example.org/1.1.0
"""


@pytest.fixture
def changelog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    monkeypatch.setattr(changelog_section, "CHANGELOG", tmp_path / "CHANGELOG.md")


@pytest.mark.usefixtures("changelog")
@pytest.mark.parametrize("version", ["1.1.0", "v1.1.0"])
def test_a_release_says_what_is_new_in_it_and_nothing_else(
    version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([version]) == 0

    assert capsys.readouterr().out == "### Fixed\n\n- A wheel; see [the picture](x.png).\n"


@pytest.mark.usefixtures("changelog")
def test_the_last_section_ends_before_the_links(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["1.0.0"]) == 0

    assert capsys.readouterr().out == "- Everything.\n"


@pytest.mark.usefixtures("changelog")
@pytest.mark.parametrize(("words", "code"), [(["9.9.9"], 1), (["1.1"], 1), ([], 2)])
def test_a_version_of_which_nothing_is_said_is_no_release(words: list[str], code: int) -> None:
    assert main(words) == code


def test_the_newest_release_in_the_changelog_is_this_version() -> None:
    """Until the first release there is nothing but Unreleased."""
    headings = list(sections(changelog_section.CHANGELOG.read_text(encoding="utf-8")))

    assert headings[0] == "Unreleased"
    assert headings[1:2] in ([], [fleetpulse.__version__])
