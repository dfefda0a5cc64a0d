"""Readings in a CSV file, a few thousand rows at a time, every cell kept as it stands."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from fleetpulse.errors import DataError
from fleetpulse.telemetry import CHANNEL, CHANNEL_NAMES, is_milliseconds

CHUNK_ROWS = 5_000
_REQUIRED = ("device_id", "measured_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """n rows of a file, in its order."""

    rows: list[list[str]]  # as they stand there
    device_ids: list[str]
    kinds: list[str | None]  # None: the row does not say
    measured_at: list[int]  # Unix ms
    values: list[list[float]]  # [n, channels], NaN: missing or impossible
    impossible: Counter[str]  # by channel, cells that held no number that a machine can have

    def __len__(self) -> int:
        return len(self.rows)

    def of(self, places: Sequence[int]) -> Chunk:
        """The rows at these places, in that order."""
        return Chunk(
            rows=[self.rows[place] for place in places],
            device_ids=[self.device_ids[place] for place in places],
            kinds=[self.kinds[place] for place in places],
            measured_at=[self.measured_at[place] for place in places],
            values=[self.values[place] for place in places],
            impossible=Counter(),
        )


def together(chunks: Sequence[Chunk]) -> Chunk:
    """The rows of all of them."""
    return Chunk(
        rows=[row for chunk in chunks for row in chunk.rows],
        device_ids=[name for chunk in chunks for name in chunk.device_ids],
        kinds=[kind for chunk in chunks for kind in chunk.kinds],
        measured_at=[at for chunk in chunks for at in chunk.measured_at],
        values=[row for chunk in chunks for row in chunk.values],
        impossible=sum((chunk.impossible for chunk in chunks), Counter[str]()),
    )


class CsvReadings:
    """The readings of an open file.

    It needs the columns device_id and measured_at (Unix ms) and at least one channel by its name;
    kind is taken where it is there, and whatever else there is goes through. Raises DataError.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._path = path
        self._rows = csv.reader(TextIOWrapper(file, encoding="utf-8-sig", newline=""))
        self.columns = self._header()
        places = {name: place for place, name in enumerate(self.columns)}
        self._device, self._moment = (places[name] for name in _REQUIRED)
        self._kind = places.get("kind")
        self._channels = [places.get(name) for name in CHANNEL_NAMES]

    def chunks(self, rows: int = CHUNK_ROWS) -> Iterator[Chunk]:
        """All rows, in their order, so many at a time."""
        try:
            while lines := [(self._rows.line_num, line) for line in islice(self._rows, rows)]:
                yield self._chunk(
                    [(number, line) for number, line in lines if any(map(str.strip, line))]
                )
        except (csv.Error, UnicodeDecodeError) as problem:
            raise DataError(
                f"{self._path}, line {self._rows.line_num}: this is no CSV in UTF-8 ({problem})."
            ) from problem

    def _header(self) -> list[str]:
        try:
            columns = [name.strip() for name in next(self._rows, [])]
        except (csv.Error, UnicodeDecodeError) as problem:
            raise DataError(f"{self._path} is no CSV in UTF-8 ({problem}).") from problem
        if not columns:
            raise DataError(f"{self._path} is empty: its first line must name the columns.")
        missing = [name for name in _REQUIRED if name not in columns]
        if missing:
            raise DataError(
                f"{self._path} has no column {' and no column '.join(missing)}; it has"
                f" {', '.join(columns)}. measured_at is in Unix milliseconds."
            )
        if not set(CHANNEL_NAMES) & set(columns):
            raise DataError(
                f"{self._path} has no channel, only {', '.join(columns)}; known are"
                f" {', '.join(CHANNEL_NAMES)}."
            )
        doubled = {name for name in columns if columns.count(name) > 1}
        if doubled:
            raise DataError(f"{self._path} names {', '.join(sorted(doubled))} twice.")
        return columns

    def _chunk(self, numbered: list[tuple[int, list[str]]]) -> Chunk:
        for number, line in numbered:
            if len(line) != len(self.columns):
                raise DataError(
                    f"{self._path}, line {number}: the row has {len(line)} cells, and there are"
                    f" {len(self.columns)} columns."
                )
        lines = [line for _, line in numbered]
        cells = [self._values(line) for line in lines]
        return Chunk(
            rows=lines,
            device_ids=[line[self._device] for line in lines],
            kinds=[None if self._kind is None else line[self._kind] or None for line in lines],
            measured_at=[
                self._measured_at(line[self._moment], number) for number, line in numbered
            ],
            values=[values for values, _ in cells],
            impossible=Counter(name for _, impossible in cells for name in impossible),
        )

    def _values(self, line: Sequence[str]) -> tuple[list[float], list[str]]:
        """A row's channels, and those whose cells hold no possible value."""
        values, impossible = [], list[str]()
        for name, place in zip(CHANNEL_NAMES, self._channels, strict=True):
            text = "" if place is None else line[place].strip()
            value = _number(text)
            accepted = CHANNEL[name].accepts(value)
            if text and not accepted and text.lower() not in ("nan", "null"):
                impossible.append(name)
            values.append(value if accepted else math.nan)
        return values, impossible

    def _measured_at(self, text: str, number: int) -> int:
        try:
            at = int(float(text))
        except (ValueError, OverflowError):
            at = -1
        if not is_milliseconds(at):
            raise DataError(
                f"{self._path}, line {number}: measured_at is {text!r}; it must be Unix"
                " milliseconds, such as 1795342120081."
            )
        return at


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
