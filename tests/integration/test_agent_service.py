"""An agent as systemd starts it: it says that it runs, that it lives, and what is refused."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from generators.supervisor import trouble_in
from tests.integration.processes import running, stopped
from tests.services.ports import free_ports
from tests.services.receiver import Receiver

pytestmark = pytest.mark.integration

AGENT = ("generators", "simulated", "--interval", "0.2", "--device-id", "pc-1")


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket that systemd would listen on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(60)
        yield listening


def test_an_agent_whose_broker_is_away_still_tells_systemd_that_it_lives(
    tmp_path: Path, systemd: socket.socket
) -> None:
    (broker,) = free_ports(1)
    environment = {
        "KAFKA_BROKER_SETTINGS": f"127.0.0.1:{broker}",
        "NOTIFY_SOCKET": systemd.getsockname(),
        "WATCHDOG_USEC": "180000000",
    }
    with running(AGENT, tmp_path, **environment) as agent:
        told = [systemd.recv(4096).decode() for _ in range(3)]

        assert stopped(agent) == 0

    assert [trouble_in(said)[0] for said in told] == [
        "READY=1\nWATCHDOG_USEC=60600000",
        "WATCHDOG=1\nSTATUS=1 readings wait, 0 were dropped",
        "WATCHDOG=1\nSTATUS=2 readings wait, 0 were dropped",
    ]


def test_an_agent_whose_key_is_refused_tells_systemd_so(
    tmp_path: Path, systemd: socket.socket
) -> None:
    folder = tmp_path / "receiver"
    folder.mkdir()
    with Receiver(folder) as api:
        api.answer(401)
        environment = {
            "FLEETPULSE_API": f"http://127.0.0.1:{api.port}",
            "FLEETPULSE_INGEST_KEY": "fp_wrong_key",
            "NOTIFY_SOCKET": systemd.getsockname(),
        }
        with running(AGENT, tmp_path, **environment) as agent:
            said = ""
            while not said:
                said = trouble_in(systemd.recv(4096).decode())[1]

            assert stopped(agent) == 0

    assert said.startswith("The API does not know this key (401);")
