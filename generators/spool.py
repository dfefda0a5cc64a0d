"""The disk spool: readings wait here until the broker has them.

A folder per device:

- `<first seq>.readings`: segments, appended to. A line is a CRC-32, the seq, and the reading's
  JSON, so that damage costs one line only and `tail -f` shows what waits.
- `position`: up to which seq the broker has everything, the next seq, and how many readings wait
  and were dropped. It is written over in place, so a full disk does not stop it.
- `*.unreadable`: what was found damaged, kept for a look.
- `lock`: held by the one agent that may use the folder.

A reading is handed to the kernel before it is published, so `kill -9` loses nothing. It is not
forced to the disk each time: a flash card would wear out for readings that the broker has within
milliseconds. While readings wait, the newest are forced to the disk at most every 30 s: that is
what a power cut may cost. After a cut the seq leaps ahead, so that no seq is ever used twice.

Past the cap in bytes the oldest segment goes, and its readings are counted. When the disk is full
the newest readings wait in memory instead, and go to the disk once it has room.

What is counted as dropped is exact after a kill and after damage too: the position says how many
readings waited, and those that are not there any more at the next start are counted then. The
exceptions are readings that were under way to the broker when they were dropped and the agent was
killed, and a position of which both copies are damaged.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fleetpulse.clock import Clock
from fleetpulse.errors import StartError
from generators.spool_files import (
    Entry,
    Position,
    PositionFile,
    Segment,
    boot_id,
    line_of,
    load_segments,
    segment_path,
)

SYNC_EVERY_MS = 30_000
SEGMENT_BYTES = 1024 * 1024
SEGMENTS_PER_CAP = 16  # past the cap one of them goes
MEMORY_READINGS = 1000  # of a few hundred bytes, while the disk is full
SEQ_LEAP = 100_000  # more than can have been used since the position last reached the disk

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Waiting:
    """A reading that was handed out, or is held in memory."""

    entry: Entry
    segment: Segment | None  # None: in memory
    end: int = 0  # offset after it in its segment
    acked: bool = False
    dropped: bool = False


class Spool:
    """Readings of one device in order, from `append` until `ack`."""

    def __init__(
        self,
        folder: Path,
        cap_bytes: int,
        clock: Clock,
        *,
        write: Callable[[int, bytes], int] = os.write,
        sync: Callable[[int], None] = os.fsync,
    ) -> None:
        """Open the folder, or make it. Raises StartError when it is in use or cannot be used."""
        self._folder = folder
        self._cap_bytes = cap_bytes
        self._segment_bytes = min(SEGMENT_BYTES, cap_bytes // SEGMENTS_PER_CAP)
        self._clock = clock
        self._write = write
        self._sync = sync
        self._lock = _locked(folder)
        try:
            self._position_file = PositionFile(folder / "position")
            found = self._position_file.read()
            position = found or Position()
            loaded = load_segments(folder, position)
        except StartError:
            os.close(self._lock)
            raise
        self.damage = tuple(loaded.damage)  # sentences: what could not be read
        if found is None and loaded.segments:
            self.damage += (f"{folder / 'position'} cannot be read: readings may come twice.",)
        self._segments = loaded.segments
        self._active: int | None = None  # the file that is appended to: the last segment
        self._memory: deque[_Waiting] = deque()
        self._handed: deque[_Waiting] = deque()  # handed out, not acknowledged, in order
        self._acked_seq = position.acked_seq
        self._boot = boot_id()
        power_cut = not position.closed and position.boot != self._boot
        leap = SEQ_LEAP if power_cut or self.damage else 0
        self.next_seq = max(position.next_seq, loaded.last_seq + 1) + leap
        lost = max(0, (position.waiting or 0) - loaded.expected)
        if lost > 0:
            self.damage += (f"{folder}: {lost} readings are gone; they are counted as dropped.",)
        self.dropped = position.dropped + lost
        self.depth = sum(segment.waiting for segment in self._segments)
        self._saved: Position | None = None
        self._synced_at = clock.now_ms()
        self._trouble = ""
        self._forget_what_is_done()
        self.settle()

    @property
    def trouble(self) -> str:
        """Why the disk does not take readings, which wait in memory then; empty: it does."""
        return self._trouble

    @property
    def size_bytes(self) -> int:
        """How much the segments take on the disk."""
        return sum(segment.size for segment in self._segments)

    def append(self, payload: bytes) -> None:
        """Take one more reading under `next_seq`; it is in the kernel's hands when this returns.

        A disk that is full does not raise: the reading waits in memory. payload: one line.
        """
        entry = Entry(self.next_seq, payload)
        line_of(entry)  # refuses what could not be read back
        self.next_seq += 1
        self.depth += 1
        self._memory.append(_Waiting(entry, None))
        problem = _problem_of(self._empty_memory)
        while len(self._memory) > MEMORY_READINGS:
            self._drop([self._memory.popleft()], 1)
        problem = _problem_of(self._save) or problem
        if problem is None:
            self._say_no_trouble()
        else:
            self._say_trouble(problem)

    def take(self, limit: int) -> list[Entry]:
        """The oldest readings that were not handed out yet, in order."""
        taken: list[Entry] = []
        for segment in list(self._segments):
            if len(taken) < limit and segment.handed < segment.records:
                taken += self._take_from(segment, limit - len(taken))
        for waiting in self._memory:
            if len(taken) < limit and waiting.entry.seq > self._last_handed_seq():
                self._handed.append(waiting)
                taken.append(waiting.entry)
        return taken

    def ack(self, seq: int) -> None:
        """The broker has this reading, which was handed out.

        Until it has all older ones too, the reading stays and comes again after a `rewind` or a
        kill: the position is a single seq. Only a topic that grows more partitions does this.
        """
        acked = next((each for each in self._handed if each.entry.seq == seq), None)
        if acked is None:
            raise ValueError(f"acknowledged {seq}, which is not handed out")
        acked.acked = True
        while self._handed and self._handed[0].acked:
            self._let_go(self._handed.popleft())

    def give_up(self, seq: int) -> None:
        """Nobody will ever take this reading, which was handed out: count it as dropped."""
        self.ack(seq)
        self.dropped += 1

    def rewind(self) -> None:
        """Hand out again, in order, everything that is not acknowledged."""
        for waiting in self._handed:
            waiting.acked = False  # one in memory is handed out again as it is
        self._handed.clear()
        for segment in self._segments:
            segment.rewind()

    def settle(self) -> None:
        """Save the position, and force readings that have waited for a while to the disk."""
        now_ms = self._clock.now_ms()
        due = not 0 <= now_ms - self._synced_at < SYNC_EVERY_MS
        try:
            self._save()
            if due and self.depth > 0 and self._active is not None:
                self._sync(self._active)
        except OSError as problem:
            self._say_trouble(problem)
        if due:
            self._synced_at = now_ms

    def close(self) -> None:
        """Save everything and let others use the folder."""
        try:
            self._save(closed=True)
            self._position_file.close(sync=self._sync)
            self._close_active()
        except OSError as problem:
            self._say_trouble(problem)
        os.close(self._lock)

    def _let_go(self, waiting: _Waiting) -> None:
        """The broker has this reading and all before it."""
        self._acked_seq = waiting.entry.seq
        if waiting.dropped:
            self.dropped -= 1  # it had been sent before it was dropped
            return
        self.depth -= 1
        segment = waiting.segment
        if segment is None:
            self._memory.popleft()
            return
        segment.acked, segment.acked_to = segment.acked + 1, waiting.end
        if segment.waiting == 0:
            self._forget_what_is_done()

    def _save(self, *, closed: bool = False) -> None:
        position = Position(
            acked_seq=self._acked_seq,
            next_seq=self.next_seq,
            waiting=self.depth,
            dropped=self.dropped,
            boot=self._boot,
            closed=closed,
        )
        if position != self._saved:
            self._position_file.write(position)
            self._saved = position

    def _last_handed_seq(self) -> int:
        return self._handed[-1].entry.seq if self._handed else self._acked_seq

    def _take_from(self, segment: Segment, limit: int) -> list[Entry]:
        taken: list[Entry] = []
        try:
            for entry, end in segment.unread(limit, self._last_handed_seq()):
                self._handed.append(_Waiting(entry, segment, end))
                taken.append(entry)
                segment.handed, segment.handed_to = segment.handed + 1, end
        except OSError as problem:
            log.error("%s cannot be read: %s.", segment.path, problem.strerror)
        if len(taken) < limit and segment.handed < segment.records:
            self._lose(segment)
        return taken

    def _lose(self, segment: Segment) -> None:
        """Count what should be in the segment and is not: somebody cut or removed it."""
        lost = segment.records - segment.handed
        log.error("%s has lost %d readings while in use.", segment.path, lost)
        segment.records -= lost
        segment.sealed = True
        self._drop([], lost)
        self._forget_what_is_done()

    def _empty_memory(self) -> None:
        """Write what is held in memory to the disk, oldest first. Raises OSError."""
        while self._memory:
            waiting = self._memory[0]
            segment = self._append_line(line_of(waiting.entry), waiting.entry.seq)
            waiting.segment, waiting.end = segment, segment.size
            if waiting.entry.seq <= self._last_handed_seq():
                segment.handed, segment.handed_to = segment.handed + 1, segment.size
            self._memory.popleft()

    def _append_line(self, line: bytes, seq: int) -> Segment:
        active = self._open_segment(seq, len(line))
        segment = self._segments[-1]
        try:
            written = self._write(active, line)
            if written < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            segment.sealed = True
            os.ftruncate(active, segment.size)  # no half line stays
            segment.sealed = False
            raise
        segment.size += len(line)
        segment.records += 1
        return segment

    def _open_segment(self, seq: int, room_bytes: int) -> int:
        """The file to append to, a new one when the last is full, with room under the cap."""
        last = self._segments[-1] if self._segments else None
        if last is None or last.sealed or 0 < last.size > self._segment_bytes - room_bytes:
            self._close_active()
            path = segment_path(self._folder, seq)
            self._active = os.open(path, os.O_CREAT | os.O_EXCL | _APPEND, 0o644)
            self._segments.append(Segment(path))
            self._forget_what_is_done()
        elif self._active is None:
            self._active = os.open(last.path, _APPEND)
        while self.size_bytes + room_bytes > self._cap_bytes and len(self._segments) > 1:
            self._drop_oldest_segment()
        return self._active

    def _close_active(self) -> None:
        if self._active is not None:
            self._sync(self._active)
            os.close(self._active)
            self._active = None

    def _forget_what_is_done(self) -> None:
        """Remove segments that the broker has; the last stays, for its name keeps the seq."""
        for segment in self._segments[:-1]:
            if segment.waiting == 0:
                self._remove(segment)

    def _drop_oldest_segment(self) -> None:
        segment = self._segments[0]
        lost = segment.waiting
        self._remove(segment)
        if lost > 0:
            handed = [waiting for waiting in self._handed if waiting.segment is segment]
            self._drop(handed, lost)
            log.warning(
                "The spool %s is full (%d bytes): the oldest %d readings were dropped, %d in all.",
                self._folder,
                self._cap_bytes,
                lost,
                self.dropped,
            )

    def _drop(self, waiting: list[_Waiting], readings: int) -> None:
        """Count readings as dropped; those that were handed out may still arrive."""
        for each in waiting:
            each.dropped = True
        self.depth -= readings
        self.dropped += readings

    def _remove(self, segment: Segment) -> None:
        """Remove a file, and with it what waits there.

        The position goes first: what a kill then leaves uncounted is exactly what waited there.
        """
        self._segments.remove(segment)
        for step in (self._save, partial(segment.path.unlink, missing_ok=True)):
            problem = _problem_of(step)
            if problem is not None:  # a dying disk becomes read-only; this costs its room only
                self._say_trouble(problem)

    def _say_trouble(self, problem: OSError) -> None:
        if not self._trouble:
            self._trouble = problem.strerror or str(problem)
            log.error(
                "The spool %s cannot be written (%s): up to %d readings are held in memory and"
                " published from there; make room on the disk.",
                self._folder,
                self._trouble,
                MEMORY_READINGS,
            )

    def _say_no_trouble(self) -> None:
        if self._trouble:
            self._trouble = ""
            log.warning("The spool %s can be written again.", self._folder)


def _problem_of(step: Callable[[], None]) -> OSError | None:
    """What the disk says against it; None: it is done."""
    try:
        step()
    except OSError as problem:
        return problem
    return None


_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC


def _locked(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as problem:
        raise StartError(
            f"The spool {folder} cannot be made ({problem.strerror}): make room on the disk, let"
            " this user write there, or choose another folder with --data."
        ) from problem
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise StartError(
            f"Another agent uses the spool {folder}: stop it, or give this one its own --device-id."
        ) from None
    return lock
