"""A real mail server (aiosmtpd) as a process: STARTTLS, a password, and a folder of what came.

`python -m tests.services.smtp PORT FOLDER CERTIFICATE [--no-tls]` is the server itself.
"""

from __future__ import annotations

import email
import email.policy
import signal
import smtplib
import ssl
import sys
import threading
from collections.abc import Sequence
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.services.certificates import Authority
from tests.services.ports import free_ports
from tests.services.server import Server

USER, PASSWORD = "ada", "right-password"
NOBODY = "nobody@example.org"  # a reader who is refused
ROOT = Path(__file__).resolve().parents[2]


class MailServer(Server):
    """Takes mail on a port of 127.0.0.1 from who has encrypted and logged in."""

    name = "aiosmtpd"
    start_s = 30.0

    def __init__(self, folder: Path, *, tls: bool = True) -> None:
        super().__init__(folder)
        authority = Authority(folder)
        self.ca_file, self._certificate = authority.ca_file, authority.server_file()
        (self.port,) = free_ports(1)
        self._inbox, self._tls = folder / "inbox", tls
        self._inbox.mkdir()

    @property
    def messages(self) -> list[EmailMessage]:
        """What came, in order."""
        files = sorted(self._inbox.glob("*.eml"), key=lambda file: int(file.stem))
        policy = email.policy.default
        return [email.message_from_bytes(file.read_bytes(), policy=policy) for file in files]

    def channel(self, password: str = PASSWORD, to: str = "ada@example.org") -> str:
        """The URL of a channel that ends here."""
        login = f"{USER}:{password}@127.0.0.1:{self.port}"
        return f"mailtos://{login}?from=alerts@example.org&to={to}"

    def _command(self) -> Sequence[str]:
        words = [str(self.port), str(self._inbox), str(self._certificate)]
        tls = [] if self._tls else ["--no-tls"]
        return [sys.executable, "-m", "tests.services.smtp", *words, *tls]

    def _how(self) -> dict[str, Any]:
        return {"cwd": ROOT}

    def _answers(self) -> bool:
        try:
            with smtplib.SMTP("127.0.0.1", self.port, timeout=2) as client:
                return client.noop()[0] == 250
        except (OSError, smtplib.SMTPException):
            return False


class Inbox:
    """Writes each message into a file of its own, with how it came."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: object
    ) -> str:
        if address == NOBODY:
            return "550 5.1.1 No such reader"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:
        how = f"X-Encrypted: {session.ssl is not None}\r\nX-User: {session.auth_data}\r\n"
        content = envelope.original_content or b""
        number = len(list(self._folder.iterdir()))
        partial = self._folder / "partial"
        partial.write_bytes(how.encode() + content)
        partial.replace(self._folder / f"{number}.eml")
        return "250 Taken"


def accepted(
    _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, login: Any
) -> AuthResult:
    """Whether the password is the right one."""
    assert isinstance(login, LoginPassword)
    is_right = (login.login, login.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=is_right, handled=False, auth_data=login.login.decode())


def main(words: Sequence[str]) -> None:
    """Serve until told to stop."""
    port, folder, certificate, *rest = words
    options: dict[str, Any] = {}
    if "--no-tls" not in rest:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        options = {
            "tls_context": context,
            "require_starttls": True,
            "auth_required": True,
            "authenticator": accepted,
        }
    controller = Controller(Inbox(Path(folder)), hostname="127.0.0.1", port=int(port), **options)
    controller.start()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    stop.wait()
    controller.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
