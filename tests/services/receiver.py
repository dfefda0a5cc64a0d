"""A real HTTP server as a process, which keeps every request and answers as it is told.

`python -m tests.services.receiver PORT FOLDER [CERTIFICATE]` is the server itself.
"""

from __future__ import annotations

import json
import ssl
import sys
import urllib.request
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec

from tests.services.certificates import Authority
from tests.services.ports import free_ports
from tests.services.server import Server

ROOT = Path(__file__).resolve().parents[2]
REQUESTS, STATUS = "requests.jsonl", "status"


class Came(msgspec.Struct):
    """One request, and what it was answered."""

    path: str
    headers: dict[str, str]  # by lower-case name
    body: str
    status: int


class Receiver(Server):
    """Takes POSTs on a port of 127.0.0.1."""

    name = "the receiver"
    start_s = 30.0

    def __init__(self, folder: Path, *, authority: Authority | None = None) -> None:
        super().__init__(folder)
        self._folder, self._scheme, self._tls = folder, "http", list[str]()
        if authority is not None:
            self._scheme, self._tls = "https", [str(authority.server_file())]
        (self.port,) = free_ports(1)
        self.answer(200)

    def answer(self, status: int, location: str = "") -> None:
        """Answer with this from now on."""
        partial = self._folder / f"{STATUS}.partial"
        partial.write_text(json.dumps([status, location]))
        partial.replace(self._folder / STATUS)

    @property
    def came(self) -> list[Came]:
        """Every request, in order."""
        file = self._folder / REQUESTS
        lines = file.read_text().splitlines(keepends=True) if file.exists() else []
        return [msgspec.json.decode(line, type=Came) for line in lines if line.endswith("\n")]

    def _command(self) -> Sequence[str]:
        return [
            sys.executable,
            "-m",
            "tests.services.receiver",
            str(self.port),
            str(self._folder),
            *self._tls,
        ]

    def _how(self) -> dict[str, Any]:
        return {"cwd": ROOT}

    def _answers(self) -> bool:
        url, context = f"{self._scheme}://127.0.0.1:{self.port}/", ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with urllib.request.urlopen(url, timeout=2, context=context) as answer:  # noqa: S310
                return bool(answer.status == 204)
        except OSError:
            return False


class Keeper(BaseHTTPRequestHandler):
    """Keeps requests in a folder."""

    folder: Path

    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, location = json.loads((self.folder / STATUS).read_text())
        headers = {name.lower(): value for name, value in self.headers.items()}
        came = Came(path=self.path, headers=headers, body=body.decode(), status=status)
        with (self.folder / REQUESTS).open("ab") as file:
            file.write(msgspec.json.encode(came) + b"\n")
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


def main(words: Sequence[str]) -> None:
    """Serve until killed."""
    port, folder, *certificates = words
    Keeper.folder = Path(folder)
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), Keeper)
    for certificate in certificates:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
