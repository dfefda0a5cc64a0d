"""What systemd is told: that the agent has started, that it still lives, and how it is.

A datagram of a few words to a socket that systemd names, as sd_notify(3) says; a library for that
would be larger than this file. Run by hand there is no such socket, and nothing is said.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

# A measurement takes some seconds at worst; a slow SD card may hold up a write for half a minute.
SPARE_S = 60.0
TICKS = 3  # so many may be missed
_NOT_DELIVERED = "; not delivered: "


def status_of(waiting: int, dropped: int, trouble: str) -> str:
    """How the agent is, in one line. trouble: why its readings are not taken; empty: they are."""
    said = f"{waiting} readings wait, {dropped} were dropped"
    return f"{said}{_NOT_DELIVERED}{' '.join(trouble.split())}" if trouble else said


def trouble_in(status: str) -> tuple[str, str]:
    """Such a line without the trouble, and the trouble."""
    said, _, trouble = status.partition(_NOT_DELIVERED)
    return said, trouble


class Supervisor:
    """systemd, or nobody."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._has_watchdog = bool(environment.get("WATCHDOG_USEC"))

    def started(self, interval_s: float) -> None:
        """Say that the agent runs, and after which silence it must be taken for stuck.

        interval_s: between two signs of life.
        """
        words = ["READY=1"]
        if self._has_watchdog:
            words.append(f"WATCHDOG_USEC={round((TICKS * interval_s + SPARE_S) * 1_000_000)}")
        self._tell(words)

    def alive(self, status: str) -> None:
        """Give a sign of life. status: for people, one line."""
        self._tell(["WATCHDOG=1", f"STATUS={status}"])

    def _tell(self, words: list[str]) -> None:
        if not self._address:
            return
        # An abstract address is written with @ where the kernel has a zero byte.
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        with (
            contextlib.suppress(OSError),  # it is no reason to stop measuring
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as wire,
        ):
            wire.setblocking(False)
            wire.sendto("\n".join(words).encode(), address)
