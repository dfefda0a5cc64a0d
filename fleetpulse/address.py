"""Addresses that `fleetpulse up` leaves in its data folder while it runs, for other commands."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

API_FILE = "api.json"
BROKER_FILE = "broker.json"


@contextmanager
def address_left(file: Path, address: str) -> Iterator[None]:
    """Leave the address in this file for the length of a block."""
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps({"address": address, "pid": os.getpid()}))
    partial.replace(file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def running_address(file: Path) -> str | None:
    """The address that a process which still runs has left there; None: there is none."""
    try:
        left = json.loads(file.read_text())
        address, pid = str(left["address"]), int(left["pid"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None
    return address if _runs(pid) else None


def _runs(pid: int) -> bool:
    """Whether there is such a process: one that was killed leaves its address behind."""
    try:
        os.kill(pid, 0)
    except PermissionError:  # it is another user's
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True
