"""`fleetpulse backtest`: what would have been warned of in recorded readings, and what happened."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import Progress

from consumer.backtest import Backtest, RuleReport
from consumer.csv_readings import CHUNK_ROWS, Chunk
from fleetpulse.cli.asked import add_options, limits_in, moment, opened
from fleetpulse.cli.tables import table
from fleetpulse.errors import DataError, FleetpulseError, SettingsError
from fleetpulse.settings import ConsumerSettings, load
from fleetpulse.stores import open_existing
from fleetpulse.stores.pages import all_devices, reading_pages
from fleetpulse.stores.protocols import Device, Store, StoredReading
from fleetpulse.telemetry import CHANNEL_NAMES
from model.judging import Judgement
from model.predictor import Candidate, FleetPredictor, load_candidates, load_models
from model.registry import open_registry

_NAN = float("nan")
_LAST_MS = 2**62


def main(argv: Sequence[str] | None = None) -> int:
    """Replay and report; the exit code."""
    options = _parser().parse_args(argv)
    try:
        settings = load(ConsumerSettings, store=options.store)
        registry = open_registry(settings.models, aws=settings.aws, key=settings.model_key)
        models = load_models(registry.current(), registry.read)
        candidates = _candidates(options.candidate)
        predictor = FleetPredictor(replace(models, candidates=candidates))
        backtest = Backtest(
            predictor,
            options.kind,
            limits_in(options.limit),
            options.threshold,
            {rule: candidate.threshold for rule, candidate in candidates.items()},
        )
        if options.input is not None:
            rows = _replay(_of_file(options.input), backtest, options)
        else:
            store = open_existing(
                settings.store_url, aws=settings.aws, retention=settings.retention
            )
            with closing(store):
                rows = _replay(_of_store(store, options), backtest, options)
        if not rows:
            asked = (options.since, options.until) != (0, _LAST_MS)
            raise DataError(
                "There are no readings in that time: name another --from and --until."
                if asked
                else "There are no readings."
            )
    except (FleetpulseError, OSError) as problem:
        sys.stderr.write(f"fleetpulse backtest: {problem}\n")
        return 2 if isinstance(problem, SettingsError) else 1
    report = backtest.report()
    if options.json:
        document = {"readings": rows, "model_version": predictor.version, "rules": report}
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
        sys.stdout.write("\n")
    else:
        sys.stdout.write(f"{rows:,} readings, model {predictor.version}\n{told(report)}")
    return 0


def told(report: Mapping[str, RuleReport]) -> str:
    """The report for people."""
    if not report:
        return "No rule that is predicted was in force.\n"
    return "\n".join(_rule_told(rule, found) for rule, found in report.items())


def _rule_told(rule: str, found: RuleReport) -> str:
    alerts = found.alerts
    head = (
        f"\n{rule}: {alerts.soon} warnings would have been sent, {alerts.right} of them right;"
        f" stressed {alerts.stressed} times, {alerts.unforeseen} without a warning.\n\n"
    )
    columns = ("", "AP", "PRECISION", "RECALL", "CROSSINGS WARNED OF", "LEAD", "FALSE/DEVICE-DAY")
    rows = (
        (f"model, from {found.threshold:.2f}", found.model),
        *([("candidate", found.candidate)] if found.candidate else []),
        ("static limit, 5 below", found.static_limit),
        ("straight line, 120 s", found.extrapolation),
    )
    return head + table([columns, *((name, *_cells(one)) for name, one in rows)])


def _cells(one: Judgement) -> tuple[str, ...]:
    def number(value: float | None, places: int = 2, unit: str = "") -> str:
        return "-" if value is None else f"{value:.{places}f}{unit}"

    return (
        number(one.average_precision),
        number(one.precision),
        number(one.recall),
        f"{one.warned_crossings} of {one.crossings}",
        number(one.median_lead_s, 0, " s"),
        number(one.false_alarms_per_device_day, 1),
    )


def _candidates(folder: Path | None) -> Mapping[str, Candidate]:
    """The models of a folder, to score in the shadow. Raises ModelError."""
    if folder is None:
        return {}
    made = open_registry(f"dir:{folder}")
    return load_candidates(made.current(), made.read)


def _replay(chunks: Iterator[Chunk], backtest: Backtest, options: argparse.Namespace) -> int:
    """Feed what lies in the asked time; how many readings that were. Raises DataError."""
    newest: dict[str, int] = {}
    count = 0
    for chunk in chunks:
        since, until = options.since, options.until
        places = [row for row, at in enumerate(chunk.measured_at) if since <= at < until]
        asked = chunk if len(places) == len(chunk) else chunk.of(places)
        for device_id, at in zip(asked.device_ids, asked.measured_at, strict=True):
            if at < newest.get(device_id, at):
                raise DataError(
                    f"The rows of {device_id} are not in order of time: sort the file by"
                    " measured_at."
                )
            newest[device_id] = at
        if len(asked):
            backtest.add(asked)
            count += len(asked)
    return count


def _of_file(path: Path) -> Iterator[Chunk]:
    with opened(path, "backtest") as (readings, advance):
        for chunk in readings.chunks():
            yield chunk
            advance()


def _of_store(store: Store, options: argparse.Namespace) -> Iterator[Chunk]:
    """All that is stored of each device in that time, one device after the other."""
    console = Console(stderr=True)
    devices = list(all_devices(store))
    with Progress(transient=True, disable=not sys.stderr.isatty(), console=console) as bar:
        for device in bar.track(devices, description="backtest"):
            for page in reading_pages(
                store,
                device.device_id,
                since=options.since,
                until=options.until,
                rows=CHUNK_ROWS,
            ):
                yield _chunk_of(device, page)


def _chunk_of(device: Device, page: Sequence[StoredReading]) -> Chunk:
    values = [[getattr(reading, name) for name in CHANNEL_NAMES] for reading in page]
    return Chunk(
        rows=[[] for _ in page],
        device_ids=[device.device_id] * len(page),
        kinds=[device.kind] * len(page),
        measured_at=[reading.measured_at for reading in page],
        values=[[_NAN if value is None else value for value in row] for row in values],
        impossible=Counter(),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fleetpulse backtest",
        description="Replay a CSV file, or what the store holds, through rules and models as live,"
        " and hold what would have been warned of against what happened.",
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--input", type=Path, metavar="FILE", help="CSV as for `fleetpulse score`")
    source.add_argument("--store", metavar="URL", help="the store (default: FLEETPULSE_STORE)")
    add_options(parser)
    for name, words, default in (("from", "from then on", 0), ("until", "before then", _LAST_MS)):
        parser.add_argument(
            f"--{name}",
            dest="since" if name == "from" else name,
            type=moment,
            default=default,
            metavar="TIME",
            help=f"readings {words}: Unix ms or ISO 8601 (UTC unless it says otherwise)",
        )
    parser.add_argument(
        "--threshold",
        type=_probability,
        metavar="P",
        help="the probability that means soon (default: each model's own)",
    )
    parser.add_argument(
        "--candidate",
        type=Path,
        metavar="DIR",
        help="models that `fleetpulse train` made, to be judged beside the ones in use",
    )
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    return parser


def _probability(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = _NAN
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be between 0 and 1, both excluded")
    return value


if __name__ == "__main__":
    sys.exit(main())
