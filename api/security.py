"""Who gets in: every request passes here before anything else looks at it.

In this order: is it meant for this server, and sent by no other site's page; who asks; not too
often; and may they.
"""

from __future__ import annotations

from urllib.parse import quote

from flask import Flask, Response, g, redirect, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, Unauthorized, UnsupportedMediaType

from api.access import OPEN, Bound, Budget, Need, need_of
from api.callers import Caller, Callers, address, key_text
from api.door import Door, Limits
from fleetpulse.web_guard import is_own_origin, is_own_site

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; object-src 'none';"
    " base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer a form's Origin would be null
    "Cross-Origin-Resource-Policy": "same-origin",
}
# A path that does not exist: whoever is known may learn that.
_NOWHERE = Need(scope=None, bound=Bound.ALL)


def guard(app: Flask, door: Door) -> None:
    """Let in who may, refuse everybody else, and add the security headers to every answer."""
    limits = Limits(door)
    callers = Callers(door, limits)

    @app.before_request
    def admit() -> Response | None:
        need = _need()
        _refuse_strangers(door, need)
        if need is OPEN:
            return None
        if need.scope is None and need is not _NOWHERE:
            limits.take(need.budget, address())
            return None
        return _admit_caller(callers, limits, need)

    @app.after_request
    def add_headers(answer: Response) -> Response:
        for name, value in _HEADERS.items():
            answer.headers.setdefault(name, value)
        return answer


def _need() -> Need:
    """What this request's route needs. Raises Forbidden for a route that says nowhere."""
    if request.url_rule is None:
        return _NOWHERE
    need = need_of(request.url_rule.rule, request.method)
    if need is None:
        raise Forbidden("Nobody may use this: what it needs is not written down.")
    return need


def _refuse_strangers(door: Door, need: Need) -> None:
    # From the environment: request.host would fill in the server's own name for a missing one.
    host = request.environ.get("HTTP_HOST", "")
    if not door.answers(host):
        raise Forbidden(
            "The Host header names another machine; use this one's address, or add the name to"
            " FLEETPULSE_ALLOWED_HOSTS."
        )
    if not is_own_origin(request.headers.get("Origin"), host):
        raise Forbidden("The request comes from another site's page (see its Origin header).")
    if request.method in WRITES:
        _check_write(need)


def _check_write(need: Need) -> None:
    if not is_own_site(request.headers.get("Sec-Fetch-Site")):
        raise Forbidden("The write comes from another site's page (see Sec-Fetch-Site).")
    if request.mimetype != "application/json" and not need.takes_forms:
        raise UnsupportedMediaType("Send JSON, with Content-Type: application/json.")


def _admit_caller(callers: Callers, limits: Limits, need: Need) -> Response | None:
    caller = callers.known()
    if caller is None:
        limits.take(Budget.REQUESTS, address())
        return _turn_away(need)
    limits.take(need.budget, caller.name)
    _check_scope(caller, need)
    _check_device(caller, need)
    g.caller = caller
    return None


def _turn_away(need: Need) -> Response:
    """Send a person to the login. Raises Unauthorized for programs, and for a wrong key."""
    has_key = key_text() is not None
    if need.is_page and not has_key:
        return redirect(f"/login?next={quote(request.path)}")  # type: ignore[return-value]
    challenge = WWWAuthenticate("bearer", {"realm": "fleetpulse"})
    if has_key:
        challenge["error"] = "invalid_token"
        raise Unauthorized(
            "This key opens nothing: it is unknown, expired or revoked.",
            www_authenticate=challenge,
        )
    raise Unauthorized(
        "Send a key, as Authorization: Bearer fp_… or X-API-Key: fp_…;"
        " `fleetpulse keys create` makes one.",
        www_authenticate=challenge,
    )


def _check_scope(caller: Caller, need: Need) -> None:
    if need.scope is not None and not caller.may(need.scope):
        raise Forbidden(f"This key may not do that: it needs the scope {need.scope}.")


def _check_device(caller: Caller, need: Need) -> None:
    if caller.device_id is None or need.bound in (Bound.FILTERED, Bound.ALL):
        return
    asked = (request.view_args or {}).get("device_id")
    if need.bound is Bound.NOTHING or asked != caller.device_id:
        raise Forbidden(f"This key is for the device {caller.device_id!r} only.")
