"""What commands that predict for recorded readings are asked: limits, and of what kind."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from consumer.csv_readings import CsvReadings
from fleetpulse.alerts import rule_named
from fleetpulse.errors import DataError, SettingsError
from fleetpulse.telemetry import KINDS

# What --limit may name: the channel of a rule that is predicted.
RULE_OF_CHANNEL = {"temperature_c": "heat", "load_pct": "overload"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """--limit and --kind."""
    parser.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="CHANNEL=LIMIT",
        help=f"{' or '.join(RULE_OF_CHANNEL)}, such as temperature_c=70: then only what is named is"
        " asked (default: the limits of each kind)",
    )
    parser.add_argument(
        "--kind",
        choices=KINDS,
        default=KINDS[0],
        help="of devices whose rows do not say (default: %(default)s)",
    )


def limits_in(texts: Sequence[str]) -> dict[str, float]:
    """The limits that were named, by rule. Raises SettingsError."""
    return dict(_limit(text) for text in texts)


def _limit(text: str) -> tuple[str, float]:
    """A rule and its limit. Raises SettingsError."""
    channel, _, number = text.partition("=")
    name = RULE_OF_CHANNEL.get(channel)
    try:
        if name is None:
            raise ValueError
        rule = rule_named(name, KINDS[0])
        limit = float(number)
    except ValueError:
        known = " and ".join(f"{channel}=NUMBER" for channel in RULE_OF_CHANNEL)
        raise SettingsError(f"--limit {text}: it must be one of {known}.") from None
    if not rule.lowest <= limit <= rule.highest:
        raise SettingsError(
            f"--limit {text}: it must be between {rule.lowest:g} and {rule.highest:g} {rule.unit}."
        )
    return name, limit


@contextmanager
def opened(path: Path, what: str) -> Iterator[tuple[CsvReadings, Callable[[], None]]]:
    """The readings of a file, and what moves the bar on a terminal. Raises DataError."""
    if not path.is_file():
        what_it_is = (
            "is no file, and it may have to be read twice" if path.exists() else "is not there"
        )
        raise DataError(f"{path} {what_it_is}: name another --input.")
    try:
        file = path.open("rb")
    except OSError as problem:
        raise DataError(f"{path} cannot be read: {problem.strerror}.") from problem
    console = Console(stderr=True)
    with file, Progress(transient=True, disable=not sys.stderr.isatty(), console=console) as bar:
        task = bar.add_task(what, total=path.stat().st_size)
        yield CsvReadings(file, path), lambda: bar.update(task, completed=file.tell())


def moment(text: str) -> int:
    """Unix ms of a moment in Unix ms or ISO 8601; UTC unless it says otherwise."""
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} must be Unix milliseconds or ISO 8601, such as 2026-11-22T10:00:00Z"
        ) from None
    aware = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)
