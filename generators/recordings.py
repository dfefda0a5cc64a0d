"""Recorded readings in files -> readings in the order of their time, whatever the file's order.

Three layouts, told apart by their content:

- CSV with `device_id`, `measured_at` (Unix ms) or `t_s` (seconds), and columns named like channels;
  `kind` and `seq` where they are known. Missing values are empty cells.
- The same with `board` and `session` in place of `device_id` (the sbc-bench collection).
- JSON lines: one document of the wire each.

A file is read twice: once to check it and to note where its times run backwards, then from each of
these places at once, merged by time. So a file in order is streamed, one that lists device after
device is merged, and memory does not grow with either; only one whose times run backwards more
than MAX_RUNS times is refused. Fields with line breaks in quotes are not supported.
"""

from __future__ import annotations

import csv
import functools
import heapq
import itertools
import math
import mmap
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec

from fleetpulse import wire
from fleetpulse.errors import DecodeError, StartError
from fleetpulse.telemetry import CHANNEL, CHANNEL_NAMES, Reading

MAX_RUNS = 5_000
MAX_BAD_SHARE = 0.1  # of the rows; past it this is not a file of readings
MAX_LINE_BYTES = 1_000_000
MAX_NAME = 64  # characters of a device_id
LONGEST_S = 1e9  # thirty years; more is a date
DEFAULT_KIND = "raspberry"
_TIME_COLUMNS = ("measured_at", "t_s")
_JOINT = "\t"  # between board and session
_BLANK = b" \t\r\n\xef\xbb\xbf"  # also the mark that some editors put before UTF-8


class RowFault(Exception):
    """A row, or a cell of it, that cannot be used; the message names the column."""


@dataclass(slots=True)
class Count:
    """How often something was wrong, and where it was first."""

    what: str  # in the singular
    number: int = 0
    first: str = ""

    def add(self, line: int, fault: str) -> None:
        """One more, found at this line."""
        if not self.number:
            self.first = f"line {line}, {fault}"
        self.number += 1

    def __str__(self) -> str:
        plural = "" if self.number == 1 else "s"
        return f"{self.number:,} {self.what}{plural} (first: {self.first})"


@dataclass(slots=True)
class Faults:
    """What of a file was left out."""

    rows: Count = field(default_factory=lambda: Count("unreadable row"))
    cells: Count = field(default_factory=lambda: Count("impossible value"))
    repeated: Count = field(default_factory=lambda: Count("repeated row"))

    def __str__(self) -> str:
        return "; ".join(
            str(count) for count in (self.rows, self.cells, self.repeated) if count.number
        )


@dataclass(frozen=True, slots=True)
class Key:
    """Which device a row is of, and when it was taken, in ms on the file's own scale."""

    device: str
    at_ms: int


class Layout(Protocol):
    """How the lines of one file are to be read. Both raise RowFault."""

    dated: bool  # whether its times are moments, rather than seconds since some begin

    def key(self, line: str) -> Key:
        """Device and time."""

    def reading(self, line: str, left_out: Callable[[str], None]) -> Reading:
        """The row under its key; `left_out` is told of each value that cannot be real."""


class CsvLayout:
    """Comma-separated values with a header."""

    def __init__(self, header: Sequence[str], *, device_id: str | None, kind: str | None) -> None:
        """Raises RowFault that names all that is missing at once."""
        self._columns = {name.strip(): index for index, name in enumerate(header)}
        self._width = len(header)
        self._device_id = device_id
        self._kind = kind
        self._device_columns = self._all_of("device_id") or self._all_of("board", "session")
        self._time_column = next((name for name in _TIME_COLUMNS if name in self._columns), "")
        self._channels = [(n, self._columns[n]) for n in CHANNEL_NAMES if n in self._columns]
        self._check()
        self.dated = self._time_column == "measured_at"

    def _all_of(self, *names: str) -> tuple[str, ...]:
        return names if all(name in self._columns for name in names) else ()

    def _check(self) -> None:
        if len(self._columns) < self._width:
            raise RowFault("two columns have the same name")
        lacks = []
        if not self._device_columns and self._device_id is None:
            lacks.append("no column device_id (or give --device-id)")
        if not self._time_column:
            lacks.append("no column measured_at (Unix ms) or t_s (seconds)")
        if not self._channels:
            lacks.append(f"no channel ({CHANNEL_NAMES[0]}, …)")
        if lacks:
            columns = ", ".join(self._columns)[:200]
            raise RowFault(f"there is {' and '.join(lacks)}; there are the columns {columns}")

    def key(self, line: str) -> Key:
        return self._key_of(self._cells(line))

    def reading(self, line: str, left_out: Callable[[str], None]) -> Reading:
        cells = self._cells(line)
        key = self._key_of(cells)
        values: dict[str, float] = {}
        for name, column in self._channels:
            text = cells[column].strip()
            value = _number(text)
            if value is not None and CHANNEL[name].accepts(value):
                values[name] = value
            elif text:
                left_out(_impossible(name, text))
        return Reading(
            device_id=key.device,
            kind=self._kind or self._text(cells, "kind") or DEFAULT_KIND,
            measured_at=key.at_ms,
            seq=int(_number(self._text(cells, "seq")) or 0),
            **values,
        )

    def _cells(self, line: str) -> list[str]:
        cells = _quoted_cells(line) if '"' in line else line.split(",")
        if len(cells) != self._width:
            raise RowFault(f"{len(cells)} columns instead of {self._width}")
        return cells

    def _text(self, cells: list[str], column: str) -> str:
        return cells[self._columns[column]].strip() if column in self._columns else ""

    def _key_of(self, cells: list[str]) -> Key:
        names = [self._text(cells, column) for column in self._device_columns]
        for column, name in zip(self._device_columns, names, strict=True):
            if not name:
                raise RowFault(f"column {column}: it is empty")
        kind = self._text(cells, "kind")
        if kind and not wire.is_identifier(kind):
            raise RowFault(
                f"column kind: {kind[:40]!r} has other characters than A-Z a-z 0-9 . _ -"
            )
        return Key(_JOINT.join(names) or self._device_id or "", self._at_ms(cells))

    def _at_ms(self, cells: list[str]) -> int:
        text = self._text(cells, self._time_column)
        number = _number(text)
        if not self.dated:
            if number is None or abs(number) > LONGEST_S:
                raise RowFault(f"column t_s: {text[:40]!r} is not a number of seconds")
            return round(number * 1000)
        if number is None or not number.is_integer() or not 0 <= number < 2**53:
            raise RowFault(f"column measured_at: {text[:40]!r} is not Unix milliseconds")
        return int(number)


class JsonLayout:
    """One document of the wire a line."""

    dated = True

    def __init__(self, *, kind: str | None) -> None:
        self._kind = kind

    def key(self, line: str) -> Key:
        reading, _ = self._decoded(line)
        return Key(reading.device_id, reading.measured_at)

    def reading(self, line: str, left_out: Callable[[str], None]) -> Reading:
        reading, rejected = self._decoded(line)
        for _ in range(rejected):
            left_out("a channel is not a number")
        values: dict[str, float | None] = {}
        for channel, value in reading.channels():
            if value is not None and not channel.accepts(value):
                left_out(_impossible(channel.name, f"{value:g}"))
                values[channel.name] = None
        return msgspec.structs.replace(reading, kind=self._kind or reading.kind, **values)

    def _decoded(self, line: str) -> tuple[Reading, int]:
        try:
            return wire.decode(line.encode())
        except DecodeError as problem:
            raise RowFault(problem.detail) from problem


def _impossible(name: str, text: str) -> str:
    channel = CHANNEL[name]
    span = f"{channel.low:g} to {channel.high:g} {channel.unit}"
    return f"column {name}: {text[:40]!r} is not within {span}"


def _number(text: str) -> float | None:
    """The finite number that this text is, or None."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _quoted_cells(line: str) -> list[str]:
    try:
        return next(csv.reader([line], strict=True))
    except csv.Error as problem:
        raise RowFault(f"it is not CSV: {problem}") from problem


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the file, and where it is."""

    number: int
    offset: int
    raw: bytes

    @property
    def text(self) -> str:
        """Raises RowFault when it is not UTF-8."""
        try:
            return self.raw.decode().strip()
        except UnicodeDecodeError as problem:
            raise RowFault("it is not UTF-8 text") from problem


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of the file in which time does not go backwards."""

    line: int  # its first
    offset: int
    end: int


class Recording:
    """A checked file of readings."""

    def __init__(
        self, path: Path, *, device_id: str | None = None, kind: str | None = None
    ) -> None:
        """device_id: for a file that names none, or that names only one. kind: over the file's own.

        Raises StartError in one sentence that names file, line and column.
        """
        self.path = path
        self.faults = Faults()
        self.rows = 0  # that can be used
        self.begins_at_ms = self.ends_at_ms = 0
        self._content = _opened(path)
        self._layout, body = self._layout_of(device_id, kind)
        self.dated = self._layout.dated
        self._names: dict[str, str] = {}
        self._runs = list(self._scanned(body))
        self._check(device_id)

    @property
    def devices(self) -> Sequence[str]:
        """The ids of its devices, in the order in which they appear."""
        return tuple(self._names.values())

    def readings(self) -> Iterator[Reading]:
        """All readings, merged by time; a second row of a device and moment is left out."""
        at_ms, seen = -(2**63), set[str]()
        for line, reading in heapq.merge(*map(self._of, self._runs), key=_moment):
            if reading.measured_at != at_ms:
                at_ms, seen = reading.measured_at, set()
            if reading.device_id in seen:
                what = f"{reading.device_id} has a row of the same time already"
                self.faults.repeated.add(line, what)
                continue
            seen.add(reading.device_id)
            yield reading

    def close(self) -> None:
        """Let go of the file."""
        self._content.close()

    def _layout_of(self, device_id: str | None, kind: str | None) -> tuple[Layout, Line]:
        """How to read the file, and its first line of readings."""
        lines = self._lines(Line(1, 0, b""))
        first = next((line for line in lines if line.raw.strip(_BLANK)), None)
        if first is None:
            raise StartError(f"{self.path} is empty.")
        try:
            text = first.text.lstrip("\ufeff")
            if text.startswith("{"):
                return JsonLayout(kind=kind), first
            layout = CsvLayout(_quoted_cells(text), device_id=device_id, kind=kind)
        except RowFault as fault:
            raise StartError(f"{self.path}, line {first.number}: {fault}.") from fault
        return layout, Line(first.number + 1, first.offset + len(first.raw), b"")

    def _lines(self, begin: Line, end: int | None = None) -> Iterator[Line]:
        number, offset, size = begin.number, begin.offset, end or len(self._content)
        while offset < size:
            after = self._content.find(b"\n", offset, offset + MAX_LINE_BYTES) + 1
            if not after and size - offset >= MAX_LINE_BYTES:
                raise StartError(f"{self.path}, line {number}: it is longer than any reading.")
            raw = self._content[offset : after or size]
            yield Line(number, offset, raw)
            number, offset = number + 1, offset + len(raw)

    def _scanned(self, body: Line) -> Iterator[Run]:
        """The runs of the file, everything in it being counted on the way."""
        begin, previous_ms, runs = body, None, 1
        for line in self._lines(body):
            if not line.raw.strip():
                continue
            key = self._key(line)
            if key is None:
                continue
            self._count(key)
            if previous_ms is not None and key.at_ms < previous_ms:
                yield Run(begin.number, begin.offset, line.offset)
                begin, runs = line, runs + 1
                self._check_runs(line, runs)
            previous_ms = key.at_ms
        yield Run(begin.number, begin.offset, len(self._content))

    def _key(self, line: Line) -> Key | None:
        try:
            return self._layout.key(line.text.lstrip("\ufeff"))
        except RowFault as fault:
            self.faults.rows.add(line.number, str(fault))
            return None

    def _count(self, key: Key) -> None:
        self.begins_at_ms = min(self.begins_at_ms, key.at_ms) if self.rows else key.at_ms
        self.ends_at_ms = max(self.ends_at_ms, key.at_ms) if self.rows else key.at_ms
        self.rows += 1
        if key.device not in self._names:
            self._names[key.device] = _identifier(key.device, set(self._names.values()))

    def _check_runs(self, line: Line, runs: int) -> None:
        if runs > MAX_RUNS:
            raise StartError(
                f"{self.path}, line {line.number}: time has gone backwards {runs - 1:,} times;"
                " sort the rows by time, or by device and time."
            )

    def _check(self, device_id: str | None) -> None:
        bad = self.faults.rows.number
        if bad > MAX_BAD_SHARE * (bad + self.rows):
            of = f"{bad:,} of {bad + self.rows:,} rows are unreadable"
            raise StartError(f"{self.path}, {self.faults.rows.first}; {of}.")
        if not self.rows:
            raise StartError(f"{self.path} has a header and no readings.")
        if device_id is not None and len(self._names) > 1:
            raise StartError(
                f"{self.path} holds {len(self._names)} devices; --device-id can name only one."
            )
        if device_id is not None:
            self._names = dict.fromkeys(self._names, device_id)

    def _of(self, run: Run) -> Iterator[tuple[int, Reading]]:
        """(line, reading) of one run."""
        for line in self._lines(Line(run.line, run.offset, b""), run.end):
            if not line.raw.strip():
                continue
            left_out = functools.partial(self.faults.cells.add, line.number)
            try:
                reading = self._layout.reading(line.text.lstrip("\ufeff"), left_out)
            except RowFault:
                continue  # counted when the file was checked
            name = self._names[reading.device_id]
            yield line.number, msgspec.structs.replace(reading, device_id=name)


def _moment(row: tuple[int, Reading]) -> int:
    return row[1].measured_at


def _opened(path: Path) -> mmap.mmap:
    if path.exists() and not path.is_file():
        raise StartError(f"{path} is not a file.")
    try:
        with path.open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                raise StartError(f"{path} is empty.")
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise StartError(f"There is no file {path}.") from None
    except OSError as problem:
        raise StartError(f"{path} cannot be read: {problem.strerror}.") from problem


def _identifier(device: str, taken: set[str]) -> str:
    """A device_id as the wire allows it, unlike those taken."""
    head, _, session = device.partition(_JOINT)
    tail = f"-{_allowed(session)[: MAX_NAME // 2]}" if session else ""
    endings = itertools.chain([tail], (f"{tail}-{number}" for number in itertools.count(2)))
    named = (_allowed(head)[: MAX_NAME - len(end)] + end for end in endings)
    return next(name for name in named if name not in taken)


def _allowed(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-") or "device"
