"""Who may talk to the local chat: programs and pages of this machine, none from elsewhere."""

from __future__ import annotations

from flask import Request

from fleetpulse.web_guard import is_own_host, is_own_origin, is_own_site


def foreign_host(request: Request) -> str | None:
    """Why this Host is refused, or None."""
    if is_own_host(request.environ.get("HTTP_HOST", "")):
        return None
    return "Use the address http://127.0.0.1 or http://localhost with the port that was printed."


def foreign_page(request: Request) -> str | None:
    """Why a call from this page is refused, or None for this server's own and for programs."""
    host = request.environ.get("HTTP_HOST", "")
    is_own = is_own_origin(request.headers.get("Origin"), host)
    if is_own and is_own_site(request.headers.get("Sec-Fetch-Site")):
        return None
    return "Pages of other sites may not act on the local chat."
