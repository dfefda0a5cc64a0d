"""Who asks: the key of a request, and what it may see."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from flask import g, request
from werkzeug.exceptions import Forbidden

from api.access import Budget
from api.door import Door, Limits
from api.parts import now_ms, store
from fleetpulse import keys
from fleetpulse.keys import Purpose
from fleetpulse.stores.protocols import ApiKey, Scope

COOKIE = "fleetpulse_session"
MOST_FAMILIAR = 20_000  # keys; some MB


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks; without a key it is somebody on this machine, who may everything."""

    key: ApiKey | None

    @property
    def device_id(self) -> str | None:
        """The only device that the caller may know of; None: every device."""
        return self.key.device_id if self.key else None

    @property
    def name(self) -> str:
        """What requests are counted by."""
        return self.key.key_id if self.key else address()

    @property
    def said_as(self) -> str:
        """Who says something, in words for others to read."""
        return self.key.name if self.key else "this machine"

    def may(self, scope: Scope) -> bool:
        """Whether the caller has this scope."""
        return self.key is None or keys.may(self.key, scope)


def caller() -> Caller:
    """Who asks. On open routes everybody is a stranger: ask there for nothing."""
    found: Caller = g.caller
    return found


class Callers:
    """Tells who asks, by a key, by this being the same machine, or by a session.

    A wrong key is not forgiven on the same machine either: whoever sends one means to use it.
    Somebody who guesses keys costs the store a question each, so from an address that has sent too
    many wrong ones only keys are looked for that have opened something before.
    """

    def __init__(self, door: Door, limits: Limits) -> None:
        self._door, self._limits = door, limits
        self._familiar: set[bytes] = set()

    def known(self) -> Caller | None:
        """Who asks, if that is known. Raises TooManyRequests."""
        text = key_text()
        if text is not None:
            return self._with_key(text, Purpose.KEY)
        if self._door.trusts(request.headers):
            return Caller(None)
        cookie = request.cookies.get(COOKIE)
        return self._with_key(cookie, Purpose.SESSION) if cookie else None

    def _with_key(self, text: str, purpose: Purpose) -> Caller | None:
        name = sha256(text.encode()).digest()
        if name not in self._familiar:
            self._limits.check(Budget.REFUSED, address())
        key = keys.find(store().keys, text, purpose, now_ms=now_ms())
        if key is None:
            self._familiar.discard(name)
            self._limits.take(Budget.REFUSED, address())
            return None
        if len(self._familiar) < MOST_FAMILIAR:
            self._familiar.add(name)
        return Caller(key)


def key_text() -> str | None:
    """The key that came with the request; None: none did."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else request.headers.get("X-API-Key")


def address() -> str:
    """Where the request came from."""
    return request.remote_addr or "nowhere"


def only_device(asked: str | None = None) -> str | None:
    """The device that a list is narrowed to: the one asked for, or the caller's only one.

    Raises Forbidden when another one is asked for.
    """
    own = caller().device_id
    if own is not None and asked not in (None, own):
        raise Forbidden(f"This key is for the device {own!r} only.")
    return own or asked
