"""The ping: while all is well, each minute, and its address in no log line."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from prometheus_client import CollectorRegistry

from bot.ping import Ping
from fleetpulse.clock import ManualClock
from fleetpulse.metrics import BotMetrics


class Receiver:
    """Who waits for pings, on a port of this machine."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                receiver.paths.append(self.path)
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/secret-1"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


class Life:
    """A bot that is well at some of its looks, for so many looks."""

    def __init__(self, url: str, well: list[bool]) -> None:
        self.clock, self.stop = ManualClock(), threading.Event()
        self.metrics = BotMetrics(CollectorRegistry())
        self._well = well
        self.ping = Ping(url, is_well=self.is_well, clock=self.clock, metrics=self.metrics)

    def is_well(self) -> bool:
        well = self._well.pop(0)
        if not self._well:
            self.stop.set()
        return well

    def run(self) -> float:
        """How many seconds it took."""
        began = self.clock.now_ms()
        self.ping.run(self.stop)
        return (self.clock.now_ms() - began) / 1000


def test_it_is_asked_each_minute_while_all_is_well(receiver: Receiver) -> None:
    took_s = Life(receiver.url, [True] * 5).run()

    assert receiver.paths == ["/secret-1"] * 5
    assert took_s == 300


def test_it_is_not_asked_while_something_is_wrong(receiver: Receiver) -> None:
    Life(receiver.url, [False] * 5).run()

    assert receiver.paths == []


def test_a_failure_is_logged_once_and_without_the_address(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.status = 503

    Life(receiver.url, [True] * 3).run()

    said = [record for record in caplog.records if record.name == "bot.ping"]
    assert [vars(record)["problem"] for record in said] == ["status 503"]
    assert "secret-1" not in "".join(record.getMessage() for record in said)


def test_nobody_there_is_a_failure_too(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    life = Life(receiver.url.replace(str(receiver.server.server_port), "9"), [True] * 2)

    life.run()

    problems = [vars(one)["problem"] for one in caplog.records if one.name == "bot.ping"]
    assert problems == ["ConnectError"]
