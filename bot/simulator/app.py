"""The local Bot API server and the chat page, as two Flask apps over one chat."""

from __future__ import annotations

import json
import re
from typing import Any

from flask import Flask, Response, current_app, request, send_file
from werkzeug.exceptions import HTTPException

from bot.simulator import page
from bot.simulator.chat import LocalChat
from bot.simulator.guard import foreign_host, foreign_page
from bot.simulator.messages import MAX_PHOTO_BYTES
from bot.simulator.methods import method_named
from bot.simulator.parameters import parameters_of
from bot.simulator.refusal import Refusal
from fleetpulse.errors import StoreError

_TOKEN = re.compile(r"[1-9][0-9]{0,19}:[A-Za-z0-9_-]+", re.ASCII)
_VERBS = ("GET", "POST")
_FORM_BYTES = 1024 * 1024  # the other fields of an upload


def create_bot_api(chat: LocalChat) -> Flask:
    """The Bot API of the local chat: /bot<token>/<method> and /file/bot<token>/<path>."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_PHOTO_BYTES + _FORM_BYTES
    app.extensions["chat"] = chat
    app.before_request(_guard)
    app.register_error_handler(Refusal, _refused)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(StoreError, _store_error)
    app.add_url_rule("/bot<token>/<method>", view_func=_call, methods=_VERBS)
    app.add_url_rule("/file/bot<token>/photos/<file_name>", view_func=_file, methods=_VERBS)
    return app


def create_chat_page(chat: LocalChat) -> Flask:
    """The chat in the browser, to be mounted under any path."""
    return page.create_app(chat)


def _chat() -> LocalChat:
    chat: LocalChat = current_app.extensions["chat"]
    return chat


def _guard() -> None:
    reason = foreign_host(request) or foreign_page(request)
    if reason:
        raise Refusal(403, f"Forbidden: {reason}")


def _call(token: str, method: str) -> Response:
    _check_token(token)
    known = method_named(method)
    if known is None:
        raise Refusal(404, "Not Found")
    return _json({"ok": True, "result": known(_chat(), parameters_of(request))})


def _file(token: str, file_name: str) -> Response:
    _check_token(token)
    photo = _chat().photo(file_name.partition(".")[0])
    if photo is None or photo.file_name != file_name:
        raise Refusal(404, "Not Found")
    return send_file(_chat().photo_path(photo))


def _check_token(token: str) -> None:
    if not _TOKEN.fullmatch(token):
        raise Refusal(401, "Unauthorized")


def _refused(refusal: Refusal) -> tuple[Response, int]:
    return _error(refusal.code, refusal.description)


def _http_error(error: HTTPException) -> tuple[Response, int]:
    # Telegram knows GET and POST only, and answers anything else as an unknown method.
    code = 404 if error.code in (None, 405) else error.code
    return _error(code, "Not Found" if code == 404 else error.name)


def _store_error(error: StoreError) -> tuple[Response, int]:
    return _error(500, f"Internal Server Error: {error}")


def _error(code: int, description: str) -> tuple[Response, int]:
    return _json({"ok": False, "error_code": code, "description": description}), code


def _json(document: Any) -> Response:
    return Response(json.dumps(document), mimetype="application/json")
