"""Recorded and simulated telemetry as columns: what models are trained and judged on.

A session is one device without a long break, and has its own slot of a History.
"""

from __future__ import annotations

import csv
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fleetpulse.errors import DataError
from fleetpulse.stores.pages import all_devices, reading_pages
from fleetpulse.stores.protocols import Store, StoredReading
from fleetpulse.telemetry import (
    CHANNEL,
    CHANNEL_NAMES,
    KINDS,
    LATEST_MS,
    Reading,
    is_milliseconds,
)
from model.features import kind_codes
from model.history import Floats, Int64s

MOST_ROWS = 500_000  # some 300 MB
_ROWS_A_PAGE = 5_000
_EVER = 2**62  # Unix ms
_PC_WORDS = ("celeron", "atom", "pentium", "athlon", "ryzen", "i3-", "i5-", "i7-", " n95", " n100")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """Rows of several sessions, one session after the other, each in time order."""

    slots: Int64s  # [n], one per session, growing
    measured_at: Int64s  # [n], ms
    values: Floats  # [n, channels]
    kinds: Floats  # [n], place in KINDS
    groups: NDArray[np.str_]  # [n], the machine: what must not be split

    def __len__(self) -> int:
        return len(self.slots)

    def of(self, rows: NDArray[np.bool_]) -> Sessions:
        """The same, of some rows only."""
        return Sessions(
            slots=self.slots[rows],
            measured_at=self.measured_at[rows],
            values=self.values[rows],
            kinds=self.kinds[rows],
            groups=self.groups[rows],
        )


@dataclass(frozen=True, slots=True)
class _Row:
    session: tuple[str, str]
    measured_at: int
    values: list[float]
    kind: str


def from_fleet(fleet: Iterable[tuple[str, str, Sequence[Reading]]]) -> Sessions:
    """The sessions of (device_id, kind, readings)."""
    return _sessions(
        [
            _Row((device_id, ""), reading.measured_at, _numbers_of(reading), kind)
            for device_id, kind, readings in fleet
            for reading in readings
        ]
    )


def from_store(store: Store, *, since: int, most_rows: int, seed: int) -> Sessions:
    """What a store holds of its devices since then (Unix ms): a session each.

    most_rows: about; beyond it only some of the devices are taken, drawn with this seed, and only
    the first rows of the last one.
    """
    devices = list(all_devices(store))
    random.Random(seed).shuffle(devices)  # noqa: S311 - nothing secret
    rows: list[_Row] = []
    for device in devices:
        if len(rows) >= most_rows:
            break
        for page in reading_pages(
            store, device.device_id, since=since, until=_EVER, rows=_ROWS_A_PAGE
        ):
            rows += [
                _Row((device.device_id, ""), one.measured_at, _stored_numbers(one), device.kind)
                for one in page
            ]
            if len(rows) >= most_rows:
                break
    return _sessions(rows)


def from_csv(path: Path, *, most_rows: int = MOST_ROWS, seed: int = 1) -> Sessions:
    """The sessions of a CSV file with channels as columns.

    It names the machine in device_id or board and the moment in measured_at (Unix ms) or t_s
    (seconds), and may have session and kind. most_rows: about; beyond it only some of the machines
    are taken, drawn with this seed. Raises DataError.
    """
    try:
        chosen = _drawn(_rows_by_machine(path), most_rows, seed)
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            kept = (_row_in(row, path, rows.line_num) for row in rows if _machine_in(row) in chosen)
            return _sessions(list(islice(kept, most_rows)))
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise DataError(f"The file {path} cannot be read: {problem}.") from problem


def _rows_by_machine(path: Path) -> Counter[str]:
    """How many rows a CSV file has of each machine. Raises DataError."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        _check_columns(path, rows.fieldnames or [])
        return Counter(_machine_in(row) for row in rows)


def _drawn(rows: Counter[str], most_rows: int, seed: int) -> set[str]:
    """Machines with no more rows than that together, or a single one."""
    machines, chosen, total = sorted(rows), set[str](), 0
    if rows.total() > most_rows:
        random.Random(seed).shuffle(machines)  # noqa: S311 - nothing secret
    for machine in machines:
        if chosen and total + rows[machine] > most_rows:
            continue
        chosen.add(machine)
        total += rows[machine]
    return chosen


def _machine_in(row: Mapping[str, str]) -> str:
    return row.get("device_id") or row.get("board") or ""


def loads_in(path: Path) -> Sequence[float]:
    """The column `value` of a CSV file: loads in %, in order of time. Raises DataError."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            if "value" not in (rows.fieldnames or []):
                raise DataError(f"The file {path} needs a column value: loads in percent.")
            loads = [float(row["value"]) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise DataError(f"The file {path} cannot be read: {problem}.") from problem
    except (TypeError, ValueError) as problem:
        raise DataError(
            f"The file {path} holds something that is not a number: {problem}."
        ) from problem
    if not loads or not all(CHANNEL["load_pct"].accepts(load) for load in loads):
        raise DataError(f"The file {path} needs loads between 0 and 100 percent.")
    return loads


def _check_columns(path: Path, names: Sequence[str]) -> None:
    if not {"device_id", "board"} & set(names) or not {"measured_at", "t_s"} & set(names):
        raise DataError(
            f"The file {path} needs a column device_id (or board) and a column measured_at"
            " (or t_s)."
        )
    if not set(CHANNEL_NAMES) & set(names):
        raise DataError(f"The file {path} has no channel; known are {', '.join(CHANNEL_NAMES)}.")


def _row_in(row: dict[str, str], path: Path, line: int) -> _Row:
    """A row of a file. Raises DataError, which says where."""
    try:
        return _row_of(row)
    except (ValueError, TypeError, OverflowError) as problem:
        raise DataError(
            f"{path}, line {line}: a cell holds something that is not a number, or is missing"
            f" ({problem})."
        ) from problem


def _row_of(row: dict[str, str]) -> _Row:
    device = _machine_in(row)
    moment = row.get("measured_at")
    if moment:
        measured_at = int(float(moment))
        if not is_milliseconds(measured_at):
            raise ValueError(f"measured_at is {moment!r}, which is no Unix milliseconds")
    else:
        measured_at = round(1000 * float(row["t_s"]))
        if abs(measured_at) >= LATEST_MS:
            raise ValueError(f"t_s is {row['t_s']!r}, which is no number of seconds")
    values = [_number(name, row.get(name)) for name in CHANNEL_NAMES]
    kind = row.get("kind") or kind_of(device)
    return _Row((device, row.get("session") or ""), measured_at, values, kind)


def kind_of(board: str) -> str:
    """The kind of a machine that only has a name: x86 boards count as PCs, others as Pis."""
    return KINDS[0] if any(word in board.lower() for word in _PC_WORDS) else KINDS[1]


def _number(name: str, text: str | None) -> float:
    number = float(text) if text else np.nan
    return number if CHANNEL[name].accepts(number) else np.nan


def _numbers_of(reading: Reading) -> list[float]:
    return [np.nan if value is None else value for _, value in reading.channels()]


def _stored_numbers(reading: StoredReading) -> list[float]:
    values = (getattr(reading, name) for name in CHANNEL_NAMES)
    return [np.nan if value is None else value for value in values]


def _sessions(rows: list[_Row]) -> Sessions:
    rows.sort(key=lambda row: (row.session, row.measured_at))
    slots: dict[tuple[str, str], int] = {}
    return Sessions(
        slots=np.array([slots.setdefault(row.session, len(slots)) for row in rows], np.int64),
        measured_at=np.array([row.measured_at for row in rows], np.int64),
        values=np.array([row.values for row in rows]).reshape(-1, len(CHANNEL_NAMES)),
        kinds=kind_codes([row.kind for row in rows]),
        groups=np.array([machine_of(row.session[0]) for row in rows], np.str_),
    )


def machine_of(name: str) -> str:
    """One name for the spellings of one machine, so that it is never on both sides of a split."""
    words = name.lower().replace("_", " ").replace("-", " ").split()
    return " ".join(word for word in words if word not in ("review", "extensive", "unattended"))
