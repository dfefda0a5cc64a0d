"""Telegram's HTML style: markup -> text and entities.

https://core.telegram.org/bots/api#html-style
"""

from __future__ import annotations

import re

from bot.simulator.formatting import Builder, Formatted, Mark, byte_offset, link_fault
from bot.simulator.refusal import BadRequest

TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "code": "code",
    "pre": "pre",
    "a": "text_link",
    "blockquote": "blockquote",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "tg-emoji": "",  # the emoji between the tags is shown; custom pictures are Telegram's own
}
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_PLAIN = re.compile(r"[^<&]+")
_CHARACTER = re.compile(r"&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(lt|gt|amp|quot));?")
_START = re.compile(r"<([^\s>]*)")
_END = re.compile(r"</([^\s>]*)\s*")
_ATTRIBUTE = re.compile(r"\s*([^\s=>]+)(?:\s*=\s*(\"[^\"]*\"|'[^']*'|[A-Za-z0-9.-]+))?")
_TAG_CLOSE = re.compile(r"\s*>")


def parse_html(markup: str) -> Formatted:
    """The text and entities of a message in HTML style. Raises BadRequest."""
    builder = Builder()
    at = 0
    while at < len(markup):
        at = _step(builder, markup, at)
    if builder.open:
        raise _unparsable(f"Can't find end tag corresponding to start tag {builder.open[-1].tag}")
    return builder.formatted()


def _step(builder: Builder, markup: str, at: int) -> int:
    """Read the piece that begins at `at`; returns where the next one begins."""
    if markup.startswith("</", at):
        return _end_tag(builder, markup, at)
    if markup[at] == "<":
        return _start_tag(builder, markup, at)
    if plain := _PLAIN.match(markup, at):
        builder.add(plain.group())
        return plain.end()
    return _character(builder, markup, at)


def _character(builder: Builder, markup: str, at: int) -> int:
    found = _CHARACTER.match(markup, at)
    decoded = _decoded(found) if found else ""
    if found is None or not decoded:
        builder.add("&")
        return at + 1
    builder.add(decoded)
    return found.end()


def _decoded(found: re.Match[str]) -> str:
    decimal, hexadecimal, name = found.groups()
    if name:
        return _NAMED[name]
    code = int(decimal) if decimal else int(hexadecimal, 16)
    allowed = 0x20 <= code < 0xD800 or 0xE000 <= code < 0x110000 or code == 0x0A
    return chr(code) if allowed else ""


def _start_tag(builder: Builder, markup: str, at: int) -> int:
    opened = _START.match(markup, at)
    tag = opened.group(1).lower() if opened else ""
    where = f"at byte offset {byte_offset(markup, at)}"
    if opened is None or opened.end() == len(markup):
        raise _unparsable(f"Unclosed start tag {where}")
    if tag not in TAGS:
        raise _unparsable(f'Unsupported start tag "{tag}" {where}')
    attributes, end = _attributes(markup, opened.end(), where)
    if tag == "span" and attributes.get("class") != "tg-spoiler":
        raise _unparsable(f'Tag "span" must have class "tg-spoiler" {where}')
    mark = builder.begin(tag, TAGS[tag], at)
    _apply(mark, attributes, builder)
    return end


def _attributes(markup: str, at: int, where: str) -> tuple[dict[str, str], int]:
    """What a start tag says besides its name, and where the tag ends."""
    attributes: dict[str, str] = {}
    while not (closed := _TAG_CLOSE.match(markup, at)):
        found = _ATTRIBUTE.match(markup, at)
        if found is None:
            raise _unparsable(f"Unclosed start tag {where}")
        attributes[found.group(1).lower()] = _unquoted(found.group(2) or "")
        at = found.end()
    return attributes, closed.end()


def _unquoted(value: str) -> str:
    inner = value[1:-1] if value[:1] in ('"', "'") else value
    return _CHARACTER.sub(lambda found: _decoded(found) or found.group(), inner)


def _apply(mark: Mark, attributes: dict[str, str], builder: Builder) -> None:
    if mark.tag == "a":
        mark.url = attributes.get("href", "")
    elif mark.tag == "blockquote" and "expandable" in attributes:
        mark.type = "expandable_blockquote"
    elif mark.tag == "code" and attributes.get("class", "").startswith("language-"):
        outer = builder.open[-2] if len(builder.open) > 1 else None
        if outer and outer.tag == "pre" and outer.offset == mark.offset:
            outer.language = attributes["class"].removeprefix("language-")


def _end_tag(builder: Builder, markup: str, at: int) -> int:
    where = f"at byte offset {byte_offset(markup, at)}"
    closed = _END.match(markup, at)
    if not builder.open:
        raise _unparsable(f"Unexpected end tag {where}")
    if closed is None or not markup.startswith(">", closed.end()):
        raise _unparsable(f"Unclosed end tag {where}")
    tag, mark = closed.group(1).lower(), builder.open[-1]
    if tag and tag != mark.tag:
        raise _unparsable(f'Unmatched end tag {where}, expected "</{mark.tag}>", found "</{tag}>"')
    _settle(builder, mark)
    builder.end()
    return closed.end() + 1


def _settle(builder: Builder, mark: Mark) -> None:
    """Decide what the entity is now that its text is known."""
    if mark.tag == "a":
        mark.url = mark.url or builder.text_since(mark)
        if link_fault(mark.url):  # Telegram shows the text alone
            mark.type = ""
    elif mark.tag == "code" and any(outer.tag == "pre" for outer in builder.open[:-1]):
        mark.type = ""  # a pre holds no entities


def _unparsable(reason: str) -> BadRequest:
    return BadRequest(f"can't parse entities: {reason}")
