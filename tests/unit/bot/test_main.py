"""The bot as a process: its exit codes, its silence about the token, its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from bot.__main__ import main
from bot.simulator import LOCAL_TOKEN
from fleetpulse.errors import FleetpulseError
from tests.services.ports import free_ports


def test_wrong_settings_are_named_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TELEGRAM_TOKEN", "12:secret")
    monkeypatch.setenv("FLEETPULSE_TELEGRAM_CHATS", "ada")

    code = main([])

    said = capsys.readouterr().err
    assert code == 2
    assert "FLEETPULSE_TELEGRAM_CHATS" in said
    assert "secret" not in said
    assert len(said.splitlines()) == 1


def test_a_store_that_cannot_be_used_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FLEETPULSE_STORE", f"sqlite:///{tmp_path}")

    assert main([]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_interval_of_the_devices_reaches_the_bot(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FLEETPULSE_DATA", str(tmp_path))
    monkeypatch.setenv("FLEETPULSE_INTERVAL", "60")
    made: list[float] = []

    def no_bot(*, interval_s: float, **_parts: object) -> None:
        made.append(interval_s)
        raise FleetpulseError("enough")

    monkeypatch.setattr("bot.__main__.ChatBot", no_bot)

    assert main([]) == 1
    assert made == [60.0]


def readiness(port: int) -> dict[str, Any]:
    """What /readyz says."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        found: dict[str, Any] = json.loads(connection.getresponse().read())
        return found
    finally:
        connection.close()


def test_a_ping_address_that_is_none_is_one_sentence_without_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FLEETPULSE_DATA", str(tmp_path))
    monkeypatch.setenv("FLEETPULSE_PING_URL", "hc-ping.example/secret-1")

    assert main([]) == 2

    said = capsys.readouterr().err
    assert "FLEETPULSE_PING_URL" in said
    assert "secret-1" not in said


@pytest.mark.integration
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_bot_without_a_bot_api_says_so_and_ends_within_three_seconds(
    tmp_path: Path, number: signal.Signals
) -> None:
    (ops_port,) = free_ports(1)
    environment = os.environ | {
        "FLEETPULSE_DATA": str(tmp_path),
        "FLEETPULSE_PORT": "9",
        "FLEETPULSE_OPS_PORT": str(ops_port),
        "FLEETPULSE_LOG": "json",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "bot"], env=environment, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    said = process.stderr.readline()
    while "trouble" not in said:
        said += process.stderr.readline()

    ready = readiness(ops_port)
    told_at = time.monotonic()
    process.send_signal(number)
    _, rest = process.communicate(timeout=10)

    assert json.loads(said.splitlines()[-1])["part"] == "telegram"
    assert "telegram" in ready["problems"]
    assert LOCAL_TOKEN not in said + rest
    assert process.returncode == 0
    assert time.monotonic() - told_at < 3
    assert (tmp_path / "fleetpulse.db").exists()
