"""`fleetpulse score`: the prediction for every row of a CSV file, as the live consumer gives it."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import numpy as np

from consumer.csv_answers import Answer, Answers, Told, answers_of
from consumer.csv_readings import CHUNK_ROWS, Chunk, together
from consumer.scoring import Scoring
from fleetpulse.cli.asked import add_options, limits_in, opened
from fleetpulse.errors import DataError, FleetpulseError, SettingsError
from fleetpulse.settings import ModelSettings, load
from fleetpulse.telemetry import CHANNEL
from model.predictor import load_predictor
from model.registry import open_registry

MOST_UNSORTED_ROWS = 400_000  # they must all be in memory at once
ENOUGH_ROWS = 100  # to say that something is strange about all of them


class _Unsorted(Exception):
    """A device's rows are not in the order of time."""


def main(argv: Sequence[str] | None = None) -> int:
    """Score the file; the exit code."""
    options = _parser().parse_args(argv)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        settings = load(ModelSettings)
        limits = limits_in(options.limit)
        registry = open_registry(settings.models, aws=settings.aws, key=settings.model_key)

        def scoring() -> Scoring:
            return Scoring(load_predictor(registry), options.kind, limits)

        with _written(options.output) as output:
            told = _score_file(options.input, output, scoring)
    except (FleetpulseError, OSError) as problem:
        sys.stderr.write(f"fleetpulse score: {problem}\n")
        return 2 if isinstance(problem, SettingsError) else 1
    sys.stderr.write(_summary(told, options))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fleetpulse score",
        description="Write a CSV file's rows with the probability that a limit is reached within"
        " two minutes, as the live consumer would have told it at that moment.",
    )
    parser.add_argument(
        "--input",
        type=Path,
        required=True,
        metavar="FILE",
        help="CSV with device_id, measured_at (Unix ms) and channels; kind is taken if it is there",
    )
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FILE", help="the same rows, and the answers"
    )
    add_options(parser)
    return parser


def _score_file(path: Path, output: TextIO, scoring: Callable[[], Scoring]) -> Told:
    """Score row by row as far as each device's rows are in order of time; else sort them first."""
    try:
        return _streamed(path, output, scoring())
    except _Unsorted:
        output.seek(0)
        output.truncate()
        return _sorted(path, output, scoring())


def _streamed(path: Path, output: TextIO, scoring: Scoring) -> Told:
    told, newest = Told(), dict[str, int]()
    with opened(path, "score") as (readings, advance):
        answers = Answers(output, readings.columns)
        for chunk in readings.chunks():
            for device_id, at in zip(chunk.device_ids, chunk.measured_at, strict=True):
                if at < newest.get(device_id, at):
                    raise _Unsorted
                newest[device_id] = at
            batch = scoring.score(chunk)
            answers.write(chunk.rows, answers_of(batch))
            told.count(chunk, batch)
            advance()
    return told


def _sorted(path: Path, output: TextIO, scoring: Scoring) -> Told:
    """All rows at once in memory, scored in order of time and written in their own."""
    told = Told()
    with opened(path, "score") as (readings, advance):
        answers = Answers(output, readings.columns)
        chunks: list[Chunk] = []
        for chunk in readings.chunks():
            chunks.append(chunk)
            advance()
            if sum(map(len, chunks)) > MOST_UNSORTED_ROWS:
                raise DataError(
                    f"{path} has rows of a device that are not in order of time, and more than"
                    f" {MOST_UNSORTED_ROWS:,} of them: sort it by measured_at first."
                )
    everything = together(chunks)
    told.impossible = everything.impossible
    order = np.argsort(everything.measured_at, kind="stable").tolist()
    found: list[Answer] = [()] * len(everything)
    for first in range(0, len(order), CHUNK_ROWS):
        rows = order[first : first + CHUNK_ROWS]
        chunk = everything.of(rows)
        batch = scoring.score(chunk)
        told.count(chunk, batch)
        for row, answer in zip(rows, answers_of(batch), strict=True):
            found[row] = answer
    answers.write(everything.rows, found)
    return told


@contextmanager
def _written(path: Path) -> Iterator[TextIO]:
    """A file that is there once it is whole, and not at all if it could not be finished.

    Raises DataError.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        raise DataError(f"{path} is no file that can be replaced: name another --output.")
    if not path.parent.is_dir():
        raise DataError(f"There is no folder {path.parent}: make it, or name another --output.")
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("w+", encoding="utf-8", newline="") as file:
            yield file
        partial.replace(path)
    except OSError as problem:
        raise DataError(f"{path} cannot be written: {problem.strerror}.") from problem
    finally:
        partial.unlink(missing_ok=True)


def _summary(told: Told, options: argparse.Namespace) -> str:
    """What was done, in one or two sentences."""
    if not told.rows:
        return f"{options.input} has no rows: {options.output} has none either.\n"
    statuses = ", ".join(f"{count:,} {status}" for status, count in told.statuses.most_common())
    said = f"{told.rows:,} rows of {len(told.devices):,} devices: {statuses}.\n"
    for name, cells in told.impossible.items():
        channel = CHANNEL[name]
        said += (
            f"{name}: {cells:,} cells hold no possible value and count as missing; it is in"
            f" {channel.unit}, from {channel.low:g} to {channel.high:g}.\n"
        )
    if told.rows >= ENOUGH_ROWS and told.highest_load_pct <= 1:
        said += "load_pct is never above 1: it is meant in percent, from 0 to 100.\n"
    return said


if __name__ == "__main__":
    sys.exit(main())
