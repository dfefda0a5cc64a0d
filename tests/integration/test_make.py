"""`make up` ends what it started, in whichever way it is told to end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.services.missing import without

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 10.0

pytestmark = pytest.mark.integration


@pytest.fixture
def make(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A running make whose recipe is a command that lasts, and that command's process id."""
    if shutil.which("make") is None:
        without("make", how="Debian: apt install make")
    mine = tmp_path / "process-id"
    command = f"sh -c 'echo $$$$ > {mine}.new; mv {mine}.new {mine}; exec sleep 600'"
    (tmp_path / "Makefile").write_text(f"up:\n\t@exec {ROOT}/scripts/up.sh {command}\n")
    running = subprocess.Popen(["make", "up"], cwd=tmp_path, start_new_session=True)
    eventually(mine.exists)
    process_id = int(mine.read_text())
    yield running, process_id
    for each in (running.pid, process_id):
        if alive(each):
            os.kill(each, signal.SIGKILL)
    running.wait()


def alive(process_id: int) -> bool:
    """Whether a process is there, and no zombie."""
    try:
        return ") Z " not in Path(f"/proc/{process_id}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):  # gone before, or while it is read
        return False


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until it holds, at most SECONDS."""
    until = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < until, "did not happen in time"
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_to_make_alone_ends_the_command(
    make: tuple[subprocess.Popen[bytes], int], number: signal.Signals
) -> None:
    running, process_id = make

    running.send_signal(number)

    eventually(lambda: not alive(process_id))
    eventually(lambda: running.poll() is not None)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_group_ends_everything_in_it(
    make: tuple[subprocess.Popen[bytes], int], number: signal.Signals
) -> None:
    running, _ = make

    os.killpg(running.pid, number)

    eventually(lambda: not group_has_members(running))


def test_a_command_that_ends_by_itself_leaves_nothing_behind(
    make: tuple[subprocess.Popen[bytes], int],
) -> None:
    running, process_id = make

    os.kill(process_id, signal.SIGTERM)

    eventually(lambda: not group_has_members(running))


def group_has_members(leader: subprocess.Popen[bytes]) -> bool:
    """Whether any process of the group is left."""
    leader.poll()
    try:
        os.killpg(leader.pid, 0)
    except ProcessLookupError:
        return False
    return True
