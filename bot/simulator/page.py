"""The chat page, and the same for programs: what was said, as JSON.

Errors are application/problem+json (RFC 9457).
"""

from __future__ import annotations

import json
from typing import Annotated, Any

import msgspec
from flask import Flask, Response, abort, current_app, render_template, request, send_file, url_for
from werkzeug.exceptions import HTTPException, UnsupportedMediaType
from werkzeug.wrappers import Response as BaseResponse

from bot.simulator.chat import Feed, LocalChat, Notice
from bot.simulator.guard import foreign_host, foreign_page
from bot.simulator.messages import Button, Message
from bot.simulator.refusal import BadRequest
from fleetpulse.errors import StoreError

_MAX_BODY_BYTES = 64 * 1024
_LARGEST = 2**52  # of the numbers in a chat
_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'"
)
Item = dict[str, Any]


class Post(msgspec.Struct, forbid_unknown_fields=True):
    """What a program or the page may send: a text, or the press of a button."""

    text: str | None = None
    button: str | None = None
    message_id: Annotated[int, msgspec.Meta(ge=0, le=_LARGEST)] | None = None


def create_app(chat: LocalChat) -> Flask:
    """The page of a chat."""
    app = Flask(__name__)
    app.url_map.strict_slashes = False  # the path it is mounted under, with or without a slash
    app.config["MAX_CONTENT_LENGTH"] = _MAX_BODY_BYTES
    app.extensions["chat"] = chat
    app.before_request(_guard)
    app.after_request(_harden)
    app.register_error_handler(HTTPException, _http_problem)
    app.register_error_handler(BadRequest, _bad_request)
    app.register_error_handler(StoreError, _store_problem)
    app.add_url_rule("/", view_func=_page, endpoint="page")
    app.add_url_rule("/messages", view_func=_messages, endpoint="messages")
    app.add_url_rule("/messages", view_func=_post, endpoint="post", methods=["POST"])
    app.add_url_rule("/feed", view_func=_feed, endpoint="feed")
    app.add_url_rule("/photos/<photo_id>", view_func=_photo, endpoint="photo")
    return app


def _chat() -> LocalChat:
    chat: LocalChat = current_app.extensions["chat"]
    return chat


def _page() -> str:
    return render_template("chat.html")


def _messages() -> Response:
    found = _chat().messages(after=_number("after", 0))
    return _json({"items": [item(message) for message in found]})


def _feed() -> Response:
    return _json(_feed_document(_chat().feed(_number("since", -1))))


def _post() -> tuple[Response, int]:
    return _json(item(_done(_read_post()))), 201


def _done(post: Post) -> Message:
    """The message that was said, or the one whose button was pressed."""
    if post.text is not None and post.button is None:
        return _chat().say(post.text)
    if post.text is None and post.button is not None and post.message_id is not None:
        return _chat().press(post.message_id, post.button)
    raise BadRequest('send {"text": …}, or {"button": …, "message_id": …}')


def _photo(photo_id: str) -> Response:
    photo = _chat().photo(photo_id)
    if photo is None:
        abort(404, "There is no such photo; the chat keeps its last 1,000 messages.")
    response = send_file(_chat().photo_path(photo))
    response.headers["Cache-Control"] = "private, max-age=31536000, immutable"
    return response


def item(message: Message) -> Item:
    """A message as programs read it."""
    photo = message.photo
    return {
        "id": message.message_id,
        "from": message.sender,
        "text": message.text,
        "photo_url": url_for("photo", photo_id=photo.photo_id) if photo else None,
        "buttons": [[_button(button) for button in row] for row in message.keyboard],
        "at": message.at,
        "edited_at": message.edited_at,
    }


def _button(button: Button) -> Item:
    if button.url is not None:
        return {"text": button.text, "url": button.url}
    return {"text": button.text, "data": button.callback_data}


def _feed_document(feed: Feed) -> Item:
    return {
        "version": feed.version,
        "items": [_page_item(message) for message in feed.messages],
        "notices": [_notice(notice) for notice in feed.notices],
        "commands": list(feed.commands),
        "is_listening": feed.is_listening,
        "is_typing": feed.is_typing,
    }


def _page_item(message: Message) -> Item:
    """A message as the page draws it."""
    photo = message.photo
    return item(message) | {
        "entities": msgspec.to_builtins(message.entities),
        "reply_to": message.reply_to,
        "photo_size": [photo.width, photo.height] if photo else None,
    }


def _notice(notice: Notice) -> Item:
    return {"message_id": notice.message_id, "text": notice.text, "is_alert": notice.is_alert}


def _number(name: str, default: int) -> int:
    written = request.args.get(name)
    if written is None:
        return default
    try:
        return min(max(int(written), -1), _LARGEST)
    except ValueError:
        abort(400, f"{name} must be a whole number.")


def _read_post() -> Post:
    if not request.is_json:
        raise UnsupportedMediaType("Send JSON, with Content-Type: application/json.")
    try:
        return msgspec.json.decode(request.get_data(), type=Post)
    except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
        abort(400, f"This is not what the chat takes: {problem}.")


def _json(document: Any) -> Response:
    response = Response(json.dumps(document), mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


def _guard() -> None:
    is_write = request.method not in ("GET", "HEAD", "OPTIONS")
    reason = foreign_host(request) or (foreign_page(request) if is_write else None)
    if reason:
        abort(403, reason)


def _harden(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


def _bad_request(refusal: BadRequest) -> tuple[Response, int]:
    return _problem(400, "Bad Request", _sentence(refusal))


def _sentence(refusal: BadRequest) -> str:
    reason = refusal.description.removeprefix("Bad Request: ")
    return f"{reason[:1].upper()}{reason[1:]}."


def _store_problem(error: StoreError) -> tuple[Response, int]:
    return _problem(503, "Service Unavailable", str(error))


def _http_problem(error: HTTPException) -> BaseResponse | tuple[Response, int]:
    if error.response is not None or (error.code or 0) < 400:  # a redirect, not a problem
        return error.get_response()
    return _problem(error.code or 500, error.name, error.description or error.name)


def _problem(status: int, title: str, detail: str) -> tuple[Response, int]:
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return Response(json.dumps(document), mimetype="application/problem+json"), status
