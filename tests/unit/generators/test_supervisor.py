"""systemd is told that the agent lives, and nothing happens where there is no systemd."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from generators.supervisor import Supervisor, status_of, trouble_in


@pytest.fixture
def told(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket that systemd would listen on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening


def under_systemd(told: socket.socket, **more: str) -> Supervisor:
    return Supervisor({"NOTIFY_SOCKET": told.getsockname()} | more)


def test_a_started_agent_says_after_which_silence_it_is_stuck(told: socket.socket) -> None:
    under_systemd(told, WATCHDOG_USEC="180000000").started(interval_s=120)

    assert told.recv(4096) == b"READY=1\nWATCHDOG_USEC=420000000"


def test_a_watchdog_that_was_turned_off_stays_off(told: socket.socket) -> None:
    under_systemd(told).started(interval_s=5)

    assert told.recv(4096) == b"READY=1"


def test_a_sign_of_life_says_how_the_agent_is(told: socket.socket) -> None:
    under_systemd(told).alive("3 readings wait")

    assert told.recv(4096) == b"WATCHDOG=1\nSTATUS=3 readings wait"


def test_an_abstract_address_is_found() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("")  # Linux picks a free abstract address
        listening.setblocking(False)
        name = "@" + listening.getsockname()[1:].decode()

        Supervisor({"NOTIFY_SOCKET": name}).started(interval_s=5)

        assert listening.recv(4096) == b"READY=1"


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": "/nowhere/notify"}], ids=repr)
def test_without_systemd_nothing_happens(environment: dict[str, str]) -> None:
    supervisor = Supervisor(environment)

    supervisor.started(interval_s=5)
    supervisor.alive("well")


def test_the_status_is_one_line_that_tells_why_readings_are_not_taken() -> None:
    said = status_of(7, 2, "The API does not know\nthis key (401).")

    assert "\n" not in said
    assert trouble_in(said) == (
        "7 readings wait, 2 were dropped",
        "The API does not know this key (401).",
    )


def test_a_status_without_trouble_tells_of_none() -> None:
    said = status_of(1, 0, "")

    assert said == "1 readings wait, 0 were dropped"
    assert trouble_in(said) == (said, "")
