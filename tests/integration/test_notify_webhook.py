"""Webhooks against a real receiver: signed, tried again, and not into a private network."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from standardwebhooks import Webhook as Reference

from fleetpulse.cli.readiness import problems_at
from fleetpulse.stores.protocols import Progress
from fleetpulse.watch import STOPPED
from tests.integration.notifying import at_work, deliveries, happen, opened, said, tried_out
from tests.integration.processes import stopped, until
from tests.services.certificates import Authority
from tests.services.ports import free_ports
from tests.services.receiver import Receiver
from tests.unit.actions.builders import SECRET
from tests.unit.actions.test_webhook import signed_by_hand

pytestmark = pytest.mark.integration
ALLOWED = "127.0.0.0/8"


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    folder = tmp_path / "receiver"
    folder.mkdir()
    with Receiver(folder) as receiver:
        yield receiver


def url_of(receiver: Receiver, path: str = "in") -> str:
    """The URL of a channel that ends there."""
    return f"webhook+http://127.0.0.1:{receiver.port}/{path}?secret={SECRET}"


@contextmanager
def hooked(
    data: Path, receiver: Receiver, *, allowed: str = ALLOWED, more: str = "", **own: str
) -> Iterator[subprocess.Popen[bytes]]:
    """The notifier with that receiver as a channel."""
    channels = f"hook={url_of(receiver)} {more}"
    environment = {"FLEETPULSE_NOTIFY": channels, "FLEETPULSE_NOTIFY_PRIVATE": allowed}
    with at_work(data, **environment, **own) as process:
        yield process


def test_a_warning_arrives_signed(tmp_path: Path, receiver: Receiver) -> None:
    with hooked(tmp_path, receiver) as process:
        happen(tmp_path, "pi-attic")
        until(lambda: receiver.came)
        until(lambda: deliveries(tmp_path, "pi-attic")[0].progress is Progress.SENT)
        assert stopped(process) == 0

    (came,) = receiver.came
    message_id = came.headers["webhook-id"]
    assert came.path == "/in"
    assert came.headers["webhook-signature"] == signed_by_hand(
        SECRET, message_id, came.headers["webhook-timestamp"], came.body.encode()
    )
    document = Reference(SECRET).verify(came.body, came.headers)
    assert document["type"] == "alert"
    assert document["events"][0]["device_id"] == "pi-attic"
    assert deliveries(tmp_path, "pi-attic")[0].message_id == message_id
    with opened(tmp_path) as store:
        (beat,) = store.heartbeats.all()
    assert (beat.process, beat.detail) == ("notify", STOPPED)


def test_a_busy_receiver_gets_the_same_message_again(tmp_path: Path, receiver: Receiver) -> None:
    receiver.answer(503)
    with hooked(tmp_path, receiver):
        happen(tmp_path, "pi-attic")
        until(lambda: receiver.came)
        receiver.answer(200)
        until(lambda: len(receiver.came) == 2)

    first, second = receiver.came
    assert (first.status, second.status) == (503, 200)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f.1"])
def test_a_private_address_is_refused_unless_it_is_allowed(
    tmp_path: Path, receiver: Receiver, host: str
) -> None:
    channel = f"hook={url_of(receiver).replace('127.0.0.1', host)}"

    refused = tried_out(tmp_path, FLEETPULSE_NOTIFY=channel)

    assert refused.returncode == 1
    assert "FLEETPULSE_NOTIFY_PRIVATE" in refused.stdout
    assert receiver.came == []


def test_one_that_is_allowed_is_reached(tmp_path: Path, receiver: Receiver) -> None:
    sent = tried_out(
        tmp_path,
        FLEETPULSE_NOTIFY=f"hook={url_of(receiver)}",
        FLEETPULSE_NOTIFY_PRIVATE=ALLOWED,
    )

    assert (sent.returncode, sent.stdout) == (0, "hook: sent\n")
    assert json.loads(receiver.came[0].body)["type"] == "test"


def test_a_receiver_with_tls_must_have_a_certificate_of_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "receiver"
    folder.mkdir()
    authority = Authority(folder)
    with Receiver(folder, authority=authority) as receiver:
        channel = f"hook={url_of(receiver).replace('http:', 'https:')}"
        own = {"FLEETPULSE_NOTIFY": channel, "FLEETPULSE_NOTIFY_PRIVATE": ALLOWED}

        unknown = tried_out(tmp_path, **own)
        known = tried_out(tmp_path, SSL_CERT_FILE=str(authority.ca_file), **own)

    assert unknown.stdout == "hook: the receiver's certificate is not trusted\n"
    assert known.stdout == "hook: sent\n"
    assert len(receiver.came) == 1


def test_a_redirect_is_not_followed(tmp_path: Path, receiver: Receiver) -> None:
    receiver.answer(307, f"http://127.0.0.1:{receiver.port}/elsewhere")

    done = tried_out(
        tmp_path,
        FLEETPULSE_NOTIFY=f"hook={url_of(receiver)}",
        FLEETPULSE_NOTIFY_PRIVATE=ALLOWED,
    )

    assert "status 307" in done.stdout
    assert [came.path for came in receiver.came] == ["/in"]


def test_a_refusal_is_told_without_the_secret_and_is_over_when_a_message_arrives(
    tmp_path: Path, receiver: Receiver
) -> None:
    (port,) = free_ports(1)
    receiver.answer(500)
    with hooked(tmp_path, receiver, FLEETPULSE_OPS_PORT=str(port)):
        happen(tmp_path, "pi-attic")
        until(lambda: problems_at(port))
        problems = problems_at(port)
        receiver.answer(200)
        until(lambda: problems_at(port) == {})

    assert problems == {
        "notify:hook": "The channel hook fails: the receiver answered with status 500."
    }
    assert SECRET not in said(tmp_path)


def test_a_receiver_that_hangs_holds_up_no_other_nor_the_end(
    tmp_path: Path, receiver: Receiver
) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    with (
        Receiver(folder) as other,
        hooked(tmp_path, receiver, more=f"other={url_of(other)}") as process,
        receiver.frozen(),
    ):
        for number in range(1, 4):
            happen(tmp_path, f"pi-{number}")
            until(lambda count=number: len(other.came) == count)  # type: ignore[misc]

        assert stopped(process) == 0

    assert len(other.came) == 3


def test_a_service_of_apprise_is_a_channel_like_any_other(
    tmp_path: Path, receiver: Receiver
) -> None:
    with hooked(tmp_path, receiver, more=f"json=json://127.0.0.1:{receiver.port}/service"):
        happen(tmp_path, "pi-attic")
        until(lambda: len(receiver.came) == 2)

    (came,) = [came for came in receiver.came if came.path.startswith("/service")]
    document = json.loads(came.body)
    assert document["title"] == "⚠️ pi-attic will soon be stressed"
    assert document["type"] == "warning"
    assert len(document["attachments"]) == 1


def test_a_kill_between_messages_doubles_one_at_most(tmp_path: Path, receiver: Receiver) -> None:
    devices = [f"pi-{number}" for number in range(1, 7)]
    for place, device in enumerate(devices, 1):
        with hooked(tmp_path, receiver) as process:
            happen(tmp_path, device)
            until(lambda count=place: len(_told(receiver)) >= count)  # type: ignore[misc]
            process.send_signal(signal.SIGKILL)
            process.wait()
    with hooked(tmp_path, receiver):
        until(lambda: all(_is_sent(tmp_path, device) for device in devices))

    ids = [came.headers["webhook-id"] for came in receiver.came]
    assert set(_told(receiver)) == set(devices)
    assert all(ids.count(message_id) <= 2 for message_id in ids)
    assert len(ids) <= len(devices) + 6


def _told(receiver: Receiver) -> set[str]:
    """The devices that messages came of."""
    documents = [json.loads(came.body) for came in receiver.came]
    return {event["device_id"] for document in documents for event in document["events"]}


def _is_sent(data: Path, device_id: str) -> bool:
    found = deliveries(data, device_id)
    return bool(found) and found[0].progress in (Progress.SENT, Progress.FOLDED)
