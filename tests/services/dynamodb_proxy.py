"""A proxy before DynamoDB Local that fails as AWS documents it: the local server never does."""

from __future__ import annotations

import http.client
import json
import random
import socket
import struct
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
THROUGHPUT = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"
THROTTLING = "com.amazon.coral.availability#ThrottlingException"
INTERNAL = "com.amazonaws.dynamodb.v20120810#InternalServerError"
DENIED = "com.amazon.coral.service#AccessDeniedException"


@dataclass
class Faults:
    """What goes wrong from now on; all of it may be changed while requests are under way."""

    unprocessed: float = 0.0  # share of a BatchWriteItem's writes that are given back
    refuse_with: str | None = None  # every request, with this error
    refuse_after: int | None = None  # requests that go through before `refuse_with` begins
    lose_answers: bool = False  # a refused request is carried out all the same
    only: frozenset[str] = frozenset()  # operations that are refused; empty: all
    reset: float = 0.0  # share of connections that are cut instead of an answer
    slow_s: float = 0.0
    seen: Counter[str] = field(default_factory=Counter)  # requests by operation
    given_back: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._chance = random.Random(7)

    def heal(self) -> None:
        """Nothing goes wrong any more."""
        self.unprocessed = self.reset = self.slow_s = 0.0
        self.refuse_with = self.refuse_after = None
        self.lose_answers = False

    def refuses(self, operation: str) -> str | None:
        """The error that this request gets, if any; counts the request."""
        with self._lock:
            self.seen[operation] += 1
            if self.refuse_with is None or (self.only and operation not in self.only):
                return None
            if self.refuse_after is not None and self.refuse_after > 0:
                self.refuse_after -= 1
                return None
            return self.refuse_with

    def happens(self, share: float) -> bool:
        """Whether something of this share happens now."""
        with self._lock:
            return share > 0 and self._chance.random() < share

    def give_back(self, count: int) -> None:
        """Count writes that were given back."""
        with self._lock:
            self.given_back += count


class DynamoDBProxy:
    """A server at `endpoint` that hands requests on to `behind`, but for its `faults`."""

    def __init__(self, behind: str) -> None:
        self.faults = Faults()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.behind, self._server.faults = behind, self.faults
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> DynamoDBProxy:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    behind: str
    faults: Faults

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is none of our business."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._behind = http.client.HTTPConnection(urlsplit(self.server.behind).netloc)

    def finish(self) -> None:
        self._behind.close()
        super().finish()

    def do_POST(self) -> None:
        faults = self.server.faults
        body = self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers["X-Amz-Target"].partition(".")[2]
        if faults.slow_s:
            time.sleep(faults.slow_s)
        refusal = faults.refuses(operation)
        if refusal is not None:
            if faults.lose_answers:
                self._hand_on(body)
            status = 500 if refusal == INTERNAL else 400
            self._answer(status, json.dumps({"__type": refusal, "message": "a fault"}).encode())
        elif faults.happens(faults.reset):
            self._reset()
        elif operation == "BatchWriteItem" and faults.unprocessed:
            self._answer(*self._write_some(json.loads(body)))
        else:
            self._answer(*self._hand_on(body))

    def _write_some(self, document: dict[str, Any]) -> tuple[int, bytes]:
        """Write some of a batch, and give the others back."""
        faults = self.server.faults
        ((table, writes),) = document["RequestItems"].items()
        back = [write for write in writes if faults.happens(faults.unprocessed)]
        kept = [write for write in writes if write not in back]
        faults.give_back(len(back))
        told: dict[str, Any] = {}
        if kept:
            status, answer = self._hand_on(json.dumps({"RequestItems": {table: kept}}).encode())
            if status != 200:
                return status, answer
            told = json.loads(answer)
        told["UnprocessedItems"] = {table: back} if back else {}
        return 200, json.dumps(told).encode()

    def _hand_on(self, body: bytes) -> tuple[int, bytes]:
        names = ("X-Amz-Target", "Content-Type", "Authorization", "X-Amz-Date")
        headers = {name: self.headers[name] for name in names}
        self._behind.request("POST", "/", body, headers)
        with self._behind.getresponse() as response:
            return response.status, response.read()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _reset(self) -> None:
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.request.close()

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are counted, not logged."""
