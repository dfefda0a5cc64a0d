"""The bot as a process: its exit codes, its silence about the token, its end."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bot.__main__ import Discreet, main
from bot.simulator import LOCAL_TOKEN
from fleetpulse.errors import FleetpulseError


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


def test_log_lines_never_hold_the_token_not_even_in_tracebacks() -> None:
    try:
        raise ValueError(f"POST https://api.telegram.org/bot{'12:secret'}/getMe failed")
    except ValueError:
        trouble = sys.exc_info()
    record = logging.LogRecord("x", 40, "f", 1, "url %s", ("/bot12:secret/",), trouble)

    line = Discreet("12:secret").format(record)

    assert "12:secret" not in line
    assert "url /bot<token>/" in line
    assert "bot<token>/getMe failed" in line


@pytest.mark.integration
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_bot_without_a_bot_api_lives_and_ends_within_three_seconds(
    tmp_path: Path, number: signal.Signals
) -> None:
    environment = os.environ | {"FLEETPULSE_DATA": str(tmp_path), "FLEETPULSE_PORT": "9"}
    process = subprocess.Popen(
        [sys.executable, "-m", "bot"], env=environment, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    first_line = process.stderr.readline()

    told_at = time.monotonic()
    process.send_signal(number)
    _, rest = process.communicate(timeout=10)

    assert "Trying again" in first_line
    assert LOCAL_TOKEN not in first_line + rest
    assert process.returncode == 0
    assert time.monotonic() - told_at < 3
    assert (tmp_path / "fleetpulse.db").exists()
