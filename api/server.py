"""Serving a WSGI application with gunicorn: one process, many threads."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from gunicorn.errors import AppImportError  # type: ignore[import-untyped]

from fleetpulse.errors import FleetpulseError, StartError

THREADS = 32  # long polls and slow readers each hold one
STOP_WITHIN_S = 2
# Longer than the 60 s of AWS' load balancer, which would otherwise send a request into a connection
# that is just being closed, and answer 502.
KEEP_ALIVE_S = 75

WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Any]


def serve(
    make_application: Callable[[ExitStack], WsgiApplication],
    host: str,
    port: int,
    *,
    greeting: str = "",
) -> int:
    """Serve until SIGINT or SIGTERM; the exit code.

    make_application: called in the process that serves, so that connections made in it are its own;
    what it puts on the stack is closed when that process ends.
    greeting: printed once the port is ours. Raises StartError if the port cannot be had.
    """
    listener = listen(host, port)
    sys.stdout.write(greeting)
    sys.stdout.flush()
    this_process = os.getpid()
    try:
        Server(make_application, listener).run()
    except SystemExit as end:  # how gunicorn ends, well or not
        if os.getpid() != this_process:
            raise  # a worker: its exit code tells the arbiter why
        return 0 if end.code in (0, None) else 1
    return 0


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises StartError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as problem:
        listener.close()
        raise StartError(
            f"Port {port} on {host} is not to be had ({problem.strerror}):"
            " stop what uses it, or choose another with --port."
        ) from problem
    return listener


class Server(BaseApplication):
    """Gunicorn, set up here rather than by a configuration file."""

    def __init__(
        self, make_application: Callable[[ExitStack], WsgiApplication], listener: socket.socket
    ) -> None:
        self._make_application = make_application
        self._opened = ExitStack()
        self._descriptor = listener.detach()  # gunicorn closes it
        super().__init__()

    def load_config(self) -> None:
        for name, value in {
            "bind": f"fd://{self._descriptor}",
            "workers": 1,
            "worker_class": "gthread",
            "threads": THREADS,
            "graceful_timeout": STOP_WITHIN_S,
            "keepalive": KEEP_ALIVE_S,
            "loglevel": "warning",
            "worker_exit": self._close,
            "forwarded_allow_ips": "",  # X-Forwarded-Proto is believed from nobody
            "control_socket_disable": True,  # it would be a file in the working directory
        }.items():
            self.cfg.set(name, value)

    def load(self) -> WsgiApplication:
        try:
            return self._make_application(self._opened)
        except FleetpulseError as problem:
            raise AppImportError(str(problem)) from problem  # printed, and the end of the server

    def _close(self, _server: object, _worker: object) -> None:
        self._opened.close()
