"""Who may talk to the local chat: programs and pages of this machine, and no page from elsewhere.

A page on the web can make a browser send requests to 127.0.0.1. What gives it away is the Host
that it used (DNS rebinding), its Origin, or what the browser says in Sec-Fetch-Site.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Request

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
_FOREIGN_SITES = frozenset({"cross-site", "same-site"})


def foreign_host(request: Request) -> str | None:
    """Why this Host is refused, or None."""
    try:
        name = urlsplit(f"//{request.host}").hostname
    except ValueError:
        name = None
    if name in LOOPBACK_NAMES:
        return None
    return "Use the address http://127.0.0.1 or http://localhost with the port that was printed."


def foreign_page(request: Request) -> str | None:
    """Why a call from this page is refused, or None for this server's own and for programs."""
    origin = request.headers.get("Origin")
    is_ours = origin is None or origin == f"{request.scheme}://{request.host}"
    if is_ours and request.headers.get("Sec-Fetch-Site") not in _FOREIGN_SITES:
        return None
    return "Pages of other sites may not act on the local chat."
