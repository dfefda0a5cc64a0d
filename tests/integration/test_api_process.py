"""The API as a process: a locked door, readings that reach a broker, and an orderly end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer

from fleetpulse.address import BROKER_FILE, address_left
from fleetpulse.cli.keys import main as keys
from fleetpulse.kafka import EmbeddedBroker
from tests.services.ports import free_ports

pytestmark = pytest.mark.integration

PATIENCE_S = 30.0
READING = {"device_id": "pi-1", "kind": "raspberry", "measured_at": 1_795_342_120_000, "seq": 1}


class Api:
    """A running `fleetpulse api` that every address of this machine leads to."""

    def __init__(self, data: Path) -> None:
        [self.port] = free_ports(1)
        environment = os.environ | {
            "FLEETPULSE_DATA": str(data),
            "FLEETPULSE_HOST": "0.0.0.0",  # noqa: S104
            "FLEETPULSE_PORT": str(self.port),
        }
        self.process = subprocess.Popen([sys.executable, "-m", "api"], env=environment)

    def ask(self, path: str, body: Any = None, key: str | None = None) -> tuple[int, Any]:
        """The status and the document of an answer."""
        headers = {"Content-Type": "application/json"} | ({"X-API-Key": key} if key else {})
        url = f"http://127.0.0.1:{self.port}{path}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, headers)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, json.load(refusal)

    def wait(self) -> None:
        """Return once it answers."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            try:
                self.ask("/healthz")
            except OSError:
                time.sleep(0.1)
            else:
                return
        pytest.fail("the API did not answer")

    def stop(self) -> tuple[int, float]:
        """End it as a service manager does; its exit code, and how long that took."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S), time.monotonic() - begun


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    found = Api(tmp_path)
    found.wait()
    yield found
    if found.process.poll() is None:
        found.process.kill()
        found.process.wait()


def a_key(
    data: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *words: str,
) -> str:
    """A key made by the command, in the store of that API."""
    monkeypatch.setenv("FLEETPULSE_DATA", str(data))
    assert keys(["create", "test", *words]) == 0
    return capsys.readouterr().out.strip()


def received(address: str) -> dict[str, Any]:
    """The first record of the topic."""
    config = {"bootstrap.servers": address, "group.id": "t", "auto.offset.reset": "earliest"}
    consumer = Consumer(config)
    consumer.subscribe(["telemetry.raspberry"])
    try:
        message = consumer.poll(PATIENCE_S)
        assert message is not None
        assert message.key() == b"pi-1"
        found: dict[str, Any] = json.loads(message.value() or b"")
        return found
    finally:
        consumer.close()


def test_a_device_sends_with_its_key_and_nobody_gets_in_without_one(
    tmp_path: Path,
    api: Api,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = a_key(tmp_path, capsys, monkeypatch, "--scope", "ingest", "--device", "pi-1")
    broker = EmbeddedBroker(tmp_path)
    try:
        assert api.ask("/api/v1/fleet")[0] == 401
        assert api.ask("/api/v1/readings", [READING])[0] == 401
        assert api.ask("/api/v1/readings", [READING], key) == (202, {"accepted": 1})
        assert received(broker.address) == READING
    finally:
        broker.close()


def test_without_a_broker_it_answers_all_else_and_goes_on_when_there_is_one(
    tmp_path: Path,
    api: Api,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = a_key(tmp_path, capsys, monkeypatch, "--scope", "admin")
    assert api.ask("/api/v1/readings", [READING], key)[0] == 503
    assert api.ask("/api/v1/fleet", key=key)[0] == 200

    broker = EmbeddedBroker(tmp_path)
    try:
        assert api.ask("/api/v1/readings", [READING], key)[0] == 202
    finally:
        broker.close()

    with address_left(tmp_path / BROKER_FILE, "127.0.0.1:1"):
        status, problem = api.ask("/api/v1/readings", [READING], key)
    assert (status, problem["type"]) == (503, "urn:fleetpulse:broker-away")


def test_a_revoked_key_is_refused_by_a_process_that_knew_it(
    tmp_path: Path,
    api: Api,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = a_key(tmp_path, capsys, monkeypatch, "--scope", "read")
    assert api.ask("/api/v1/fleet", key=key)[0] == 200

    assert keys(["revoke", key.split("_")[1]]) == 0

    assert api.ask("/api/v1/fleet", key=key)[0] == 401


def test_it_ends_in_order_when_asked_to(api: Api) -> None:
    code, seconds = api.stop()

    assert code == 0
    assert seconds < 10
