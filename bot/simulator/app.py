"""The local Bot API server and the chat page, as two Flask apps over one chat."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec
from flask import Flask, Response, current_app, request, send_file
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from bot.simulator import page
from bot.simulator.calls import Call
from bot.simulator.chat import LocalChat
from bot.simulator.guard import foreign_host, foreign_page
from bot.simulator.messages import MAX_PHOTO_BYTES
from bot.simulator.methods import METHODS, method_name
from bot.simulator.parameters import Parameters, parameters_of
from bot.simulator.refusal import BadRequest, ConnectionBroken, GatewayFailure, Refusal
from bot.simulator.troubles import Orders, Troubles
from fleetpulse.errors import StoreError

_TOKEN = re.compile(r"[1-9][0-9]{0,19}:[A-Za-z0-9_-]+", re.ASCII)
_VERBS = ("GET", "POST")
_FORM_BYTES = 1024 * 1024  # the other fields of an upload
_GATEWAY = "<html><head><title>{0}</title></head><body><h1>{0}</h1><hr>nginx</body></html>"
# Where the servers that we run in keep the connection of a request.
_SOCKETS = ("werkzeug.socket", "gunicorn.socket")


def create_bot_api(chat: LocalChat, troubles: Troubles | None = None) -> Flask:
    """The Bot API of the local chat: /bot<token>/<method> and /file/bot<token>/<path>.

    Beside it is what Telegram's has not: /troubles, which has it misbehave and tells how it did.
    """
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_PHOTO_BYTES + _FORM_BYTES
    app.extensions["chat"] = chat
    app.extensions["troubles"] = troubles or Troubles(chat)
    app.before_request(_guard)
    app.register_error_handler(Refusal, _refused)
    app.register_error_handler(GatewayFailure, _gateway_failed)
    app.register_error_handler(ConnectionBroken, _hang_up)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(StoreError, _store_error)
    app.add_url_rule("/bot<token>/<written>", view_func=_call, methods=_VERBS)
    app.add_url_rule("/file/bot<token>/photos/<file_name>", view_func=_file, methods=_VERBS)
    app.add_url_rule("/troubles", view_func=_troubles_now)
    app.add_url_rule("/troubles", view_func=_replace_troubles, methods=["PUT"])
    app.add_url_rule("/troubles", view_func=_end_troubles, methods=["DELETE"])
    app.add_url_rule("/troubles/calls", view_func=_calls)
    return app


def create_chat_page(chat: LocalChat) -> Flask:
    """The chat in the browser, to be mounted under any path."""
    return page.create_app(chat)


def _chat() -> LocalChat:
    chat: LocalChat = current_app.extensions["chat"]
    return chat


def _troubles() -> Troubles:
    troubles: Troubles = current_app.extensions["troubles"]
    return troubles


def _guard() -> None:
    reason = foreign_host(request) or foreign_page(request)
    if reason:
        raise Refusal(403, f"Forbidden: {reason}")


def _call(token: str, written: str) -> Response:
    _check_token(token)
    method = method_name(written)
    if method is None:
        raise Refusal(404, "Not Found")
    chat, parameters = _chat(), parameters_of(request)
    call = Call(
        method=method,
        chat_id=_chat_id(chat, parameters),
        take=lambda: METHODS[method](chat, parameters),
        wait=lambda seconds: _let_pass(chat, seconds),
        is_heard=_is_heard,
    )
    return _json({"ok": True, "result": _troubles().answer(call)})


def _chat_id(chat: LocalChat, parameters: Parameters) -> int | None:
    try:
        return parameters.chat_id(chat.chat_ids)
    except BadRequest:
        return None


def _let_pass(chat: LocalChat, seconds: float) -> None:
    if seconds:
        chat.clock.wait(seconds, threading.Event())


def _connection() -> socket.socket | None:
    """Of this request; None: there is none, as in a test client."""
    return next((request.environ[name] for name in _SOCKETS if name in request.environ), None)


def _is_heard() -> bool:
    connection = _connection()
    if connection is None:
        return True
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except BlockingIOError:  # open, and nothing more is said
        return True
    except OSError:
        return False


def _file(token: str, file_name: str) -> Response:
    _check_token(token)
    photo = _chat().photo(file_name.partition(".")[0])
    if photo is None or photo.file_name != file_name:
        raise Refusal(404, "Not Found")
    return send_file(_chat().photo_path(photo))


def _check_token(token: str) -> None:
    if not _TOKEN.fullmatch(token):
        raise Refusal(401, "Unauthorized")


def _troubles_now() -> Response:
    troubles = _troubles()
    counts = {"calls": troubles.journal.counts(), "answers_lost": troubles.journal.answers_lost}
    return _json(msgspec.to_builtins(troubles.now()) | counts)


def _replace_troubles() -> Response:
    try:
        orders = msgspec.json.decode(request.get_data(), type=Orders)
    except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
        raise BadRequest(f"these are no troubles: {problem}") from problem
    _troubles().replace(orders)
    return _troubles_now()


def _end_troubles() -> Response:
    _troubles().end()
    return _troubles_now()


def _calls() -> Response:
    after = parameters_of(request).integer("after")
    return _json({"items": msgspec.to_builtins(_troubles().journal.records(after=after))})


def _refused(refusal: Refusal) -> tuple[Response, int]:
    return _error(refusal.code, refusal.description, refusal.parameters)


def _gateway_failed(failure: GatewayFailure) -> tuple[Response, int]:
    title = f"{failure.code} {HTTP_STATUS_CODES[failure.code]}"
    return Response(_GATEWAY.format(title), mimetype="text/html"), failure.code


def _hang_up(_broken: ConnectionBroken) -> tuple[Response, int]:
    """What the server cannot send, since the connection is closed already."""
    connection = _connection()
    if connection is not None:
        with suppress(OSError):  # the client was faster
            connection.shutdown(socket.SHUT_RDWR)
    return Response(), 500


def _http_error(error: HTTPException) -> tuple[Response, int]:
    # Telegram knows GET and POST only, and answers anything else as an unknown method.
    code = 404 if error.code in (None, 405) else error.code
    return _error(code, "Not Found" if code == 404 else error.name)


def _store_error(error: StoreError) -> tuple[Response, int]:
    return _error(500, f"Internal Server Error: {error}")


def _error(
    code: int, description: str, parameters: Mapping[str, int] | None = None
) -> tuple[Response, int]:
    document: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
    return _json(document | ({"parameters": parameters} if parameters else {})), code


def _json(document: Any) -> Response:
    return Response(json.dumps(document), mimetype="application/json")
