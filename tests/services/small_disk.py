"""A disk that is soon full: a small tmpfs, for tests that may mount one."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.services.missing import without

MIB = 1024 * 1024


class SmallDisk:
    """A file system of a few kilobytes at `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def free_bytes(self) -> int:
        """What still fits."""
        return shutil.disk_usage(self.folder).free

    def fill(self, *, but_bytes: int = 0) -> None:
        """Let a stranger take all room but so many bytes."""
        with (self.folder / "stranger").open("wb", buffering=0) as stranger:
            while self.free_bytes > but_bytes:
                try:
                    stranger.write(bytes(min(MIB, self.free_bytes - but_bytes)))
                except OSError:
                    return  # somebody else was faster

    def make_room(self) -> None:
        """Take the stranger's file away again."""
        (self.folder / "stranger").unlink()


@contextlib.contextmanager
def small_disk(folder: Path, size_kib: int) -> Iterator[SmallDisk]:
    """Such a disk for the length of a block; the test is skipped where none may be mounted."""
    folder.mkdir()
    if _run("mount", "-t", "tmpfs", "-o", f"size={size_kib}k", "tmpfs", str(folder)) != 0:
        without("a small disk", how="run as root, to mount a tmpfs")
    try:
        yield SmallDisk(folder)
    finally:
        _run("umount", "-l", str(folder))


def _run(*command: str) -> int:
    return subprocess.run(command, capture_output=True, check=False).returncode
