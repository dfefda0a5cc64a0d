"""E-mail by SMTP, with TLS always checked.

Apprise reads the address; the message is made and sent here, since Apprise does not say whether a
refusal is for good (docs/decisions/0010-other-channels.md).

| the mail server says | we |
|---|---|
| 250 to the message | it has arrived, whoever else of several readers was refused |
| 5xx to every reader, or to the message | give this message up |
| no TLS, a certificate of somebody else, 5xx to password or sender | try again, slowly |
| 4xx, or nothing | try again |
"""

from __future__ import annotations

import logging
import re
import smtplib
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from email.utils import localtime

from fleetpulse.actions.mail_address import MailAddress
from fleetpulse.actions.waits import SLOWLY_S
from fleetpulse.actions.webhook import id_of
from fleetpulse.delivery.messages import Post, plain_text
from fleetpulse.errors import NotifyError

ANSWER_S = 20.0  # for each step
CHART = "chart.png"
_SIGN = re.compile(r"^[^\x00-\x7f]+\s+")  # that a chat's message begins with
_FOR_GOOD = range(500, 600)
_TOO_LARGE = 552

log = logging.getLogger(__name__)


class Mail:
    """One sender and its readers."""

    def __init__(self, address: MailAddress) -> None:
        self._address = address
        self._trust = ssl.create_default_context()
        if not address.checks_certificate:
            self._trust.check_hostname, self._trust.verify_mode = False, ssl.CERT_NONE

    def send(self, post: Post) -> str:
        """The Message-ID under which the server has taken it. Raises NotifyError."""
        message, address = message_of(post, self._address), self._address
        try:
            with _session(address, self._trust) as server:
                refused = server.send_message(message, address.sender, address.everybody)
        except smtplib.SMTPException as problem:
            raise refusal(problem) from problem
        except ssl.SSLCertVerificationError as problem:
            raise NotifyError(
                "the mail server's certificate is not trusted", retry_after_s=SLOWLY_S
            ) from problem
        except ssl.SSLError as problem:
            raise NotifyError("TLS with the mail server failed") from problem
        except OSError as problem:
            raise NotifyError("the mail server does not answer") from problem
        if refused:
            code = codes(reply[0] for reply in refused.values())
            log.warning("readers refused", extra={"readers": len(refused), "code": code})
        return str(message["Message-ID"])


@contextmanager
def _session(address: MailAddress, trust: ssl.SSLContext) -> Iterator[smtplib.SMTP]:
    """A connection that is encrypted, and logged in where there is a password."""
    server = (
        smtplib.SMTP_SSL(address.host, address.port, timeout=ANSWER_S, context=trust)
        if address.security == "ssl"
        else smtplib.SMTP(address.host, address.port, timeout=ANSWER_S)
    )
    try:
        if address.security == "starttls":
            _encrypt(server, trust)
        if address.password:
            _log_in(server, address)
        yield server
        # The message is taken by now, whatever the server says to a good-bye.
        with suppress(smtplib.SMTPException, OSError):
            server.quit()
    finally:
        server.close()


def _encrypt(server: smtplib.SMTP, trust: ssl.SSLContext) -> None:
    try:
        server.starttls(context=trust)
    except smtplib.SMTPNotSupportedError as problem:
        raise NotifyError(
            "the mail server offers no STARTTLS, and without TLS nothing is sent",
            retry_after_s=SLOWLY_S,
        ) from problem


def _log_in(server: smtplib.SMTP, address: MailAddress) -> None:
    try:
        server.login(address.user, address.password)
    except smtplib.SMTPNotSupportedError as problem:
        raise NotifyError(
            "the mail server takes no password here", retry_after_s=SLOWLY_S
        ) from problem


def message_of(post: Post, address: MailAddress) -> EmailMessage:
    """The mail: the words, the same as HTML, and the chart, which the HTML shows."""
    message = EmailMessage()
    first, *_ = plain_text(post.text).splitlines()
    message["Subject"] = _SIGN.sub("", first).rstrip(":")
    message["From"] = address.sender_header
    message["To"] = ", ".join(address.to)
    for header, readers in (("Cc", address.cc), ("Reply-To", address.reply_to)):
        if readers:
            message[header] = ", ".join(readers)
    message["Date"] = localtime()
    message["Message-ID"] = f"<{id_of(post)}@{address.sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: machines do not answer
    message.set_content(f"{plain_text(post.text)}\n")
    message.add_alternative(html_of(post), subtype="html")
    html = message.get_body(["html"])
    if post.photo is not None and html is not None:
        html.add_related(
            post.photo,
            maintype="image",
            subtype="png",
            cid=f"<{CHART}>",
            filename=CHART,
            disposition="attachment",
        )
    return message


def html_of(post: Post) -> str:
    """The text as a page that mail programs show."""
    lines = "<br>\n".join(post.text.splitlines())
    chart = f'<p><img src="cid:{CHART}" alt="chart" width="800" style="max-width:100%"></p>'
    return (
        '<!DOCTYPE html>\n<html><head><meta charset="utf-8"></head>'
        f'<body style="font-family:sans-serif;font-size:16px"><p>{lines}</p>\n'
        f"{'' if post.photo is None else chart}</body></html>\n"
    )


def refusal(problem: smtplib.SMTPException) -> NotifyError:
    """What a refusal means. The server's words are left out: they may repeat what we sent."""
    match problem:
        case smtplib.SMTPAuthenticationError(smtp_code=code):
            return _slowly("the mail server does not accept the user and password", code)
        case smtplib.SMTPSenderRefused(smtp_code=code) if code != _TOO_LARGE:
            return _slowly("the mail server refuses the sender", code)
        case smtplib.SMTPRecipientsRefused(recipients=readers):
            found = [reply[0] for reply in readers.values()]
            return _only_this("the mail server refuses every reader", found)
        case smtplib.SMTPDataError(smtp_code=code) | smtplib.SMTPSenderRefused(smtp_code=code):
            return _only_this("the mail server refuses the message", [code])
        case smtplib.SMTPResponseException(smtp_code=code):
            return NotifyError(f"the mail server is not ready (code {code})")
    return NotifyError("the connection to the mail server broke")


def _slowly(said: str, code: int) -> NotifyError:
    """What only a person can mend, unless the server says that it will pass."""
    return NotifyError(
        f"{said} (code {code})", retry_after_s=SLOWLY_S if code in _FOR_GOOD else None
    )


def _only_this(said: str, found: list[int]) -> NotifyError:
    """The end of the message, if every code says so."""
    for_good = all(code in _FOR_GOOD for code in found)
    return NotifyError(f"{said} (code {codes(found)})", permanent=for_good, only_message=for_good)


def codes(found: Iterable[int]) -> str:
    """Each code once."""
    return ", ".join(map(str, sorted(set(found))))
