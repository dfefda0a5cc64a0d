"""Telegram's MarkdownV2 style: markup -> text and entities.

https://core.telegram.org/bots/api#markdownv2-style
"""

from __future__ import annotations

import re

from bot.simulator.formatting import Builder, Formatted, byte_offset, link_fault
from bot.simulator.refusal import BadRequest

# The longer marker first: "__" is always an underline, never two italics.
_PAIRS = {
    "__": ("underline", "Underline"),
    "||": ("spoiler", "Spoiler"),
    "_": ("italic", "Italic"),
    "*": ("bold", "Bold"),
    "~": ("strikethrough", "Strikethrough"),
}
_PLAIN = re.compile(r"[^\\_*\[\]()~`>#+\-=|{}.!\n]+")
_PRE = re.compile(r"```(?:([^\s`]+)\n|\n)?((?:\\.|[^`\\]|`(?!``))*)```", re.DOTALL)
_CODE = re.compile(r"`((?:\\.|[^`\\])*)`", re.DOTALL)
_ADDRESS = re.compile(r"\]\(((?:\\.|[^)\\])*)\)", re.DOTALL)
_ESCAPE = re.compile(r"\\([\x01-\x7e])", re.DOTALL)


def parse_markdown(markup: str) -> Formatted:
    """The text and entities of a message in MarkdownV2 style. Raises BadRequest."""
    builder = Builder()
    at = 0
    while at < len(markup):
        at = _step(builder, markup, at)
    _close_quote(builder)
    if builder.open:
        mark = builder.open[-1]
        raise _no_end(_name_of(mark.tag), markup, mark.source_at)
    return builder.formatted()


def _step(builder: Builder, markup: str, at: int) -> int:
    """Read the piece that begins at `at`; returns where the next one begins."""
    if plain := _PLAIN.match(markup, at):
        builder.add(plain.group())
        return plain.end()
    character = markup[at]
    if character == "\\":
        return _escaped(builder, markup, at)
    if character == "\n":
        return _line_end(builder, markup, at)
    if character == "`":
        return _code(builder, markup, at)
    if character == ">" and (at == 0 or markup[at - 1] == "\n"):
        return _quote(builder, at)
    if character in "[]":
        return _link(builder, markup, at)
    return _pair(builder, markup, at)


def _escaped(builder: Builder, markup: str, at: int) -> int:
    escape = _ESCAPE.match(markup, at)
    builder.add(escape.group(1) if escape else "\\")
    return escape.end() if escape else at + 1


def _line_end(builder: Builder, markup: str, at: int) -> int:
    if not markup.startswith(">", at + 1):
        _close_quote(builder)
    builder.add("\n")
    return at + 1


def _quote(builder: Builder, at: int) -> int:
    if not any(mark.tag == ">" for mark in builder.open):
        builder.begin(">", "blockquote", at)
    return at + 1


def _close_quote(builder: Builder) -> None:
    if builder.open and builder.open[-1].tag == ">":
        builder.end()


def _code(builder: Builder, markup: str, at: int) -> int:
    is_pre = markup.startswith("```", at)
    found = (_PRE if is_pre else _CODE).match(markup, at)
    if found is None:
        raise _no_end("Pre" if is_pre else "Code", markup, at)
    mark = builder.begin("`", "pre" if is_pre else "code", at)
    mark.language = found.group(1) if is_pre else None
    builder.add(_ESCAPE.sub(r"\1", found.group(2 if is_pre else 1)))
    builder.end()
    return found.end()


def _link(builder: Builder, markup: str, at: int) -> int:
    if markup[at] == "[":
        builder.begin("[", "text_link", at)
        return at + 1
    if not builder.open or builder.open[-1].tag != "[":
        raise _reserved("]")
    mark = builder.open[-1]
    address = _ADDRESS.match(markup, at)
    written = _ESCAPE.sub(r"\1", address.group(1)) if address else ""
    mark.url = written or builder.text_since(mark)
    if link_fault(mark.url):  # Telegram shows the text alone
        mark.type = ""
    builder.end()
    return address.end() if address else at + 1


def _pair(builder: Builder, markup: str, at: int) -> int:
    """A marker that begins an entity, or ends the one it began."""
    marker = next((pair for pair in _PAIRS if markup.startswith(pair, at)), None)
    if marker is None:
        raise _reserved(markup[at])
    innermost = builder.open[-1].tag if builder.open else ""
    if innermost == marker:
        builder.end()
    elif any(mark.tag == marker for mark in builder.open):
        raise _no_end(_name_of(innermost), markup, builder.open[-1].source_at)
    else:
        builder.begin(marker, _PAIRS[marker][0], at)
    return at + len(marker)


def _name_of(tag: str) -> str:
    return _PAIRS[tag][1] if tag in _PAIRS else {"[": "TextUrl", ">": "BlockQuote"}[tag]


def _reserved(character: str) -> BadRequest:
    return BadRequest(
        f"can't parse entities: Character '{character}' is reserved and must be escaped with the"
        " preceding '\\'"
    )


def _no_end(name: str, markup: str, at: int) -> BadRequest:
    offset = byte_offset(markup, at)
    return BadRequest(
        f"can't parse entities: Can't find end of {name} entity at byte offset {offset}"
    )
