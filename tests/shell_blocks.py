"""The shell blocks of our pages, and the commands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from tests.source import ROOT

PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    *sorted(str(page.relative_to(ROOT)) for page in ROOT.glob("docs/**/*.md")),
    *sorted(
        str(page.relative_to(ROOT))
        for folder in ("api", "bot", "consumer", "fleetpulse", "generators", "iac", "model")
        for page in ROOT.glob(f"{folder}/**/README.md")
    ),
)
SHELLS = ("", "sh", "bash", "console", "shell")  # a fence that does not say is taken for one

_FENCE = re.compile(
    r"(?P<before>[^\n]*)\n(?P<indent>[ ]*)```(?P<language>\w*)\n(?P<text>.*?)\n[ ]*```", re.DOTALL
)
_MARK = re.compile(r"\s*<!-- (needs|run by|run): (.+) -->\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block of shell, and what the comment above it says of it."""

    page: str  # path in the repository
    line: int
    text: str
    mark: str | None = None  # needs, run by, run
    said: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks() -> Iterator[Block]:
    """Every shell block of our pages."""
    for page in PAGES:
        yield from blocks_of(page, (ROOT / page).read_text())


def blocks_of(page: str, markdown: str) -> Iterator[Block]:
    """Every shell block of a page."""
    for found in _FENCE.finditer("\n" + markdown):
        if found["language"] in SHELLS:
            mark = _MARK.fullmatch(found["before"])
            indent = len(found["indent"])
            yield Block(
                page=page,
                line=markdown.count("\n", 0, found.start("text") - 1),
                text="\n".join(line[indent:] for line in found["text"].split("\n")),
                mark=mark[1] if mark else None,
                said=mark[2] if mark else "",
            )


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command, in order; what is substituted stays as it is written."""
    for line in _whole_lines(text):
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in lexer:
            if set(word) <= set(";&|"):
                if words:
                    yield words
                words = []
            else:
                words.append(word)
        if words:
            yield words


def _whole_lines(text: str) -> Iterator[str]:
    """Lines with those that they go on with: after a backslash, or in quotes."""
    waiting = ""
    for line in text.split("\n"):
        waiting = f"{waiting}\n{line}" if waiting else line
        if waiting.endswith("\\"):
            waiting = waiting[:-1].rstrip() + " "
            continue
        try:
            shlex.split(waiting, comments=True)
        except ValueError:
            continue
        yield waiting
        waiting = ""
    if waiting:
        raise ValueError(f"not the end of a command: {waiting}")
