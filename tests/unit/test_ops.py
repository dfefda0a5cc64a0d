"""/healthz, /readyz and /metrics of a process without an API."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse

import pytest

from fleetpulse.errors import StartError
from fleetpulse.health import Health
from fleetpulse.metrics import new_registry
from fleetpulse.ops import CONNECTIONS_AT_ONCE, ops_server
from tests.services.ports import free_ports


@dataclass
class Ops:
    """A process' health, and who asks for it."""

    health: Health
    port: int

    def ask(self, path: str, method: str = "GET") -> tuple[HTTPResponse, str]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response, response.read().decode()
        finally:
            connection.close()


@pytest.fixture
def ops() -> Iterator[Ops]:
    health = Health()
    (port,) = free_ports(1)
    with ops_server("127.0.0.1", port, health, new_registry("test", health)) as bound:
        assert bound == port
        yield Ops(health, port)


def test_a_process_that_lives_says_so(ops: Ops) -> None:
    ops.health.report("store", "The store is away.")

    response, text = ops.ask("/healthz")

    assert (response.status, text) == (200, "ok\n")


def test_a_process_is_ready_while_nothing_is_wrong(ops: Ops) -> None:
    response, text = ops.ask("/readyz")

    assert response.status == 200
    assert json.loads(text) == {"ready": True, "problems": {}}


def test_problems_are_told_until_they_are_over(ops: Ops) -> None:
    ops.health.report("store", "The disk is full.")

    response, text = ops.ask("/readyz")

    assert response.status == 503
    assert json.loads(text) == {"ready": False, "problems": {"store": "The disk is full."}}
    ops.health.report("store", None)
    assert ops.ask("/readyz")[0].status == 200


def test_metrics_are_in_prometheus_text_format(ops: Ops) -> None:
    response, text = ops.ask("/metrics?name=x")

    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "fleetpulse_ready 1.0" in text
    assert "_created" not in text


@pytest.mark.parametrize("path", ["/", "/readyz/", "/x" * 30_000, "//evil"])
def test_nothing_else_is_answered_and_nothing_repeated(ops: Ops, path: str) -> None:
    response, text = ops.ask(path)

    assert response.status == 404
    assert text == "Not Found\n"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_is_taken(ops: Ops, method: str) -> None:
    assert ops.ask("/metrics", method)[0].status == 501


def test_a_head_has_no_body(ops: Ops) -> None:
    response, text = ops.ask("/healthz", "HEAD")

    assert (response.status, text) == (200, "")


def test_who_connects_and_says_nothing_cannot_take_all_threads(ops: Ops) -> None:
    place = ("127.0.0.1", ops.port)
    with contextlib.ExitStack() as stack:
        for _ in range(CONNECTIONS_AT_ONCE):
            stack.enter_context(socket.create_connection(place))

        more = stack.enter_context(socket.create_connection(place, 5))

        assert more.recv(1) == b""  # hung up on


def test_a_port_that_is_taken_is_one_sentence(ops: Ops) -> None:
    health = Health()

    with (
        pytest.raises(StartError, match=rf"Port {ops.port} on 127\.0\.0\.1 .*FLEETPULSE_OPS_PORT"),
        ops_server("127.0.0.1", ops.port, health, new_registry("test", health)),
    ):
        pass


def test_without_a_port_nothing_is_answered() -> None:
    health = Health()

    with ops_server("127.0.0.1", None, health, new_registry("test", health)) as port:
        assert port is None


def test_the_port_is_free_again_at_the_end() -> None:
    health, (port,) = Health(), free_ports(1)
    for _ in range(2):
        with ops_server("127.0.0.1", port, health, new_registry("test", health)):
            socket.create_connection(("127.0.0.1", port)).close()
