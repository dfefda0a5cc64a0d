"""Posts, and channels and networks that are none."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from ipaddress import ip_address

import httpcore

from fleetpulse.actions.public_network import Address, PublicNetwork
from fleetpulse.alerts import AlertEvent
from fleetpulse.delivery.messages import Post, alert_post
from fleetpulse.errors import NotifyError
from tests.contracts.builders import NOON, an_event

PNG = b"\x89PNG a picture"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def a_post(*, photo: bytes | None = None, event: AlertEvent | None = None) -> Post:
    """The message of one event."""
    post = alert_post(an_event() if event is None else event, None, NOON)
    return replace(post, photo=photo)


class FakeChannel:
    """Keeps what it is given; refuses, or hangs, when it is told to."""

    def __init__(self) -> None:
        self.sent: list[Post] = []
        self.refusal: Exception | None = None
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.was_sent = threading.Semaphore(0)

    def send(self, post: Post) -> str:
        self.goes_on.wait()
        if self.refusal is not None:
            raise self.refusal
        self.sent.append(post)
        self.was_sent.release()
        return str(len(self.sent))


class FakeReceiver(httpcore.NetworkBackend):
    """A network whose every server gives this answer; it keeps what it is asked, and where."""

    def __init__(self, answer: str = "200 OK", *headers: str) -> None:
        self.answer = "\r\n".join([f"HTTP/1.1 {answer}", *headers, "Content-Length: 0", "", ""])
        self.reached: list[str] = []
        self.received = b""
        self.fails: dict[str, Exception] = {}  # by address

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        self.reached.append(host)
        if host in self.fails:
            raise self.fails[host]
        return _Stream(self)

    @property
    def head(self) -> dict[str, str]:
        """The headers that came, by lower-case name."""
        lines = self.received.partition(b"\r\n\r\n")[0].decode().splitlines()[1:]
        pairs = (line.partition(": ") for line in lines)
        return {name.lower(): value for name, _, value in pairs}

    @property
    def body(self) -> bytes:
        return self.received.partition(b"\r\n\r\n")[2]


class _Stream(httpcore.NetworkStream):
    def __init__(self, receiver: FakeReceiver) -> None:
        self._receiver, self._answers = receiver, [receiver.answer.encode()]

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._answers.pop() if self._answers else b""

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._receiver.received += buffer

    def close(self) -> None:
        """Nothing is open."""


def leading_to(*addresses: str) -> Callable[[str, int], Sequence[Address]]:
    """A resolver to which every name is these addresses."""
    return lambda _host, _port: [ip_address(address) for address in addresses]


def network_to(receiver: FakeReceiver, *addresses: str) -> PublicNetwork:
    """A network in which every name leads to these addresses, and each is that receiver."""
    return PublicNetwork(resolve=leading_to(*addresses), network=receiver)


AWAY = NotifyError("it is away")
