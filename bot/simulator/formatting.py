"""Texts with entities: bold, links, commands and so on, at offsets in UTF-16 code units."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

from bot.simulator.refusal import BadRequest

_URL = re.compile(r"https?://[^\s<>\"]*[^\s<>\".,;:!?')\]]")
_COMMAND = re.compile(r"(?<![\w/<>])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/<>])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f]")
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
_OPAQUE = frozenset({"code", "pre", "text_link"})  # nothing is found inside these
TYPES = frozenset(
    {
        "bold",
        "italic",
        "underline",
        "strikethrough",
        "spoiler",
        "blockquote",
        "expandable_blockquote",
        "code",
        "pre",
        "text_link",
        "url",
        "bot_command",
    }
)


class Entity(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A stretch of a text that means something; offset and length in UTF-16 code units."""

    type: str
    offset: int
    length: int
    url: str | None = None
    language: str | None = None

    @property
    def end(self) -> int:
        """The offset just past it."""
        return self.offset + self.length


class Formatted(msgspec.Struct, frozen=True):
    """A text and its entities, the outer before the inner."""

    text: str
    entities: tuple[Entity, ...] = ()


@dataclass(slots=True)
class Mark:
    """An entity that has begun and not ended."""

    tag: str
    type: str
    offset: int  # in the text, UTF-16
    source_at: int  # in the markup, characters
    url: str | None = None
    language: str | None = None


class Builder:
    """The text and the entities of a markup as far as it has been read."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self.length = 0  # UTF-16
        self.entities: list[Entity] = []
        self.open: list[Mark] = []

    def add(self, piece: str) -> None:
        """Append plain text."""
        self._pieces.append(piece)
        self.length += utf16_length(piece)

    def begin(self, tag: str, kind: str, source_at: int) -> Mark:
        """Open an entity here."""
        mark = Mark(tag=tag, type=kind, offset=self.length, source_at=source_at)
        self.open.append(mark)
        return mark

    def end(self) -> None:
        """Close the innermost entity here; one without text is forgotten."""
        mark = self.open.pop()
        if self.length > mark.offset and mark.type:
            self.entities.append(
                Entity(
                    type=mark.type,
                    offset=mark.offset,
                    length=self.length - mark.offset,
                    url=mark.url,
                    language=mark.language,
                )
            )

    def text_since(self, mark: Mark) -> str:
        """The text that the mark covers so far."""
        return utf16_slice("".join(self._pieces), mark.offset, self.length)

    def formatted(self) -> Formatted:
        """What has been read."""
        return Formatted("".join(self._pieces), tuple(self.entities))


def utf16_length(text: str) -> int:
    """How many UTF-16 code units the text takes."""
    return len(text) + sum(character > "\uffff" for character in text)


def utf16_slice(text: str, begin: int, end: int) -> str:
    """The part of a text between two UTF-16 offsets."""
    return text.encode("utf-16-le")[2 * begin : 2 * end].decode("utf-16-le", "replace")


def byte_offset(markup: str, at: int) -> int:
    """The UTF-8 offset of a character, as Telegram's parse errors give it."""
    return len(markup[:at].encode())


def cleaned(text: str) -> str:
    """The text without what no client shows. Raises BadRequest for halves of characters."""
    if _LONE_SURROGATE.search(text):
        raise BadRequest("strings must be encoded in UTF-8")
    return _CONTROL.sub(" ", text.replace("\r", ""))


def finished(formatted: Formatted) -> Formatted:
    """The text as it is sent: trimmed, with its links and commands found, entities in order."""
    stripped = formatted.text.rstrip()
    end = utf16_length(stripped)
    text = stripped.lstrip()
    begin = end - utf16_length(text)
    moved = (_moved(entity, begin, end) for entity in formatted.entities)
    kept = [entity for entity in moved if entity.length > 0]
    kept += [entity for entity in _found(text) if not _hidden(entity, kept)]
    return Formatted(text, tuple(sorted(kept, key=lambda entity: (entity.offset, -entity.length))))


def _moved(entity: Entity, begin: int, end: int) -> Entity:
    first, last = max(entity.offset, begin), min(entity.end, end)
    return msgspec.structs.replace(entity, offset=first - begin, length=last - first)


def _found(text: str) -> Iterator[Entity]:
    for kind, pattern in (("url", _URL), ("bot_command", _COMMAND)):
        for match in pattern.finditer(text):
            offset = utf16_length(text[: match.start()])
            yield Entity(type=kind, offset=offset, length=utf16_length(match.group()))


def _hidden(entity: Entity, others: Iterable[Entity]) -> bool:
    return any(
        other.type in _OPAQUE and other.offset < entity.end and entity.offset < other.end
        for other in others
    )


def link_fault(url: str) -> str | None:
    """Why Telegram would not take this address, or None."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
    except ValueError:
        return "Wrong HTTP URL"
    if parts.scheme not in ("http", "https", "tg"):
        return "Unsupported URL protocol"
    if parts.scheme == "tg":
        return None
    # A host without a dot, such as localhost, is no address for Telegram's clients.
    host = parts.hostname or ""
    return None if "." in host or ":" in host else "Wrong HTTP URL"


def given_entities(text: str, documents: Any) -> Formatted:
    """A text with the entities that the caller listed. Raises BadRequest."""
    try:
        entities = msgspec.convert(documents, list[Entity], strict=False)
    except msgspec.ValidationError as problem:
        raise BadRequest(f"can't parse entities: {problem}") from problem
    length = utf16_length(text)
    for entity in entities:
        if entity.type == "text_link" and (fault := link_fault(entity.url or "")):
            raise BadRequest(f"entity URL '{entity.url}' is invalid: {fault}")
        if entity.offset < 0 or entity.end > length:
            raise BadRequest(
                f"entity begins in a middle of a UTF-16 symbol or ends outside of the text at"
                f" offset {entity.offset}"
            )
    return Formatted(text, tuple(entity for entity in entities if entity.type in TYPES))
