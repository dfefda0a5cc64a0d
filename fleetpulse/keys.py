"""Keys of the API: made once, shown once, kept as a hash, compared in constant time.

A key's text is `fp_<key_id>_<secret>`. The key_id is public, to recognise a key in a list or in a
log; its first letter says what the key is for. The secret is 256 random bits, of which the store
has the SHA-256 only. A slow hash, as passwords need, would add nothing: nobody can guess 256 random
bits, however fast the guesses are, and each request would pay for it.

Sessions of the dashboard and one-time links are kept as keys too. Their letters differ, so that
none of them can be used in place of another.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from enum import StrEnum

from fleetpulse.stores.protocols import ApiKey, KeyStore, Scope
from fleetpulse.wire import is_identifier

PREFIX = "fp"
LINK_MS = 10 * 60_000
SESSION_MS = 30 * 24 * 3_600_000
LONGEST_NAME = 100

# Who may change a limit must see it; admin is everything. Sending readings is apart: an ingest key
# lies on a device, where it could be stolen, and reads nothing.
INCLUDES: Mapping[Scope, frozenset[Scope]] = {
    Scope.READ: frozenset({Scope.READ}),
    Scope.ACT: frozenset({Scope.ACT, Scope.READ}),
    Scope.ADMIN: frozenset(Scope),
    Scope.INGEST: frozenset({Scope.INGEST}),
}
_SECRET_BYTES = 32
_ID_BYTES = 5  # eight letters
_NOBODY = "nobody"  # the key_id that no key has
_NO_DIGEST = "0" * 64  # what a secret is compared with when there is no such key
_TEXT = re.compile(r"fp_([a-z][a-z2-7.]{8,40})_([a-z2-7]{52})", re.ASCII)


class Purpose(StrEnum):
    """What a key is for: the first letter of its key_id."""

    KEY = "k"  # programs send it with each request
    SESSION = "s"  # a browser has it as a cookie
    LINK = "l"  # opens one session, once


def make_key(
    name: str,
    scopes: Iterable[Scope],
    *,
    now_ms: int,
    device_id: str | None = None,
    expires_at: int | None = None,
    purpose: Purpose = Purpose.KEY,
    parent: ApiKey | None = None,
) -> tuple[ApiKey, str]:
    """A new key, and its text, which nobody can tell afterwards.

    parent: the key or link that a session was opened with. Raises ValueError,
    with a sentence, for scopes that do not go together.
    """
    wanted = sorted(set(scopes))
    _check(name, wanted, device_id)
    key_id = purpose + _letters(_ID_BYTES) + (f".{parent.key_id}" if parent else "")
    secret = _letters(_SECRET_BYTES)
    key = ApiKey(
        key_id=key_id,
        digest=_digest(secret),
        name=name,
        scopes=wanted,
        device_id=device_id,
        created_at=now_ms,
        expires_at=expires_at,
    )
    return key, f"{PREFIX}_{key_id}_{secret}"


def session_of(key: ApiKey, *, now_ms: int) -> tuple[ApiKey, str]:
    """A session that may what `key` may, for 30 days or until the key expires.

    It ends with the key. A link has ended when its session begins, so that one ends when somebody
    ends the link once more.
    """
    until = now_ms + SESSION_MS
    is_link = purpose_of(key) is Purpose.LINK
    if key.expires_at is not None and not is_link:
        until = min(until, key.expires_at)
    return make_key(
        key.name,
        key.scopes,
        now_ms=now_ms,
        device_id=key.device_id,
        expires_at=until,
        purpose=Purpose.SESSION,
        parent=key,
    )


def find(keys: KeyStore, text: str, purpose: Purpose, *, now_ms: int) -> ApiKey | None:
    """The key with this text, if it is in force and for this purpose.

    Unknown, wrong, expired and revoked ones are the same: None, after the same work.
    """
    key_id, secret = _parts(text)
    key = keys.get(key_id)
    is_right = hmac.compare_digest(_digest(secret), key.digest if key else _NO_DIGEST)
    if key is None or not is_right or purpose_of(key) is not purpose:
        return None
    return key if in_force(key, now_ms) and _parent_in_force(keys, key, now_ms) else None


def end(keys: KeyStore, key_id: str, now_ms: int) -> list[str]:
    """End a key or a link, and the sessions that it opened; the ids of those that this ended."""
    opened = [key.key_id for key in keys.all() if key.key_id.partition(".")[2] == key_id]
    return [each for each in (key_id, *opened) if keys.revoke(each, now_ms)]


def in_force(key: ApiKey, now_ms: int) -> bool:
    """Whether a key is neither revoked nor expired."""
    return key.revoked_at is None and (key.expires_at is None or now_ms < key.expires_at)


def may(key: ApiKey, scope: Scope) -> bool:
    """Whether a key has this scope, itself or by one that includes it."""
    return any(scope in INCLUDES[each] for each in key.scopes)


def purpose_of(key: ApiKey) -> Purpose:
    """What a key is for."""
    return Purpose(key.key_id[0])


def _check(name: str, scopes: list[Scope], device_id: str | None) -> None:
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise ValueError(f"A key's name is 1 to {LONGEST_NAME} printable characters.")
    if not scopes:
        raise ValueError(f"A key needs a scope: {', '.join(Scope)}.")
    if device_id is not None and not is_identifier(device_id):
        raise ValueError("A device's name is 1 to 64 of A-Z a-z 0-9 . _ -")
    if Scope.INGEST in scopes and device_id is None:
        raise ValueError("A key that sends readings is bound to one device: name it.")
    if Scope.ADMIN in scopes and device_id is not None:
        raise ValueError("A key that may everything cannot be bound to one device.")


def _parts(text: str) -> tuple[str, str]:
    """The key_id and the secret in a text; nobody's if it is no key's."""
    found = _TEXT.fullmatch(text)
    return (found[1], found[2]) if found else (_NOBODY, "")


def _parent_in_force(keys: KeyStore, key: ApiKey, now_ms: int) -> bool:
    _, has_parent, parent_id = key.key_id.partition(".")
    if not has_parent or parent_id.startswith(Purpose.LINK):
        return True
    parent = keys.get(parent_id)
    return parent is not None and in_force(parent, now_ms)


def _letters(size_bytes: int) -> str:
    """That many random bytes, as a-z and 2-7."""
    return base64.b32encode(secrets.token_bytes(size_bytes)).decode().rstrip("=").lower()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
