"""Told to stop, every process ends well within ten seconds; the whole local stack too."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from fleetpulse.cli.readiness import problems_at
from fleetpulse.cli.up import OPS_FILE
from fleetpulse.kafka import EmbeddedBroker
from fleetpulse.stores import open_store
from fleetpulse.watch import STOPPED
from tests.services.ports import free_ports

STOP_S = 10.0

pytestmark = pytest.mark.integration


@contextmanager
def running(
    words: Sequence[str], data: Path, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours on this data folder; its output is in `output` there."""
    with (data / "output").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            env=os.environ | {"FLEETPULSE_DATA": str(data)} | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def until(true: Callable[[], object], seconds: float = 60) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"it did not happen within {seconds:.0f} s"
        time.sleep(0.05)


def stopped(process: subprocess.Popen[bytes]) -> int:
    """The exit code of a process that is told to stop; it must end in time."""
    process.send_signal(signal.SIGTERM)
    return process.wait(STOP_S)


def test_an_agent_without_a_broker_stops_in_time_and_keeps_its_readings(tmp_path: Path) -> None:
    ops, broker = free_ports(2)
    words = ("generators", "simulated", "--interval", "0.2", "--device-id", "pc-1")
    away = {
        "KAFKA_BROKER_SETTINGS": f"127.0.0.1:{broker}",
        "FLEETPULSE_OPS_PORT": str(ops),
        "FLEETPULSE_LOG": "json",
    }
    with running(words, tmp_path, **away) as agent:
        until(lambda: list((tmp_path / "spool/pc-1").glob("*.readings")))
        until(lambda: problems_at(ops) is not None)

        assert stopped(agent) == 0

    last = json.loads((tmp_path / "output").read_text().splitlines()[-1])
    assert last["event"] == "the agent stopped"
    assert last["waiting"] > 0


@pytest.mark.parametrize("words", [("bot",), ("consumer", "hardware")], ids=lambda words: words[0])
def test_a_process_that_is_told_to_stop_says_so_in_its_last_heartbeat(
    tmp_path: Path, words: Sequence[str]
) -> None:
    port, ops = free_ports(2)
    own = {"FLEETPULSE_PORT": str(port), "FLEETPULSE_OPS_PORT": str(ops)}
    broker = EmbeddedBroker(tmp_path)
    try:
        with running(words, tmp_path, **own) as process:
            until(lambda: problems_at(ops) is not None)
            until(lambda: _details(tmp_path).get(words[0]) == "")

            assert stopped(process) == 0
    finally:
        broker.close()

    assert _details(tmp_path)[words[0]] == STOPPED


def _details(data: Path) -> dict[str, str]:
    """What the processes said in their newest heartbeats."""
    if not (data / "fleetpulse.db").exists():
        return {}
    store = open_store(f"sqlite:///{data / 'fleetpulse.db'}")
    try:
        return {beat.process: beat.detail for beat in store.heartbeats.all()}
    finally:
        store.close()


def test_the_local_stack_is_watched_and_stops_in_time(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with running(
        ("fleetpulse.cli", "up", "--port", str(port), "--interval", "1"), tmp_path
    ) as stack:
        until(lambda: b"ready after" in (tmp_path / "output").read_bytes())
        ports = json.loads((tmp_path / OPS_FILE).read_text())
        until(lambda: all(problems_at(each) == {} for each in ports.values()))

        assert stopped(stack) == 0

    assert all(problems_at(each) is None for each in ports.values())
    assert set(_details(tmp_path).values()) == {STOPPED}
