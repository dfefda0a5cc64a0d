"""How the process starts, and why it does not."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from api.__main__ import application, main
from api.server import KEEP_ALIVE_S, Server, listen
from fleetpulse.cli import local_web
from fleetpulse.errors import StartError
from fleetpulse.settings import ApiSettings, load
from tests.unit.iac.configuration import named


def test_a_limit_that_is_none_is_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEETPULSE_RATE_LIMIT", "often")

    assert main([]) == 2
    assert capsys.readouterr().err.startswith("FLEETPULSE_RATE_LIMIT is no limit")


@pytest.mark.parametrize("start", [main, local_web.main])
def test_a_registry_without_its_client_is_one_sentence_that_says_what_to_run(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    start: Callable[[Sequence[str]], int],
) -> None:
    monkeypatch.setenv("FLEETPULSE_DATA", str(tmp_path))
    monkeypatch.setenv("FLEETPULSE_LOG_LEVEL", "WARNING")
    monkeypatch.setenv("KAFKA_SCHEMA_ENDPOINT", "mock://registry")
    monkeypatch.setitem(sys.modules, "fleetpulse.schema_registry", None)

    assert start([]) == 2

    error = capsys.readouterr().err
    assert "pip install 'fleetpulse[schema]'" in error
    assert error.count("\n") == 1


def test_a_taken_port_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEETPULSE_DATA", str(tmp_path))
    monkeypatch.setenv("FLEETPULSE_LOG_LEVEL", "WARNING")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code = main(["--port", str(port)])

    error = capsys.readouterr().err
    assert code == 1
    assert f"Port {port}" in error
    assert "--port" in error
    assert error.count("\n") == 1


def test_the_interval_of_the_devices_says_when_they_are_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEETPULSE_DATA", str(tmp_path))
    monkeypatch.setenv("FLEETPULSE_INTERVAL", "60")

    with ExitStack() as opened:
        client = application(load(ApiSettings), opened).test_client()

        assert client.get("/api/v1/fleet").json["stale_after_s"] == 360.0  # type: ignore[index]


def test_a_free_port_is_listened_on() -> None:
    with listen("127.0.0.1", 0) as listener:
        assert listener.getsockname()[1] > 0


def test_an_address_that_is_not_of_this_machine_cannot_be_had() -> None:
    with pytest.raises(StartError, match="192\\.0\\.2\\.1"):
        listen("192.0.2.1", 8000)


def test_the_api_carries_no_numpy_and_draws_nothing() -> None:
    heavy = "numpy", "sklearn", "matplotlib", "uplot"
    program = f"import sys, api.__main__; print([m for m in {heavy!r} if m in sys.modules])"

    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert found.stdout.strip() == "[]"


def test_the_load_balancer_gives_a_connection_up_before_the_api_does() -> None:
    """Else it sends a request into one that is just being closed, and answers 502."""
    patience_s = named("resource", "aws_lb")["api"].get("idle_timeout", 60)  # 60: AWS' own
    with socket.socket() as listener:
        server = Server(lambda _: lambda *_: [], listener)

    assert server.cfg.keepalive == KEEP_ALIVE_S
    assert patience_s < KEEP_ALIVE_S
