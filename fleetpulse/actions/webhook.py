"""A signed POST by the Standard Webhooks specification (https://www.standardwebhooks.com).

| the receiver says | we |
|---|---|
| 2xx | it has arrived |
| 410 | end the channel until the next start |
| anything else, a redirect too, or nothing | try again; as Retry-After says, if it does |
"""

from __future__ import annotations

import binascii
import ssl
from base64 import b64decode
from datetime import UTC, datetime
from hashlib import sha256
from http import HTTPStatus
from urllib.parse import unquote, urlsplit, urlunsplit

import httpcore
import msgspec
from standardwebhooks import Webhook as Signature

from fleetpulse import __version__
from fleetpulse.actions.waits import SLOWLY_S, Now, retry_after_s
from fleetpulse.delivery.messages import Post, Telling, plain_text
from fleetpulse.errors import NotifyError, SettingsError

SCHEMES = {"webhook+https": "https", "webhook+http": "http"}
SECRET_BYTES = range(24, 65)  # as the specification asks
ANSWER_S = 15.0  # for each step: connect, write, read
_TIMEOUTS = dict.fromkeys(("connect", "read", "write", "pool"), ANSWER_S)
Headers = dict[bytes | str, bytes | str]
_FORM = "write it as webhook+https://HOST/PATH?secret=whsec_…"


class Webhook:
    """One receiver.

    url: `webhook+https://host/path?secret=whsec_…`; network: connects to it; now: Unix ms.
    Raises SettingsError in a phrase without the URL.
    """

    def __init__(self, url: str, *, network: httpcore.NetworkBackend, now: Now) -> None:
        address, secret = taken_apart(url)
        self._url = httpcore.URL(address)
        self._signature = Signature(secret)
        self._network, self._now = network, now
        self._trust = ssl.create_default_context()

    def send(self, post: Post) -> str:
        """The id under which the receiver has taken it. Raises NotifyError."""
        message_id, body = id_of(post), body_of(post)
        at_s = self._now() // 1000
        at = datetime.fromtimestamp(at_s, UTC)
        headers: Headers = {
            "Content-Type": "application/json",
            "User-Agent": f"fleetpulse/{__version__}",
            "webhook-id": message_id,
            "webhook-timestamp": str(at_s),
            "webhook-signature": self._signature.sign(message_id, at, body.decode()),
        }
        try:
            status, wait = self._post(headers, body)
        except (httpcore.NetworkError, httpcore.ProtocolError) as problem:
            raise broken(problem) from problem
        except httpcore.TimeoutException as problem:
            raise NotifyError("the receiver did not answer in time") from problem
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            raise refusal(status, retry_after_s(wait, self._now()))
        return message_id

    def _post(self, headers: Headers, body: bytes) -> tuple[int, str | None]:
        """The status and the Retry-After of the answer; the rest of it is not read."""
        with (
            httpcore.ConnectionPool(
                ssl_context=self._trust, network_backend=self._network
            ) as connections,
            connections.stream(
                "POST", self._url, headers=headers, content=body, extensions={"timeout": _TIMEOUTS}
            ) as answer,
        ):
            found = {name.lower(): value for name, value in answer.headers}
            wait = found.get(b"retry-after")
            return answer.status, None if wait is None else wait.decode("latin-1")


def taken_apart(url: str) -> tuple[str, str]:
    """The address to post to, and the secret to sign with.

    Raises SettingsError in a phrase without them.
    """
    parts = urlsplit(url)
    try:
        is_address = bool(parts.hostname) and parts.port != 0 and url.isascii()
    except ValueError:  # not a port
        is_address = False
    if not is_address or parts.username is not None:
        raise SettingsError(_FORM)
    words = parts.query.split("&") if parts.query else []
    secrets = [word.removeprefix("secret=") for word in words if word.startswith("secret=")]
    rest = "&".join(word for word in words if not word.startswith("secret="))
    if len(secrets) != 1:
        raise SettingsError(f"it needs one secret; {_FORM}")
    address = (SCHEMES[parts.scheme], parts.netloc, parts.path or "/", rest, "")
    # Not by parse_qs, for which a + of base64 would be a blank.
    return urlunsplit(address), checked_secret(unquote(secrets[0]))


def checked_secret(secret: str) -> str:
    """The secret, if it is one by the specification. Raises SettingsError."""
    try:
        key = b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) not in SECRET_BYTES:
        raise SettingsError(
            f"its secret must be {SECRET_BYTES.start} to {SECRET_BYTES.stop - 1} random bytes in"
            " base64, with or without whsec_ before them"
        )
    return secret


def body_of(post: Post) -> bytes:
    """The document that is sent."""
    return msgspec.json.encode(
        {"type": post.telling, "text": plain_text(post.text), "events": post.events}
    )


def id_of(post: Post) -> str:
    """The same for the same events, however often they are sent: receivers can drop doubles."""
    told = [event.event_id for event in post.events]
    if post.telling is Telling.TEST:  # each test is its own
        told += [str(event.at) for event in post.events]
    if post.told_before_at is not None:  # and each repetition
        told.append(str(post.told_before_at))
    return f"msg_{sha256(' '.join([str(post.telling), *told]).encode()).hexdigest()[:32]}"


def broken(problem: Exception) -> NotifyError:
    """What it means that there is no answer."""
    # httpcore takes the cause away, and leaves the error as the argument.
    if isinstance(problem.args[0] if problem.args else None, ssl.SSLCertVerificationError):
        return NotifyError("the receiver's certificate is not trusted", retry_after_s=SLOWLY_S)
    return NotifyError("the connection failed")


def refusal(status: int, wait_s: float | None) -> NotifyError:
    """What an answer that is none of success means."""
    if status == HTTPStatus.GONE:
        return NotifyError("the receiver is gone for good (status 410)", permanent=True)
    return NotifyError(f"the receiver answered with status {status}", retry_after_s=wait_s)
