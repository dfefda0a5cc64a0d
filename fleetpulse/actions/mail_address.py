"""What an address of e-mail says, in the form that Apprise has for it.

`mailtos://USER:PASSWORD@SMTP-HOST?from=ADDRESS&to=ADDRESS`; of known providers
`mailto://USER:PASSWORD@gmail.com` is enough (https://appriseit.com/services/email/).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.utils import formataddr
from typing import Any, Literal

from apprise import LogCapture
from apprise.exception import AppriseException
from apprise.plugins.email import NotifyEmail

from fleetpulse.errors import SettingsError
from fleetpulse.notices import OURSELVES

SCHEMES = ("mailto", "mailtos")
_FORM = "write it as mailtos://USER:PASSWORD@SMTP-HOST?from=ADDRESS&to=ADDRESS"
_APPRISE = "Apprise"  # whose name a sender has that has none


@dataclass(frozen=True, slots=True, kw_only=True)
class MailAddress:
    """A server, who we are there, and who is written to."""

    host: str
    port: int
    security: Literal["starttls", "ssl", "insecure"]
    checks_certificate: bool
    user: str
    password: str = field(repr=False)  # empty: no login
    sender: str  # the bare address
    sender_header: str
    to: Sequence[str]  # with names, as headers have them
    cc: Sequence[str]
    reply_to: Sequence[str]
    everybody: Sequence[str]  # bare, of `to`, `cc` and `bcc`


def mail_address(url: str) -> MailAddress:
    """The address. TLS by STARTTLS, unless it says otherwise by `mode`.

    Raises SettingsError in a phrase without it.
    """
    by = _read(url)
    if by.pgp_mode != "no":
        raise SettingsError("it asks for PGP, which fleetpulse does not have")
    if by.secure_mode == "insecure" and by.password:
        raise SettingsError("a password is not sent without TLS; leave out mode=insecure")
    name, sender = by.from_addr
    bare = [address for _, address in by.targets]
    return MailAddress(
        host=by.smtp_host,
        port=by.port,
        security=by.secure_mode,
        checks_certificate=by.verify_certificate,
        user=by.user or "",
        password=(by.user and by.password) or "",
        sender=sender,
        sender_header=formataddr((name if name and name != _APPRISE else OURSELVES, sender)),
        to=[formataddr((name or "", address)) for name, address in by.targets],
        cc=sorted(by.cc),
        reply_to=sorted(by.reply_to),
        everybody=list(dict.fromkeys([*bare, *sorted(by.cc), *sorted(by.bcc)])),
    )


def _pieces(listed: str) -> Sequence[str]:
    """The addresses of a list; a quoted name may hold a comma."""
    return re.split(r"[,;\s]+", re.sub(r'"[^"]*"|[^,;<]*(?=<)', "", listed))


def _read(url: str) -> Any:
    """Apprise's own view of it, in which all is well. Raises SettingsError."""
    with LogCapture(level=logging.WARNING) as said:
        try:
            asked = NotifyEmail.parse_url(url) or {}
            by = NotifyEmail(**asked)
            if by.secure_mode == "insecure" and "secure_mode" not in asked:
                by = NotifyEmail(**{**asked, "secure_mode": "starttls"})
        except (AppriseException, TypeError) as problem:
            raise SettingsError(_FORM) from problem
        has_left_out = bool(said.getvalue())  # a reader, say, whose address is none
    # Of a list it leaves out the same without a word.
    listed = [*asked["targets"], *(asked.get(each) or "" for each in ("cc", "bcc", "reply_to"))]
    has_left_out |= any(piece and "@" not in piece for text in listed for piece in _pieces(text))
    if has_left_out or not by.targets or not by.smtp_host:
        raise SettingsError(f"an e-mail address in it is none; {_FORM}")
    return by
