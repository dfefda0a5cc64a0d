"""The files of a spool: lines with checksums, segments of them, and the position.

A line is `CRC-32 in hex, space, seq, space, payload, newline`; the CRC is that of seq and payload.
A payload is JSON on one line, so a newline always ends a record and damage never spreads.
"""

from __future__ import annotations

import contextlib
import errno
import io
import itertools
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec

from fleetpulse.errors import StartError

SUFFIX = ".readings"
UNREADABLE_SUFFIX = ".unreadable"
UNREADABLE_KEPT = 5  # files; a dying disk must not fill itself with its own damage
_SEQ_DIGITS = 18  # what a position can hold as well
_SLOT_BYTES = 4096  # a page each: writing one never touches the other
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Entry(NamedTuple):
    """A record of the spool."""

    seq: int
    payload: bytes


def line_of(entry: Entry) -> bytes:
    """The record as it is written. Raises ValueError for a payload of several lines."""
    if b"\n" in entry.payload:
        raise ValueError("a spooled payload must be one line")
    body = b"%d %s" % entry
    return b"%08x %s\n" % (zlib.crc32(body), body)


def entry_of(line: bytes) -> Entry | None:
    """The record in a line; None: it is damaged."""
    body = line[9:-1]
    if not line.endswith(b"\n") or line[:9] != b"%08x " % zlib.crc32(body):
        return None
    seq, _, payload = body.partition(b" ")
    if not seq.isdigit() or len(seq) > _SEQ_DIGITS:
        return None  # the checksum of nothing is 0, so a line of zeros has the right one
    return Entry(int(seq), payload)


@dataclass(slots=True, eq=False)
class Segment:
    """One file of records, and how far it has been written, handed out and acknowledged."""

    path: Path
    size: int = 0  # bytes
    records: int = 0
    handed: int = 0  # records
    handed_to: int = 0  # bytes
    acked: int = 0  # records
    acked_to: int = 0  # bytes
    sealed: bool = False  # nothing may be appended: its end is damaged, or the file is gone

    @property
    def waiting(self) -> int:
        """How many records the broker does not have."""
        return self.records - self.acked

    def rewind(self) -> None:
        """Hand out again what has not been acknowledged."""
        self.handed, self.handed_to = self.acked, self.acked_to

    def unread(self, limit: int, after_seq: int) -> Iterator[tuple[Entry, int]]:
        """The next records to hand out, at most `limit`, each with the offset after it.

        What is damaged, or not past `after_seq`, is passed over. Raises OSError.
        """
        with self.path.open("rb") as file:
            file.seek(self.handed_to)
            offset, found = self.handed_to, 0
            while offset < self.size and found < limit:
                line = file.readline()
                if not line:
                    return  # shorter than it was: somebody cut it
                offset += len(line)
                entry = entry_of(line)
                if entry is not None and entry.seq > after_seq:
                    found, after_seq = found + 1, entry.seq
                    yield entry, offset


def segment_path(folder: Path, first_seq: int) -> Path:
    """Where the segment that begins with this seq lives; names sort as seqs do."""
    return folder / f"{first_seq:020d}{SUFFIX}"


@dataclass(slots=True)
class Loaded:
    """What was found in the segments of a folder."""

    segments: list[Segment] = field(default_factory=list)
    last_seq: int = 0
    expected: int = 0  # records that wait, of those that the position knows of
    damage: list[str] = field(default_factory=list)  # sentences


Line = tuple[bytes, Entry | None]


def load_segments(folder: Path, position: Position) -> Loaded:
    """Every segment of the folder; what is damaged is cut out of it and set aside.

    Raises StartError for a segment that cannot be read at all: newer readings would move the
    position past it, and it would be taken for delivered.
    """
    loaded = Loaded()
    for path, content in _contents(folder):
        lines = _lines(content, loaded.last_seq)
        if any(entry is None for _, entry in lines):
            lines = _without_damage(path, lines, loaded.damage)
        # The name is a floor: the segment may be empty, and its seqs must not be used again.
        loaded.last_seq = max(loaded.last_seq, int(path.stem) - 1)
        seqs = [entry.seq for _, entry in lines if entry is not None]
        loaded.last_seq = max([loaded.last_seq, *seqs])
        loaded.expected += sum(position.acked_seq < seq < position.next_seq for seq in seqs)
        loaded.segments.append(_segment(path, lines, position.acked_seq))
    return loaded


def _contents(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """The segments of the folder, and what is in them. Raises StartError."""
    path = folder
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(SUFFIX))
        for path in (folder / name for name in names):
            if path.stem.isdecimal():
                yield path, path.read_bytes()
    except OSError as problem:
        raise StartError(
            f"{path} cannot be read ({problem.strerror}), and readings may wait in it:"
            " mend that, or move it away to go on without them."
        ) from problem


def _lines(content: bytes, last_seq: int) -> list[Line]:
    """The lines with their records; None where a line is damaged or its seq does not grow."""
    lines: list[Line] = []
    for line in io.BytesIO(content):
        entry = entry_of(line)
        if entry is not None and entry.seq <= last_seq:
            entry = None
        if entry is not None:
            last_seq = entry.seq
        lines.append((line, entry))
    return lines


def _segment(path: Path, lines: list[Line], acked_seq: int) -> Segment:
    segment = Segment(path)
    for line, entry in lines:
        segment.size += len(line)
        if entry is None:
            segment.sealed = True
            continue
        segment.records += 1
        if entry.seq <= acked_seq:
            segment.acked, segment.acked_to = segment.records, segment.size
    segment.rewind()
    return segment


def _without_damage(path: Path, lines: list[Line], damage: list[str]) -> list[Line]:
    """The lines that can be read; the others are moved from the segment to a file beside it."""
    bad = [line for line, entry in lines if entry is None]
    what = f"{path}: {sum(map(len, bad))} bytes ({len(bad)} lines) cannot be read"
    whole = [(line, entry) for line, entry in lines if entry is not None]
    aside, partial = _free_name(path), path.with_suffix(".partial")
    try:
        aside.write_bytes(b"".join(bad))
        partial.write_bytes(b"".join(line for line, _ in whole))
        partial.replace(path)
    except OSError as problem:
        for half in (aside, partial):  # the disk may be full
            with contextlib.suppress(OSError):
                half.unlink(missing_ok=True)
        damage.append(
            f"{what}; they stay there, as {aside} cannot be written ({problem.strerror})."
        )
        return lines
    damage.append(f"{what}; they are set aside in {aside}.")
    _forget_old_damage(path.parent)
    return [*whole]


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.stem}-{n}{UNREADABLE_SUFFIX}") for n in itertools.count(1))
    return next(name for name in names if not name.exists())


def _forget_old_damage(folder: Path) -> None:
    found = sorted(folder.glob(f"*{UNREADABLE_SUFFIX}"), key=lambda path: path.stat().st_mtime_ns)
    for path in found[:-UNREADABLE_KEPT]:
        path.unlink()


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """How far the spool is."""

    acked_seq: int = 0  # the broker has everything up to here
    next_seq: int = 1
    waiting: int | None = None  # readings between the two; None: of an older version
    dropped: int = 0  # readings that were given up, ever
    boot: str = ""  # which start of the machine wrote this
    closed: bool = True  # by an agent that ended in peace


class PositionFile:
    """Two slots that are written in turn; each is a line with a checksum.

    Once both are there the file never grows, so a full disk does not keep the position from being
    written.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, or make it. Raises StartError."""
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as problem:
            raise StartError(
                f"{path} cannot be opened ({problem.strerror}): make room on the disk, let this"
                " user write there, or choose another folder with --data."
            ) from problem
        self._turn = 0

    def read(self) -> Position | None:
        """The newest position that can be read; None: there is none."""
        newest: Position | None = None
        for slot in (0, 1):
            entry = entry_of(self._slot(slot).partition(b"\n")[0] + b"\n")
            if entry is not None and entry.seq > self._turn:
                newest, self._turn = _decode_position(entry.payload), entry.seq
        return newest

    def _slot(self, number: int) -> bytes:
        try:
            return os.pread(self._file, _SLOT_BYTES, number * _SLOT_BYTES)
        except OSError:
            return b""  # a dying disk; the other slot may do

    def write(self, position: Position) -> None:
        """Put the position over the older slot. Raises OSError."""
        self._make_room()
        line = line_of(Entry(self._turn + 1, msgspec.json.encode(position)))
        os.pwrite(self._file, line, (self._turn + 1) % 2 * _SLOT_BYTES)
        self._turn += 1

    def _make_room(self) -> None:
        """Let the file have both slots. Raises OSError: a disk may be full from the start."""
        size = os.fstat(self._file).st_size
        missing = max(0, 2 * _SLOT_BYTES - size)
        if os.pwrite(self._file, bytes(missing), size) < missing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self, *, sync: Callable[[int], None]) -> None:
        """Force it to the disk, and close it."""
        sync(self._file)
        os.close(self._file)


def position_in(path: Path) -> Position | None:
    """The newest position of a spool that an agent may be using; None: none can be read."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    slots = (content[:_SLOT_BYTES], content[_SLOT_BYTES:])
    entries = [entry for slot in slots if (entry := entry_of(slot.partition(b"\n")[0] + b"\n"))]
    newest = max(entries, key=lambda entry: entry.seq, default=None)
    return None if newest is None else _decode_position(newest.payload)


def last_entry(folder: Path) -> Entry | None:
    """The newest record of a spool on the disk, delivered or not; None: there is none."""
    try:
        content = max(folder.glob(f"*{SUFFIX}")).read_bytes()
    except (OSError, ValueError):
        return None
    return next(filter(None, map(entry_of, reversed(content.splitlines(keepends=True)))), None)


def _decode_position(payload: bytes) -> Position | None:
    try:
        return msgspec.json.decode(payload, type=Position)
    except msgspec.MsgspecError:
        return None  # of another version


def boot_id() -> str:
    """Which start of the machine this is; empty where the system does not tell."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""
