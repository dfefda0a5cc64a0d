"""The login: a key, or a one-time link, becomes a session of this browser.

A link is opened by a click on the page's button, not by being looked at: the previews of messengers
fetch every link they see.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec
from flask import Blueprint, Response, make_response, redirect, render_template, request
from werkzeug.exceptions import BadRequest, Forbidden, Unauthorized

from api import pages
from api.callers import COOKIE
from api.parts import now_ms, store
from fleetpulse import keys
from fleetpulse.keys import Purpose
from fleetpulse.stores.protocols import ApiKey, Scope

NO_KEY = "This key opens nothing: it is unknown, expired or revoked."
NO_CODE = "This link was used before, or is older than 10 minutes; ask for a new one."
NO_READ = "This key may not read, so it cannot open the dashboard."


class Given(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a login sends: one of the two."""

    key: str = ""
    code: str = ""
    next: str = "/"


def login() -> Blueprint:
    """The pages /login and /logout."""
    found = Blueprint("login", __name__, template_folder="dashboard/templates")
    found.add_url_rule("/login", "show", show, methods=["GET"])
    found.add_url_rule("/login", "enter", enter, methods=["POST"])
    found.add_url_rule("/logout", "leave", leave, methods=["POST"])
    return found


def show() -> Response:
    """The page that asks for a key, or has the button of a link."""
    given = Given(code=request.args.get("code", ""), next=request.args.get("next", "/"))
    return _page(given)


def enter() -> Response:
    """Begin a session."""
    given = _given()
    try:
        session, text = _session(given)
    except (Unauthorized, Forbidden) as refusal:
        if request.is_json:
            raise
        return _page(msgspec.structs.replace(given, code=""), refusal)
    if request.is_json:
        answer = pages.answer({"name": session.name, "scopes": session.scopes})
    else:
        answer = make_response(redirect(own_path(given.next), 303))
    _set_cookie(answer, text, session)
    return answer


def leave() -> Response:
    """End this browser's session."""
    found = session_here()
    if found is not None:
        store().keys.revoke(found.key_id, now_ms())
    answer = pages.answer({}) if request.is_json else make_response(redirect("/login", 303))
    answer.delete_cookie(COOKIE, httponly=True, samesite="Strict", secure=_is_https())
    return answer


def session_here() -> ApiKey | None:
    """The session that this browser has, if it is in force."""
    return keys.find(
        store().keys, request.cookies.get(COOKIE, ""), Purpose.SESSION, now_ms=now_ms()
    )


def own_path(path: str) -> str:
    """A path of this server to go on to: the one given, or the dashboard if it leads elsewhere."""
    try:
        parted = urlsplit(path)
    except ValueError:
        return "/"
    leads_elsewhere = parted.scheme or parted.netloc or path.startswith("//") or "\\" in path
    return path if path.startswith("/") and path.isprintable() and not leads_elsewhere else "/"


def _given() -> Given:
    """What was sent, as JSON or by the page's form. Raises BadRequest."""
    if not request.is_json:
        return Given(**{name: request.form.get(name, "") for name in Given.__struct_fields__})
    try:
        return msgspec.json.decode(request.get_data(), type=Given)
    except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
        raise BadRequest(f"The body is not a login: {problem}.") from problem


def _session(given: Given) -> tuple[ApiKey, str]:
    """A new session, kept, and its text. Raises Unauthorized or Forbidden."""
    opener = _opener(given)
    if not keys.may(opener, Scope.READ):
        raise Forbidden(NO_READ)
    session, text = keys.session_of(opener, now_ms=now_ms())
    # Kept before the link is used up: whoever ends the link meanwhile ends this session too.
    store().keys.put(session)
    if keys.purpose_of(opener) is Purpose.LINK and not store().keys.revoke(opener.key_id, now_ms()):
        store().keys.revoke(session.key_id, now_ms())
        raise Unauthorized(NO_CODE)  # another browser was faster
    return session, text


def _opener(given: Given) -> ApiKey:
    text, purpose = (given.code, Purpose.LINK) if given.code else (given.key, Purpose.KEY)
    found = keys.find(store().keys, text.strip(), purpose, now_ms=now_ms())
    if found is None:
        raise Unauthorized(NO_CODE if given.code else NO_KEY)
    return found


def _set_cookie(answer: Response, text: str, session: ApiKey) -> None:
    ends_at = session.expires_at or now_ms()
    answer.set_cookie(
        COOKIE,
        text,
        max_age=max(0, (ends_at - now_ms()) // 1000),
        httponly=True,
        samesite="Strict",
        secure=_is_https(),
    )


def _is_https() -> bool:
    """Whether the browser speaks HTTPS, to this server or to a proxy that does it.

    The browser's own Origin is believed, X-Forwarded-Proto is not: a wrong Origin could only make
    its sender's cookie safer.
    """
    return request.is_secure or request.headers.get("Origin", "").startswith("https://")


def _page(given: Given, refusal: Unauthorized | Forbidden | None = None) -> Response:
    answer = make_response(
        render_template(
            "login.html",
            code=given.code,
            next=own_path(given.next),
            refusal=refusal.description if refusal else None,
        )
    )
    answer.status_code = (refusal.code or 401) if refusal else 200
    answer.headers["Cache-Control"] = "no-store"
    return answer
