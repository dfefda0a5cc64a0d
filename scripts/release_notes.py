"""What CHANGELOG.md says of a version, for the notes of its release.

usage: python -m scripts.release_notes TAG     (as v0.2.0; it has to be the version of fleetpulse)
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from scripts.changelog_section import sections

ROOT = Path(__file__).resolve().parent.parent


class NotReleasable(Exception):
    """This tag is not to be released, and why."""


def notes(tag: str, version: str, changelog: str) -> str:
    """The section of the tag's version, without its heading.

    Raises NotReleasable for a tag of another version than fleetpulse's, or without changes told.
    """
    if tag != f"v{version}":
        raise NotReleasable(f"The tag is {tag}, and the version {version}.")
    said = sections(changelog).get(version)
    if said is None:
        raise NotReleasable(f"CHANGELOG.md has no section {version}.")
    if not said:
        raise NotReleasable(f"CHANGELOG.md says nothing of {version}.")
    return said + "\n"


def version_of(source: str) -> str:
    """The version that fleetpulse/__init__.py says, read without importing it."""
    found = re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    if not found:
        raise NotReleasable("fleetpulse/__init__.py says no version.")
    return found[1]


def main() -> int:
    version_source = (ROOT / "fleetpulse/__init__.py").read_text()
    try:
        said = notes(sys.argv[1], version_of(version_source), (ROOT / "CHANGELOG.md").read_text())
    except NotReleasable as problem:
        print(problem, file=sys.stderr)
        return 1
    print(said, end="")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
