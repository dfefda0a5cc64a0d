"""The spool against a simple model: whatever is done to it, in whatever order."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections import deque
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fleetpulse.clock import ManualClock
from generators.spool import MEMORY_READINGS, Spool
from tests.unit.generators.fakes import Disk

CAP_BYTES = 2048  # some 50 readings


class SpoolMachine(RuleBasedStateMachine):
    """The model: seqs that wait, seqs that were handed out, and a count of dropped ones."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.disk = Disk()
        self.clock = ManualClock()
        self.spool = self.opened()
        self.waiting: deque[int] = deque()  # appended, not acknowledged, not dropped
        self.handed: deque[int] = deque()  # handed out, not acknowledged; some may be dropped
        self.early: set[int] = set()  # of these: acknowledged before an older one
        self.appended = 0
        self.acked = 0

    def opened(self) -> Spool:
        return Spool(self.folder, CAP_BYTES, self.clock, write=self.disk.write)

    def teardown(self) -> None:
        self.spool.close()
        shutil.rmtree(self.folder)

    @rule(
        readings=st.sampled_from([1, 3, 30, 120]),
        size=st.integers(0, 60),
        free_bytes=st.one_of(st.none(), st.integers(0, 200)),
    )
    def append(self, readings: int, size: int, free_bytes: int | None) -> None:
        self.disk.free_bytes = free_bytes
        for _ in range(readings):
            self.waiting.append(self.spool.next_seq)
            self.spool.append(b"x" * size)
            self.appended += 1
        while len(self.waiting) > self.spool.depth:
            self.waiting.popleft()  # only the oldest may have been dropped

    @rule(limit=st.integers(1, 100))
    def take(self, limit: int) -> None:
        last = self.handed[-1] if self.handed else 0
        expected = [seq for seq in self.waiting if seq > last][:limit]

        taken = [entry.seq for entry in self.spool.take(limit)]

        assert taken == expected
        self.handed.extend(taken)

    @precondition(lambda self: len(self.handed) > len(self.early))
    @rule(places=st.lists(st.integers(0, 100), min_size=1) | st.just([0] * 50))
    def acknowledge(self, places: list[int]) -> None:
        """The broker has readings, each given by its place among those that it lacks."""
        for place in places:
            lacking = [seq for seq in self.handed if seq not in self.early]
            if lacking:
                seq = lacking[min(place, len(lacking) - 1)]
                self.spool.ack(seq)
                self.early.add(seq)
                self.let_go()

    def let_go(self) -> None:
        while self.handed and self.handed[0] in self.early:
            seq = self.handed.popleft()
            self.early.remove(seq)
            self.acked += 1
            if self.waiting and self.waiting[0] == seq:
                self.waiting.popleft()

    @rule()
    def rewind(self) -> None:
        self.spool.rewind()
        self.handed.clear()
        self.early.clear()

    @rule(seconds=st.integers(-100, 100))
    def settle(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self.spool.settle()

    @rule(in_peace=st.booleans())
    def restart(self, in_peace: bool) -> None:
        """What was in memory is lost, and counted; the rest comes back."""
        self.spool.settle()
        in_memory = [waiting.entry.seq for waiting in self.spool._memory]
        if in_peace:
            self.spool.close()
        else:
            os.close(self.spool._lock)
        self.spool = self.opened()
        assert bool(self.spool.damage) is bool(in_memory)
        self.waiting = deque(seq for seq in self.waiting if seq not in in_memory)
        self.handed.clear()
        self.early.clear()

    @rule(cut_bytes=st.integers(1, 400))
    def lose_the_tail(self, cut_bytes: int) -> None:
        """Somebody cuts the newest file: its whole lines are left, the others are counted."""
        self.restart(True)
        newest = max(self.folder.glob("*.readings"), default=None)
        if newest is None:
            return
        self.spool.close()
        os.truncate(newest, max(0, newest.stat().st_size - cut_bytes))
        left = [int(line.split(b" ")[1]) for line in newest.read_bytes().split(b"\n")[:-1]]
        first = int(newest.stem)
        lost = [seq for seq in self.waiting if seq >= first and seq not in left]
        self.spool = self.opened()
        self.waiting = deque(seq for seq in self.waiting if seq not in lost)

    @invariant()
    def nothing_is_lost_uncounted(self) -> None:
        assert self.spool.depth == len(self.waiting)
        assert self.appended == self.acked + self.spool.depth + self.spool.dropped

    @invariant()
    def the_disk_holds_no_more_than_the_cap(self) -> None:
        assert sum(path.stat().st_size for path in self.folder.glob("*.readings")) <= CAP_BYTES

    @invariant()
    def memory_is_bounded(self) -> None:
        assert len(self.spool._memory) <= MEMORY_READINGS

    @invariant()
    def seqs_grow(self) -> None:
        assert all(a < b for a, b in itertools.pairwise(self.waiting))
        assert not self.waiting or self.spool.next_seq > self.waiting[-1]


TestSpoolModel = SpoolMachine.TestCase
TestSpoolModel.settings = settings(max_examples=100, stateful_step_count=40)
