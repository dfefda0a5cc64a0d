"""Where the API listens, whom it answers there, and how often."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import ceil
from time import time
from typing import NoReturn

from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from werkzeug.datastructures import Headers
from werkzeug.exceptions import TooManyRequests

from api.access import Budget
from fleetpulse.errors import SettingsError
from fleetpulse.settings import ApiSettings
from fleetpulse.web_guard import is_address, is_every_address, is_loopback, is_own_host, name_in

# What a proxy adds: then the one who asks is not on this machine, though the connection is.
FORWARDING = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip")


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where the API listens and whom it answers; limits as in `600/minute`, None: none."""

    host: str = "127.0.0.1"
    allowed_hosts: frozenset[str] = frozenset()
    is_keyless: bool = True  # for who asks from this machine
    proxies: int = 0  # before this server, which tell whom they ask for
    rate_limit: str | None = None
    ingest_limit: str | None = None
    login_limit: str | None = None
    refused_limit: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it (or a proxy on it)."""
        return is_loopback(self.host)

    def answers(self, host: str) -> bool:
        """Whether a Host header names this server.

        Listening on every address it is known by all of them. No name server can point an address
        elsewhere, so these need no list.
        """
        name = name_in(host)
        by_address = name is not None and is_every_address(self.host) and is_address(name)
        return by_address or is_own_host(host, {*self.allowed_hosts, self.host.lower()})

    def trusts(self, headers: Headers) -> bool:
        """Whether a request needs no key: from this machine, to this machine, by no proxy."""
        is_forwarded = any(name in headers for name in FORWARDING)
        is_here = self.is_local and is_own_host(headers.get("Host", ""))
        return self.is_keyless and is_here and not is_forwarded


def door_of(settings: ApiSettings) -> Door:
    """The door of these settings. Raises SettingsError for a limit that is none."""
    for name, limit in (
        ("FLEETPULSE_RATE_LIMIT", settings.rate_limit),
        ("FLEETPULSE_INGEST_LIMIT", settings.ingest_limit),
    ):
        _check_limit(name, limit)
    allowed_hosts = names_in(settings.allowed_hosts)
    return Door(
        host=settings.host,
        allowed_hosts=allowed_hosts,
        # A name of its own, or a proxy: then not everything that comes from here is from here.
        is_keyless=settings.keyless == "on" and not allowed_hosts and not settings.trusted_proxies,
        proxies=settings.trusted_proxies,
        rate_limit=settings.rate_limit,
        ingest_limit=settings.ingest_limit,
        login_limit="10/minute",
        refused_limit="60/minute",
    )


def names_in(words: str) -> frozenset[str]:
    """The names in a list with commas, in small letters."""
    return frozenset(word.strip().lower() for word in words.split(",") if word.strip())


class Limits:
    """How often each may ask: counted in this process, over a moving window."""

    def __init__(self, door: Door) -> None:
        self._counts = MovingWindowRateLimiter(MemoryStorage())
        self._items: dict[Budget, Collection[RateLimitItem]] = {
            Budget.NONE: (),
            Budget.REQUESTS: _items(door.rate_limit),
            Budget.INGEST: _items(door.ingest_limit),
            Budget.LOGIN: _items(door.login_limit),
            Budget.REFUSED: _items(door.refused_limit),
        }

    def take(self, budget: Budget, who: str) -> None:
        """Count one request. Raises TooManyRequests when it is one too many."""
        for item in self._items[budget]:
            if not self._counts.hit(item, budget.name, who):
                self._refuse(item, budget, who)

    def check(self, budget: Budget, who: str) -> None:
        """Raises TooManyRequests when one more would be too many; counts nothing."""
        for item in self._items[budget]:
            if not self._counts.test(item, budget.name, who):
                self._refuse(item, budget, who)

    def _refuse(self, item: RateLimitItem, budget: Budget, who: str) -> NoReturn:
        reset_at = self._counts.get_window_stats(item, budget.name, who).reset_time
        wait_s = max(1, ceil(reset_at - time()))
        raise TooManyRequests(f"More than {item}: try again in {wait_s} s.", retry_after=wait_s)


def _items(limit: str | None) -> Collection[RateLimitItem]:
    return parse_many(limit) if limit else ()


def _check_limit(name: str, limit: str) -> None:
    try:
        parse_many(limit)
    except ValueError:
        raise SettingsError(
            f"{name} is no limit that fleetpulse knows; write it as 20/second or 600/minute."
        ) from None
