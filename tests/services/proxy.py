"""A bad network for tests: a TCP proxy that is slow, resets connections, falls silent, or is cut.

It stands before a server of 127.0.0.1. A server that tells its clients where to connect, as Kafka
does, must tell them the proxy's port.
"""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from types import TracebackType

CHUNK_BYTES = 16 * 1024
_ABORT = struct.pack("ii", 1, 0)  # SO_LINGER: close() resets the connection


class Proxy:
    """One port that leads to another, by a way that can be made bad at any time.

    latency_s: what every chunk waits, in each direction. bytes_per_s: of one direction of one
    connection; None: no limit. reset_after: connections are reset after a number of bytes between
    these two, counted in both directions; None: never.
    """

    def __init__(self, target_port: int, *, seed: int = 1) -> None:
        self.latency_s = 0.0
        self.bytes_per_s: float | None = None
        self.reset_after: tuple[int, int] | None = None
        self.resets = 0
        self._target_port = target_port
        self._rng = random.Random(seed)
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        self._refuses = False
        self._carries = threading.Event()
        self._carries.set()
        self._links: list[_Link] = []
        self._acceptor = threading.Thread(target=self._welcome, daemon=True)
        self._acceptor.start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextlib.contextmanager
    def cut(self) -> Iterator[None]:
        """For the length of a block: connections are reset, and no new one comes about."""
        self._refuses = True
        self.reset_all()
        try:
            yield
        finally:
            self._refuses = False

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """For the length of a block: connections stay and come about, but nothing passes."""
        self._carries.clear()
        try:
            yield
        finally:
            self._carries.set()

    def heal(self) -> None:
        """Be a good network again; connections that are open stay as they are."""
        self.latency_s, self.bytes_per_s, self.reset_after = 0.0, None, None

    def reset_all(self) -> None:
        """Reset the connections that are open now."""
        for link in self._links:
            self.resets += link.reset()
        self._links = [link for link in self._links if not link.is_reset]

    def close(self) -> None:
        """End everything."""
        self._refuses = True
        with contextlib.suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        self._acceptor.join()
        self._carries.set()
        self.reset_all()

    def _welcome(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                guest, _ = self._door.accept()
                link = self._linked(guest)
                if link is not None:
                    self._links.append(link)
                    for one, other in ((guest, link.server), (link.server, guest)):
                        way = threading.Thread(
                            target=self._carry, args=(link, one, other), daemon=True
                        )
                        way.start()

    def _linked(self, guest: socket.socket) -> _Link | None:
        """The guest with a connection to the server, if there may be one."""
        try:
            if self._refuses:
                raise ConnectionRefusedError
            server = socket.create_connection(("127.0.0.1", self._target_port))
        except OSError:
            _abort(guest)
            return None
        limits = self.reset_after
        return _Link(guest, server, None if limits is None else self._rng.randint(*limits))

    def _carry(self, link: _Link, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := one.recv(CHUNK_BYTES):
                self._carries.wait()
                per_s = self.bytes_per_s
                time.sleep(self.latency_s + (len(content) / per_s if per_s else 0.0))
                allowed = link.allowance(len(content))
                other.sendall(content[:allowed])  # also a part: records are torn
                if allowed < len(content):
                    self.resets += link.reset()
                    return
            other.shutdown(socket.SHUT_WR)
            if link.one_way_over():
                link.close()


class _Link:
    """A connection through the proxy: its two halves, and how many bytes it still may carry."""

    def __init__(self, guest: socket.socket, server: socket.socket, left: int | None) -> None:
        self.guest, self.server = guest, server
        self.is_reset = False
        self._left = left
        self._ways_over = 0
        self._lock = threading.Lock()

    def allowance(self, size: int) -> int:
        """How many of these bytes may pass."""
        with self._lock:
            if self._left is None:
                return size
            allowed = min(size, self._left)
            self._left -= allowed
            return allowed

    def one_way_over(self) -> bool:
        """Count a direction that has ended; whether both have."""
        with self._lock:
            self._ways_over += 1
            return self._ways_over == 2

    def reset(self) -> bool:
        """Reset both halves; False: that was done already."""
        with self._lock:
            first, self.is_reset = not self.is_reset, True
        for half in (self.guest, self.server):
            _abort(half)
        return first

    def close(self) -> None:
        """Close both halves in peace."""
        self.is_reset = True
        for half in (self.guest, self.server):
            half.close()


def _abort(half: socket.socket) -> None:
    with contextlib.suppress(OSError):
        half.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        half.shutdown(socket.SHUT_RD)  # wakes whoever reads from it
    half.close()
