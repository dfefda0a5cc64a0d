"""The address that `fleetpulse up` leaves while it runs, and what of it is believed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fleetpulse.address import API_FILE, address_left, running_address
from fleetpulse.cli import up
from fleetpulse.errors import StartError
from tests.services.ports import free_ports

ADDRESS = "http://127.0.0.1:8123"


def test_the_stack_leaves_the_address_of_its_port_while_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str | None] = []
    monkeypatch.setattr(
        up, "_run", lambda *_, **__: seen.append(running_address(tmp_path / API_FILE))
    )
    (port,) = free_ports(1)

    assert up.main(["--port", str(port), "--data", str(tmp_path)]) == 0

    assert seen == [f"http://127.0.0.1:{port}"]
    assert not (tmp_path / API_FILE).exists()


def test_a_stack_that_fails_takes_its_address_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise StartError("The broker does not start.")

    monkeypatch.setattr(up, "_run", fail)
    (port,) = free_ports(1)

    assert up.main(["--port", str(port), "--data", str(tmp_path)]) == 1

    assert list(tmp_path.glob("api.*")) == []


def test_what_another_stack_has_left_stays_when_a_second_one_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with up._alone(tmp_path), address_left(tmp_path / API_FILE, ADDRESS):
        assert up.main(["--data", str(tmp_path)]) == 1

        assert "Another `fleetpulse up`" in capsys.readouterr().err
        assert running_address(tmp_path / API_FILE) == ADDRESS


def test_what_a_killed_stack_has_left_is_not_believed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = {"address": ADDRESS, "pid": ended.pid}
    (tmp_path / API_FILE).write_text(json.dumps(left))

    assert running_address(tmp_path / API_FILE) is None


def test_the_stack_of_another_user_is_one_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(pid: int, signal: int) -> None:
        raise PermissionError

    with address_left(tmp_path / API_FILE, ADDRESS):
        monkeypatch.setattr(os, "kill", refuse)

        assert running_address(tmp_path / API_FILE) == ADDRESS


@pytest.mark.parametrize(
    "content", [None, "", "[]", "5", "{}", '{"address": "x"}', '{"address": "x", "pid": 1e99}']
)
def test_where_no_address_was_left_there_is_none(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / API_FILE).write_text(content)

    assert running_address(tmp_path / API_FILE) is None
