"""Telling whether a page elsewhere made a browser send a request: functions of header values.

A web page can make a browser send requests to any address that its user can reach, under a name
that the page controls (DNS rebinding) or from the page's own origin. Both are told by headers that
no page can set.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

_OWN_SITES = frozenset({"same-origin", "none"})


def is_loopback(host: str) -> bool:
    """Whether a name or address, without a port, can only mean this machine."""
    address = _address_of(host)
    is_name = host.lower().removesuffix(".") == "localhost"
    return is_name or (address is not None and address.is_loopback)


def is_every_address(host: str) -> bool:
    """Whether listening there means on all addresses of this machine."""
    address = _address_of(host)
    return address is not None and address.is_unspecified


def is_address(host: str) -> bool:
    """Whether it is an address, which no name server can point elsewhere, and not a name."""
    address = _address_of(host)
    return address is not None and not address.is_unspecified


def name_in(host: str) -> str | None:
    """The name in a Host header, in small letters, without its port; None if it is not one."""
    try:
        parts = urlsplit(f"//{host}")
        parts.port  # noqa: B018 - raises for a port that is not one
    except ValueError:
        return None
    return parts.hostname if parts.netloc == host and "@" not in host else None


def is_own_host(host: str, allowed: Collection[str] = ()) -> bool:
    """Whether a Host header means this machine, or is one of the names that were allowed.

    allowed: in small letters, without ports.
    """
    name = name_in(host)
    return name is not None and (is_loopback(name) or name in allowed)


def is_own_origin(origin: str | None, host: str) -> bool:
    """Whether an Origin header is this very server, or absent: a program, or a plain link.

    host: the Host header of the same request; its scheme may differ behind a proxy that does TLS.
    """
    if origin is None:
        return True
    scheme, separator, netloc = origin.lower().partition("://")
    if scheme not in ("http", "https") or not separator:
        return False
    default_port = ":443" if scheme == "https" else ":80"
    return netloc.removesuffix(default_port) == host.lower().removesuffix(default_port)


def is_own_site(sec_fetch_site: str | None) -> bool:
    """Whether a browser says (Sec-Fetch-Site) that no other site's page is behind a request."""
    return sec_fetch_site is None or sec_fetch_site in _OWN_SITES


def _address_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
