"""An agent as systemd starts it: it says that it runs, and that it lives."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.integration.processes import running, stopped
from tests.services.ports import free_ports

pytestmark = pytest.mark.integration


def test_an_agent_whose_broker_is_away_still_tells_systemd_that_it_lives(tmp_path: Path) -> None:
    (broker,) = free_ports(1)
    words = ("generators", "simulated", "--interval", "0.2", "--device-id", "pc-1")
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.settimeout(60)
        environment = {
            "KAFKA_BROKER_SETTINGS": f"127.0.0.1:{broker}",
            "NOTIFY_SOCKET": str(address),
            "WATCHDOG_USEC": "180000000",
        }
        with running(words, tmp_path, **environment) as agent:
            told = [systemd.recv(4096).decode() for _ in range(3)]

            assert stopped(agent) == 0

    assert told == [
        "READY=1\nWATCHDOG_USEC=60600000",
        "WATCHDOG=1\nSTATUS=1 readings wait, 0 were dropped",
        "WATCHDOG=1\nSTATUS=2 readings wait, 0 were dropped",
    ]
