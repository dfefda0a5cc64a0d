"""From where to read again after a restart, so that rings and timers are as they were."""

from __future__ import annotations

from collections import deque

# The longest look-back of features (320 s), the longest hold time (300 s) whose value looks back
# 60 s more, and 5 minutes because a device's clock may be that far ahead of another's.
SPAN_MS = (320 + 300 + 60 + 300) * 1000
_STEP_MS = 10_000  # one mark per so much event time keeps the list short


class RefillMarks:
    """Offsets of one partition with their event times, back as far as a restart must read."""

    def __init__(self) -> None:
        self._marks: deque[tuple[int, int]] = deque()  # first offset, newest measured_at so far

    def note(self, first_offset: int, newest_at: int) -> None:
        """A run of records that begins at `first_offset`; its newest is of `newest_at` (ms)."""
        if self._marks and newest_at < self._marks[-1][1] + _STEP_MS:
            return
        self._marks.append((first_offset, newest_at))
        # A mark can go once the next one is old enough to hold all that a restart needs.
        while len(self._marks) > 1 and self._marks[1][1] < newest_at - SPAN_MS:
            self._marks.popleft()

    def start(self, next_offset: int) -> int:
        """The offset to read from after a restart that continues at `next_offset`."""
        return min(self._marks[0][0], next_offset) if self._marks else next_offset
