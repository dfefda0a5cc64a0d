"""What keeps an API without keys safe on this machine: nobody but its own pages may call it.

A web page elsewhere can make a browser send requests to 127.0.0.1, under a name that it controls
(DNS rebinding) or from its own origin. Both are told by headers that a page cannot set.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from flask import Flask, Response, request
from werkzeug.exceptions import Forbidden, UnsupportedMediaType

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; object-src 'none';"
    " base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def is_loopback(host: str) -> bool:
    """Whether a name or address, without a port, can only mean this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def guard(app: Flask, allowed_hosts: Collection[str] = ()) -> None:
    """Refuse what another web page may have sent, and add the security headers to every answer.

    allowed_hosts: names, without port, that the API also answers to.
    """
    allowed = frozenset(name.lower() for name in allowed_hosts)

    @app.before_request
    def refuse_strangers() -> None:
        _check_host(allowed)
        _check_origin()
        if request.method in WRITES:
            _check_write()

    @app.after_request
    def add_headers(answer: Response) -> Response:
        for name, value in _HEADERS.items():
            answer.headers.setdefault(name, value)
        return answer


def _check_host(allowed: Collection[str]) -> None:
    # From the environment: request.host would fill in the server's own name for a missing one.
    host = _name_of(request.environ.get("HTTP_HOST", ""))
    if host is None or not (is_loopback(host) or host in allowed):
        raise Forbidden("The Host header names another machine; use 127.0.0.1 or localhost.")


def _check_origin() -> None:
    origin = request.headers.get("Origin")
    if origin is not None and not _is_own(origin):
        raise Forbidden("The request comes from another site's page (see its Origin header).")


def _check_write() -> None:
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden("The write comes from another site's page (see Sec-Fetch-Site).")
    if request.mimetype != "application/json":
        raise UnsupportedMediaType("Send JSON, with Content-Type: application/json.")


def _is_own(origin: str) -> bool:
    """Whether an Origin is this very server: scheme, and the host and port of the Host header."""
    scheme, separator, netloc = origin.lower().partition("://")
    if scheme not in ("http", "https") or not separator:
        return False
    default_port = ":443" if scheme == "https" else ":80"
    host: str = request.environ.get("HTTP_HOST", "").lower()
    return netloc.removesuffix(default_port) == host.removesuffix(default_port)


def _name_of(host: str) -> str | None:
    """The name in a Host header, without its port; None if it is not one."""
    try:
        parts = urlsplit(f"//{host}")
        parts.port  # noqa: B018 - raises for a port that is not one
    except ValueError:
        return None
    return parts.hostname if parts.netloc == host and "@" not in host else None
