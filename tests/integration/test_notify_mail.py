"""E-mail against a real mail server: what arrives, and what a server that is wrong or away does."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fleetpulse.cli.readiness import problems_at
from fleetpulse.stores.protocols import Progress
from tests.integration.notifying import at_work, deliveries, happen, said, tried_out
from tests.integration.processes import stopped, until
from tests.services.ports import free_ports
from tests.services.smtp import NOBODY, MailServer

pytestmark = pytest.mark.integration


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MailServer]:
    folder = tmp_path / "mail"
    folder.mkdir()
    with MailServer(folder) as server:
        yield server


@contextmanager
def mailing(
    data: Path, server: MailServer, url: str | None = None, *, port: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """The notifier with that mail server as its only channel."""
    own = {} if port is None else {"FLEETPULSE_OPS_PORT": str(port)}
    channel = f"mail={url or server.channel()}"
    with at_work(
        data, FLEETPULSE_NOTIFY=channel, SSL_CERT_FILE=str(server.ca_file), **own
    ) as process:
        yield process


def test_a_warning_arrives_encrypted_with_words_html_and_chart(
    tmp_path: Path, server: MailServer
) -> None:
    with mailing(tmp_path, server) as process:
        happen(tmp_path, "pi-attic")
        until(lambda: server.messages)
        until(lambda: deliveries(tmp_path, "pi-attic")[0].progress is Progress.SENT)
        assert stopped(process) == 0

    (message,) = server.messages
    text, html = message.get_body(["plain"]), message.get_body(["html"])
    kinds = [part.get_content_type() for part in message.walk()]
    assert message["Subject"] == "pi-attic will soon be stressed"
    assert (message["X-Encrypted"], message["X-User"]) == ("True", "ada")
    assert text is not None
    assert html is not None
    assert "pi-attic will soon be stressed" in text.get_content()
    assert "<b>pi-attic</b>" in html.get_content()
    assert kinds.count("image/png") == 1
    assert message["Message-ID"] == deliveries(tmp_path, "pi-attic")[0].message_id


def test_a_server_without_tls_is_told_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "mail"
    folder.mkdir()
    with MailServer(folder, tls=False) as server:
        done = tried_out(tmp_path, FLEETPULSE_NOTIFY=f"mail={server.channel()}")

    assert done.returncode == 1
    assert "STARTTLS" in done.stdout
    assert server.messages == []


def test_a_server_with_a_certificate_of_somebody_else_is_told_nothing(
    tmp_path: Path, server: MailServer
) -> None:
    done = tried_out(tmp_path, FLEETPULSE_NOTIFY=f"mail={server.channel()}")

    assert done.stdout == "mail: the mail server's certificate is not trusted\n"
    assert server.messages == []


def test_a_test_message_comes_with_a_picture(tmp_path: Path, server: MailServer) -> None:
    done = tried_out(
        tmp_path,
        FLEETPULSE_NOTIFY=f"mail={server.channel()}",
        SSL_CERT_FILE=str(server.ca_file),
    )

    assert (done.returncode, done.stdout) == (0, "mail: sent\n")
    (message,) = server.messages
    assert message["Subject"] == "This channel works. A warning looks like this"
    assert "image/png" in [part.get_content_type() for part in message.walk()]


def test_a_wrong_password_is_told_and_the_channel_waits(tmp_path: Path, server: MailServer) -> None:
    (port,) = free_ports(1)
    url = server.channel(password="wrong-password")
    with mailing(tmp_path, server, url, port=port) as process:
        happen(tmp_path, "pi-attic")
        until(lambda: problems_at(port))
        problems = problems_at(port)
        assert stopped(process) == 0

    assert problems == {
        "notify:mail": "The channel mail fails: the mail server does not accept the user and"
        " password (code 535)."
    }
    (waiting,) = deliveries(tmp_path, "pi-attic")
    assert (waiting.progress, waiting.attempts) == (Progress.WAITING, 1)
    assert "wrong-password" not in said(tmp_path)
    assert "wrong-password" not in str(waiting)


def test_a_reader_who_does_not_exist_costs_that_message_only(
    tmp_path: Path, server: MailServer
) -> None:
    with mailing(tmp_path, server, server.channel(to=NOBODY)):
        for device in ("pi-1", "pi-2"):
            happen(tmp_path, device)
            until(lambda device=device: deliveries(tmp_path, device))  # type: ignore[misc]
            until(lambda device=device: _given_up(tmp_path, device))  # type: ignore[misc]

    given_up = [json.loads(line) for line in said(tmp_path).splitlines() if "given up" in line]
    assert [line["event"] for line in given_up] == ["message given up"] * 2
    assert server.messages == []


def _given_up(data: Path, device_id: str) -> bool:
    return deliveries(data, device_id)[0].progress is Progress.FAILED


def test_a_server_that_is_away_for_a_while_loses_nothing(
    tmp_path: Path, server: MailServer
) -> None:
    with mailing(tmp_path, server):
        with server.down():
            happen(tmp_path, "pi-1")
            until(lambda: "does not answer" in said(tmp_path))
            happen(tmp_path, "pi-2")
        until(lambda: len(server.messages) == 2)

    assert [message["Subject"].split()[0] for message in server.messages] == ["pi-1", "pi-2"]
