"""Where the API of the running `fleetpulse up` answers, left in the data folder for others.

As the embedded broker leaves its own in broker.json (fleetpulse/kafka.py).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ADDRESS_FILE = "api.json"


@contextmanager
def address_left(data: Path, address: str) -> Iterator[None]:
    """Leave the address in the data folder for the length of a block."""
    path = data / ADDRESS_FILE
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({"address": address, "pid": os.getpid()}))
    partial.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def running_address(data: Path) -> str | None:
    """The address that the running `fleetpulse up` has left; None: none runs in this folder."""
    try:
        left = json.loads((data / ADDRESS_FILE).read_text())
        address, pid = str(left["address"]), int(left["pid"])
    except (OSError, ValueError, KeyError, TypeError):
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
