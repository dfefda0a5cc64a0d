"""The dashboard on a port of its own, and what its tests put into its store."""

from __future__ import annotations

import threading
from typing import Any

from werkzeug.serving import BaseWSGIServer, make_server

from api import create_app
from api.app import LOCAL_DOOR
from api.door import Door
from fleetpulse.clock import SystemClock
from fleetpulse.stores.memory import MemoryStore
from tests.unit.api.builders import CARD, FakePublisher, FakeRegistry, save_reading

PATIENCE_MS = 15_000


class Site:
    """The API on a free port, which can go away and come back."""

    def __init__(self, store: MemoryStore, door: Door = LOCAL_DOOR) -> None:
        self._app = create_app(
            store,
            FakeRegistry([CARD]),
            clock=SystemClock(),
            interval_s=5.0,
            chat_url="/chat",
            publisher=FakePublisher(),
            door=door,
        )
        self._server: BaseWSGIServer
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Answer, on the same port as before."""
        self._server = make_server("127.0.0.1", self._port, self._app, threaded=True)
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()


def now_ms() -> int:
    return SystemClock().now_ms()


def a_raspberry(store: MemoryStore, seq: int = 1, **more: Any) -> None:
    """A newest reading of the device `pi-1`."""
    channels: dict[str, Any] = {"temperature_c": 61.3, "load_pct": 37.5} | more
    save_reading(store, "pi-1", at=now_ms(), seq=seq, probability=0.42, **channels)
