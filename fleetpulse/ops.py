"""/healthz, /readyz and /metrics of a process that has no API of its own.

| path | answer |
|---|---|
| /healthz | 200 while the process lives |
| /readyz | 200, or 503 while a part is not well, with what is wrong as JSON |
| /metrics | numbers for Prometheus |

It tells nothing secret and takes nothing: no body is read, no other path is answered.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from fleetpulse.errors import StartError
from fleetpulse.health import Health

CONNECTIONS_AT_ONCE = 8
SILENT_S = 5.0  # who says nothing for so long is hung up on
_TEXT, _JSON = "text/plain; charset=utf-8", "application/json"

Answer = tuple[HTTPStatus, str, bytes]  # status, content type, body
Readiness = Callable[[Mapping[str, str]], Mapping[str, Any]]


def said_ready(problems: Mapping[str, str]) -> Mapping[str, Any]:
    """What /readyz says: whether all is well, and what is wrong by part."""
    return {"ready": not problems, "problems": problems}


@contextmanager
def ops_server(
    host: str,
    port: int | None,
    health: Health,
    registry: CollectorRegistry,
    *,
    readiness: Readiness = said_ready,
) -> Iterator[int | None]:
    """Answer there as long as the block runs; gives the port. None: nothing is answered.

    readiness: what /readyz says of the problems. Raises StartError when the port cannot be had.
    """
    if port is None:
        yield None
        return
    server = _server(host, port, answers(health, registry, readiness))
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="ops", daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answers(
    health: Health, registry: CollectorRegistry, readiness: Readiness
) -> Mapping[str, Callable[[], Answer]]:
    """What is answered, by path."""

    def readyz() -> Answer:
        problems = dict(sorted(health.problems().items()))
        status = HTTPStatus.SERVICE_UNAVAILABLE if problems else HTTPStatus.OK
        return status, _JSON, json.dumps(readiness(problems), ensure_ascii=False).encode()

    return {
        "/healthz": lambda: (HTTPStatus.OK, _TEXT, b"ok\n"),
        "/readyz": readyz,
        "/metrics": lambda: (HTTPStatus.OK, CONTENT_TYPE_PLAIN_0_0_4, generate_latest(registry)),
    }


def _server(host: str, port: int, paths: Mapping[str, Callable[[], Answer]]) -> _Server:
    try:
        return _Server(host, port, type("Handler", (_Handler,), {"paths": paths}))
    except OSError as problem:
        raise StartError(
            f"Port {port} on {host} is not to be had ({problem.strerror}): stop what uses it, or"
            " set FLEETPULSE_OPS_HOST and FLEETPULSE_OPS_PORT to something else."
        ) from problem


class _Server(ThreadingMixIn, TCPServer):
    """A thread a connection, of a few; more are hung up on."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._free = threading.BoundedSemaphore(CONNECTIONS_AT_ONCE)
        super().__init__((host, port), handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: who asks and hangs up is no event of ours."""


class _Handler(BaseHTTPRequestHandler):
    paths: Mapping[str, Callable[[], Answer]]
    timeout = SILENT_S
    server_version, sys_version = "fleetpulse", ""

    def do_GET(self) -> None:
        answer = self.paths.get(self.path.partition("?")[0])
        if answer is None:
            self.send_error(HTTPStatus.NOT_FOUND)
        else:
            self._send(*answer())

    do_HEAD = do_GET

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """A refusal in a word; what was asked is not repeated."""
        status = HTTPStatus(code)
        self._send(status, _TEXT, f"{status.phrase}\n".encode())

    def _send(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a probe every few seconds is no event."""
