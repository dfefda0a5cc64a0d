"""The Bot API as a server on a port of its own: it can go away, and come back on the same port."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask
from werkzeug.serving import BaseWSGIServer, make_server

HOST = "127.0.0.1"
LOOK_S = 0.01


class Server:
    """A context manager that serves while it is open. port: 0 takes a free one."""

    def __init__(self, app: Flask, port: int = 0) -> None:
        self._app = app
        self._listening = make_server(HOST, port, app, threaded=True)
        self.port = self._listening.server_port
        self._thread = self._serving()

    @property
    def root(self) -> str:
        """The address of the Bot API: methods are <root>/bot<token>/<method>."""
        return f"http://{HOST}:{self.port}"

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Serve no more."""
        self._listening.shutdown()
        self._thread.join()
        self._listening.server_close()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Refuse every connection for the length of a block; the port stays ours."""
        self.close()
        with socket.socket() as kept:  # bound, but it does not listen
            kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            kept.bind((HOST, self.port))
            try:
                yield
            finally:
                kept.close()
                self._listening = make_server(HOST, self.port, self._app, threaded=True)
                self._thread = self._serving()

    def _serving(self) -> threading.Thread:
        thread = threading.Thread(
            target=_serve, args=(self._listening,), name="bot-api", daemon=True
        )
        thread.start()
        return thread


def _serve(server: BaseWSGIServer) -> None:
    server.serve_forever(poll_interval=LOOK_S)
