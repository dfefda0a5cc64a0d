"""What is found of each row of a CSV file, behind the row's own cells."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TextIO

import numpy as np

from consumer.batch import Batch
from consumer.csv_readings import Chunk

ADDED = ("probability", "status", "expected_s", "causes", "model_version")

Answer = tuple[str, ...]  # as ADDED


class Answers:
    """Writes rows and answers; columns of these names that were there before are replaced."""

    def __init__(self, file: TextIO, columns: Sequence[str]) -> None:
        self._kept = [place for place, name in enumerate(columns) if name not in ADDED]
        self._csv = csv.writer(file, lineterminator="\n")
        self._csv.writerow([*(columns[place] for place in self._kept), *ADDED])

    def write(self, rows: Iterable[Sequence[str]], answers: Iterable[Answer]) -> None:
        """The next rows, in this order."""
        self._csv.writerows(
            [*(row[place] for place in self._kept), *answer]
            for row, answer in zip(rows, answers, strict=True)
        )


def answers_of(batch: Batch) -> list[Answer]:
    """The answer for each row; a cell is empty where nothing is known."""
    version = batch.model_version or ""
    return [
        (
            _number(probability, 6),
            str(status),
            _number(expected_s, 1),
            "; ".join(batch.causes.get(row, ())),
            version,
        )
        for row, (probability, status, expected_s) in enumerate(
            zip(batch.probability.tolist(), batch.status, batch.expected_s.tolist(), strict=True)
        )
    ]


def _number(value: float, digits: int) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}f}"


@dataclass
class Told:
    """What a file held, counted."""

    rows: int = 0
    impossible: Counter[str] = field(default_factory=Counter)  # by channel
    devices: set[str] = field(default_factory=set)
    statuses: Counter[str] = field(default_factory=Counter)
    highest_load_pct: float = math.nan

    def count(self, chunk: Chunk, batch: Batch) -> None:
        """Count some more rows."""
        self.rows += len(chunk)
        self.impossible += chunk.impossible
        self.devices.update(chunk.device_ids)
        self.statuses.update(map(str, batch.status))
        highest = np.fmax.reduce(batch.channel("load_pct"), initial=self.highest_load_pct)
        self.highest_load_pct = float(highest)
