"""What a chat is made of: messages, photos, buttons; and how a photo tells its size."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from typing import Literal

import msgspec

from bot.simulator import LOCAL_CHAT_ID
from bot.simulator.formatting import Entity, Formatted
from bot.simulator.refusal import BadRequest

MAX_PHOTO_BYTES = 10 * 1024 * 1024
_MAX_SIDES_PX = 10_000  # width and height together
_MAX_RATIO = 20
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
# Frame headers of JPEG; C4, C8 and CC in this range are tables.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}

Sender = Literal["bot", "user"]


class Button(msgspec.Struct, frozen=True, omit_defaults=True):
    """A button under a message: it sends data to the bot, or opens an address."""

    text: str
    callback_data: str | None = None
    url: str | None = None


Keyboard = tuple[tuple[Button, ...], ...]


class Photo(msgspec.Struct, frozen=True, kw_only=True):
    """A picture that is kept as a file; the same picture is kept once."""

    photo_id: str
    kind: Literal["png", "jpg"]
    width: int
    height: int
    size_bytes: int

    @property
    def file_name(self) -> str:
        """Its file in the folder of photos."""
        return f"{self.photo_id}.{self.kind}"


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A message before the chat has numbered it."""

    sender: Sender
    chat_id: int = LOCAL_CHAT_ID
    content: Formatted  # the text, or the photo's caption
    photo: Photo | None = None
    keyboard: Keyboard = ()
    reply_to: int | None = None


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message as the chat keeps it."""

    message_id: int
    chat_id: int = LOCAL_CHAT_ID
    sender: Sender
    at: int  # Unix ms
    edited_at: int | None = None  # of its text or photo; a change of buttons alone does not show
    content: Formatted = Formatted("")
    photo: Photo | None = None
    keyboard: Keyboard = ()
    reply_to: int | None = None
    version: int = 0  # of the chat, when the message last changed

    @property
    def text(self) -> str:
        """What it says, or the photo's caption."""
        return self.content.text

    @property
    def entities(self) -> Sequence[Entity]:
        """Of the text or the caption."""
        return self.content.entities

    def button_with(self, callback_data: str) -> Button | None:
        """The button that sends this, or None."""
        buttons = (button for row in self.keyboard for button in row)
        return next((button for button in buttons if button.callback_data == callback_data), None)


def photo_of(picture: bytes) -> Photo:
    """What there is to know of a PNG or JPEG picture. Raises BadRequest for anything else."""
    if not picture:
        raise BadRequest("file must be non-empty")
    if len(picture) > MAX_PHOTO_BYTES:
        raise BadRequest("file is too big")
    size = _png_size(picture) or _jpeg_size(picture)
    if size is None:
        raise BadRequest("IMAGE_PROCESS_FAILED")
    width, height = size
    shortest, longest = sorted(size)
    if shortest < 1 or width + height > _MAX_SIDES_PX or longest > _MAX_RATIO * shortest:
        raise BadRequest("PHOTO_INVALID_DIMENSIONS")
    return Photo(
        photo_id=hashlib.sha256(picture).hexdigest()[:32],
        kind="png" if picture.startswith(_PNG) else "jpg",
        width=width,
        height=height,
        size_bytes=len(picture),
    )


def _png_size(picture: bytes) -> tuple[int, int] | None:
    if not picture.startswith(_PNG) or len(picture) < 24:
        return None
    width, height = struct.unpack_from(">II", picture, 16)
    return width, height


def _jpeg_size(picture: bytes) -> tuple[int, int] | None:
    if not picture.startswith(_JPEG):
        return None
    at = 2
    while at + 9 <= len(picture) and picture[at] == 0xFF:
        marker, length = picture[at + 1], int.from_bytes(picture[at + 2 : at + 4], "big")
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", picture, at + 5)
            return width, height
        at += 2 + length
    return None
