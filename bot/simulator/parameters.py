"""What a call of the Bot API was given, however it was sent.

https://core.telegram.org/bots/api#making-requests: query string, form, multipart or JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Request

from bot.simulator.formatting import (
    Formatted,
    cleaned,
    finished,
    given_entities,
    link_fault,
)
from bot.simulator.html_text import parse_html
from bot.simulator.markdown_text import parse_markdown
from bot.simulator.messages import Button, Keyboard
from bot.simulator.refusal import BadRequest

_MAX_CALLBACK_DATA_BYTES = 64
_LARGEST = 2**52  # of Telegram's numbers: https://core.telegram.org/bots/api#chat
_NO_ACTION = {"text", "style", "icon_custom_emoji_id"}  # fields that press nothing
_PARSERS: Mapping[str, Callable[[str], Formatted]] = {
    "": Formatted,
    "html": parse_html,
    "markdownv2": parse_markdown,
}


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of one call, as text, and its uploaded files."""

    values: Mapping[str, str]
    files: Mapping[str, bytes] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """The parameter; empty if it was not given."""
        return cleaned(self.values.get(name, ""))

    def integer(self, name: str, default: int = 0) -> int:
        """The parameter as a whole number; what is none counts as not given."""
        number = _whole(self.values.get(name, ""))
        return default if number is None else number

    def flag(self, name: str) -> bool:
        """Whether the parameter says yes."""
        return self.values.get(name, "").strip().lower() in ("true", "yes", "1")

    def document(self, name: str, what: str) -> Any:
        """The parameter's JSON, or None if it was not given. Raises BadRequest."""
        written = self.values.get(name, "")
        if not written:
            return None
        try:
            return json.loads(written)
        except (ValueError, RecursionError) as problem:
            raise BadRequest(f"can't parse {what} JSON object") from problem

    def chat_id(self, known: Collection[int]) -> int:
        """Which of these chats is meant. Raises BadRequest if it is none of them."""
        named = self.text("chat_id").strip()
        if not named:
            raise BadRequest("chat_id is empty")
        chat_id = _whole(named)
        if chat_id is None or chat_id not in known or str(chat_id) != named:
            raise BadRequest("chat not found")
        return chat_id

    def formatted(self, name: str, entities_name: str) -> Formatted:
        """A text with its entities, marked up or listed. Raises BadRequest."""
        text, mode = self.text(name), self.text("parse_mode").lower()
        listed = self.document(entities_name, "message entities")
        if mode not in _PARSERS:
            raise BadRequest("unsupported parse_mode: the local server reads HTML and MarkdownV2")
        if not mode and listed:
            return finished(given_entities(text, listed))
        return finished(_PARSERS[mode](text))

    def reply_to(self) -> int | None:
        """The message that is answered, or None. Raises BadRequest."""
        reply = self.document("reply_parameters", "reply parameters")
        if isinstance(reply, dict):
            return _whole(reply.get("message_id"))
        return self.integer("reply_to_message_id") or None

    def may_lose_reply(self) -> bool:
        """Whether to send all the same when the message that is answered is gone."""
        reply = self.document("reply_parameters", "reply parameters")
        inner = isinstance(reply, dict) and reply.get("allow_sending_without_reply") is True
        return inner or self.flag("allow_sending_without_reply")

    def keyboard(self) -> Keyboard:
        """The buttons of reply_markup. Raises BadRequest."""
        markup = self.document("reply_markup", "reply keyboard markup")
        if markup is None:
            return ()
        if not isinstance(markup, dict):
            raise BadRequest("object expected as reply markup")
        if "keyboard" in markup:
            raise BadRequest("the local chat shows inline keyboards only")
        rows = markup.get("inline_keyboard", [])
        if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
            raise BadRequest('field "inline_keyboard" must be of type Array')
        keyboard = tuple(tuple(_button(document) for document in row) for row in rows)
        return tuple(row for row in keyboard if row)

    def upload(self, name: str) -> bytes | None:
        """The file that a parameter sends or names by attach://, or None. Raises BadRequest."""
        if name in self.files:
            return self.files[name]
        return self.attached(self.text(name))

    def attached(self, address: str) -> bytes | None:
        """The file that attach:// names, or None if this is no such name. Raises BadRequest."""
        if not address.startswith("attach://"):
            return None
        attached = self.files.get(address.removeprefix("attach://"))
        if attached is None:
            raise BadRequest("attached file not found")
        return attached


def parameters_of(request: Request) -> Parameters:
    """The parameters of a call. Raises BadRequest for a body that is not what it says it is."""
    values = dict(request.args.items()) | dict(request.form.items())
    if request.mimetype == "application/json" and request.get_data():
        values |= _json_values(request.get_data())
    files = {name: upload.read() for name, upload in request.files.items()}
    return Parameters(values, files)


def _json_values(body: bytes) -> dict[str, str]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as problem:
        raise BadRequest("can't parse the JSON body") from problem
    if not isinstance(document, dict):
        raise BadRequest("the JSON body must be an object")
    return {name: _as_text(value) for name, value in document.items() if value is not None}


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _whole(value: Any) -> int | None:
    try:
        return min(max(int(value), -_LARGEST), _LARGEST)
    except (TypeError, ValueError, OverflowError):
        return None


def _button(document: Any) -> Button:
    if not isinstance(document, dict):
        raise BadRequest("can't parse inline keyboard button: expected an Object")
    text = document.get("text")
    if not isinstance(text, str) or not text.strip():
        raise BadRequest('can\'t parse inline keyboard button: Field "text" must be a String')
    if document.get("url"):
        return Button(cleaned(text), url=_checked_url(str(document["url"])))
    if document.get("callback_data"):
        return Button(cleaned(text), callback_data=_checked_data(document["callback_data"]))
    if any(value for name, value in document.items() if name not in _NO_ACTION):
        raise BadRequest("BUTTON_TYPE_INVALID: the local chat knows callback_data and url")
    raise BadRequest(
        "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"
    )


def _checked_url(url: str) -> str:
    if fault := link_fault(url):
        raise BadRequest(f"inline keyboard button URL '{url}' is invalid: {fault}")
    return url


def _checked_data(data: Any) -> str:
    if not isinstance(data, str) or len(data.encode()) > _MAX_CALLBACK_DATA_BYTES:
        raise BadRequest("BUTTON_DATA_INVALID")
    return data
