"""Processes of ours as a user starts and stops them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

STOP_S = 10.0


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
