"""Print what CHANGELOG.md says of one version: the notes of a release.

usage: python -m scripts.changelog_section VERSION   (or: Unreleased)
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

CHANGELOG = Path(__file__).resolve().parent.parent / "CHANGELOG.md"
_HEADING = re.compile(r"^## \[?([^\]\s]+)\]?.*$", re.MULTILINE)


def sections(changelog: str) -> dict[str, str]:
    """Version -> what is said of it, without its heading and the links at the end."""
    found = list(_HEADING.finditer(changelog))
    ends = [heading.start() for heading in found[1:]] + [len(changelog)]
    return {
        heading[1]: re.sub(
            r"^\[[^\]]+\]: .*\n?", "", changelog[heading.end() : end], flags=re.MULTILINE
        ).strip()
        for heading, end in zip(found, ends, strict=True)
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Print the section; the exit code is 1 for a version of which nothing is said."""
    words = list(sys.argv[1:] if argv is None else argv)
    if len(words) != 1:
        sys.stderr.write("usage: python -m scripts.changelog_section VERSION\n")
        return 2
    said = sections(CHANGELOG.read_text(encoding="utf-8")).get(words[0].removeprefix("v"))
    if not said:
        sys.stderr.write(f"CHANGELOG.md says nothing of version {words[0]}.\n")
        return 1
    print(said)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
