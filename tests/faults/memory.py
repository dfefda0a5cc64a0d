"""The memory of a process, watched from outside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from tests.faults.watching import repeatedly

LOOK_S = 0.1
MOST_GROWTH_MB = 60.0  # less is how far allocator and batches swing; a leak passes it in seconds


class Memory:
    """What a process held at first and at most, resident."""

    def __init__(self, process_id: int) -> None:
        self._process = psutil.Process(process_id)
        self.first_mb = self.most_mb = self._resident_mb()

    @property
    def growth_mb(self) -> float:
        """The most above the first."""
        return self.most_mb - self.first_mb

    def look(self) -> None:
        """Look once more; one that has ended holds nothing."""
        with suppress(psutil.NoSuchProcess):
            self.most_mb = max(self.most_mb, self._resident_mb())

    def __str__(self) -> str:
        return f"memory {self.first_mb:.0f} to at most {self.most_mb:.0f} MiB"

    def _resident_mb(self) -> float:
        return float(self._process.memory_info().rss) / 2**20


@contextmanager
def watched(process_id: int) -> Iterator[Memory]:
    """The memory of a process during a block, looked at ten times a second."""
    memory = Memory(process_id)
    with repeatedly(memory.look, LOOK_S):
        yield memory
