"""`fleetpulse train`: the models, from simulated fleets, recordings and the fleet's history."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from fleetpulse.cli.asked import moment
from fleetpulse.errors import DataError, FleetpulseError
from fleetpulse.settings import ConsumerSettings, load
from fleetpulse.stores import open_existing
from generators.simulated import recorded_fleet, training_fleet
from model.features import FEATURES
from model.feedback import Lesson, in_force, lessons_in, limits_of, precision_wanted, taught
from model.questions import LIMITS, ROOM, Questions, ask, feature_column, thinned
from model.registry import ModelCard, Source
from model.sessions import MOST_ROWS, Sessions, from_csv, from_fleet, from_store, loads_in
from model.train import PRECISION, Made, Part, Progress, make, save

THREADS = 2
SECONDS = 3600  # of each simulated machine
DEVICES = 300
QUICK_DEVICES = 30
LOADED_DEVICES = 60  # under recorded loads
# Recordings are asked about more limits than figures are of: a limit says the same of a machine
# whether it is round or not. The figures are of the published question, to be compared.
_TAUGHT_LIMITS = {"heat": tuple(42.5 + 2.5 * step for step in range(21))}
_TAUGHT_WITHIN = {"heat": 28.0, "overload": 100.0}
_JUDGED_LIMITS = {"heat": tuple(50.0 + 5 * step for step in range(8))}
_JUDGED_WITHIN = {"heat": 25.0, "overload": 100.0}
# Recorded sessions count 1 each. Benchmarks are runs of a known length on an idle machine; at equal
# weight the models take their habits for everybody's.
SIMULATION_WEIGHT = {"heat": 0.5, "overload": 2.0}
_ENOUGH_MACHINES = 20  # recordings of fewer count less: their ways are nobody else's
_STEPS = 7 * len(FEATURES) + 1

# Files that are recognised by folder and name, so that a card can cite them.
_KNOWN = {
    "sbc_bench/sessions.csv": (
        "sbc_bench",
        "Thomas Kaiser, sbc-bench, https://github.com/ThomasKaiser/sbc-bench, results/",
        "BSD-3-Clause",
    ),
    "nab/*cpu_utilization_*.csv": (
        "nab",
        "Numenta Anomaly Benchmark, https://github.com/numenta/NAB, data/; its CPU loads, fast"
        " forward",
        "MIT",
    ),
    "training_data/recorded-pc.csv": (
        "recorded-pc",
        "fleetpulse, a PC under the work of python -m scripts.record_load",
        "Apache-2.0",
    ),
}

_OF_SEVERAL = ("loads", "several series of loads", "not stated")


def main(argv: Sequence[str] | None = None) -> int:
    """Make the models and say how good they are."""
    options = _parser().parse_args(argv)
    devices = QUICK_DEVICES if options.quick else options.devices
    try:
        _probe(options.output)
        with _progress() as progress, threadpool_limits(THREADS):
            progress("read and simulate")
            sessions = [(path, from_csv(path, seed=options.seed)) for path in options.data]
            fleet, lessons = (None, []) if options.store is None else _history(options)
            loads = _under(options.loads, options.seed) if options.loads else None
            simulated = from_fleet(training_fleet(options.seed, devices, SECONDS))
            models: dict[str, Made] = {}
            for rule in FEATURES:
                parts = [_recorded(rule, path, found) for path, found in sessions]
                if fleet is not None:
                    parts.append(_own(rule, fleet, lessons, options))
                if loads is not None and rule == "overload":
                    parts.append(_loaded(rule, loads, options))
                parts.append(_simulated(rule, simulated, devices, options.seed))
                kept = [part for part in parts if _teaches(rule, part)]
                models[rule] = make(
                    rule,
                    kept,
                    seed=options.seed,
                    precision=precision_wanted(lessons, rule, options.precision),
                    progress=progress,
                )
            # Only now: nobody means new models of some rules beside old ones of others.
            for made in models.values():
                save(made, options.output)
                _tell(made.card)
                _report(made, options.output)
        print(f"Use them with FLEETPULSE_MODELS=dir:{options.output}")  # noqa: T201
    except (FleetpulseError, OSError) as problem:
        print(f"fleetpulse train: {problem}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _probe(folder: Path) -> None:
    """Raise DataError if models cannot be put there: better now than in some minutes."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise DataError(f"The folder {folder} cannot hold models: name another --output.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fleetpulse train", description=__doc__)
    parser.add_argument(
        "--data",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="recorded readings: CSV with device_id or board, measured_at or t_s, and channels",
    )
    parser.add_argument(
        "--loads",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="recorded CPU loads, for overload: CSV with a column value in percent",
    )
    parser.add_argument(
        "--store",
        nargs="?",
        const="",
        metavar="URL",
        help="the fleet's own history too: of this store, or of FLEETPULSE_STORE",
    )
    parser.add_argument(
        "--since",
        type=moment,
        default=0,
        metavar="TIME",
        help="of the history, what was measured from then on: Unix ms or ISO 8601",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(".fleetpulse/models"),
        metavar="DIR",
        help="where the models are put (default: %(default)s); FLEETPULSE_MODELS=dir:DIR uses them",
    )
    parser.add_argument(
        "--devices",
        type=_at_least(10),
        default=DEVICES,
        help="simulated machines, 10 or more (default: %(default)s)",
    )
    parser.add_argument(
        "--precision",
        type=_share,
        default=PRECISION,
        help="how many of the warnings are to be right, 0.5 to 0.99 (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=_at_least(0), default=1, help="the same seed gives the same models"
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK_DEVICES} simulated machines: to try it out"
    )
    return parser


def _at_least(smallest: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if int(text) < smallest:
            raise argparse.ArgumentTypeError(f"must be {smallest} or more")
        return int(text)

    return number


def _share(text: str) -> float:
    if not 0.5 <= float(text) <= 0.99:
        raise argparse.ArgumentTypeError("must be between 0.5 and 0.99")
    return float(text)


def _recorded(rule: str, path: Path, sessions: Sessions) -> Part:
    name, citation, licence = _cited(path)
    limits = _TAUGHT_LIMITS.get(rule, LIMITS[rule])
    part = _part(
        name, citation, licence, sessions, ask(sessions, rule, limits, _TAUGHT_WITHIN[rule])
    )
    questions = part.questions
    room = questions.features[:, feature_column(rule, ROOM[rule])]
    judged = np.isin(questions.limit, _JUDGED_LIMITS.get(rule, limits))
    return replace(
        part,
        judged=judged & (room <= _JUDGED_WITHIN[rule]),
        weight=min(1.0, part.source.machines / _ENOUGH_MACHINES),
    )


def _cited(path: Path) -> tuple[str, str, str]:
    """A file's name in cards, what it is, and its licence."""
    for pattern, known in _KNOWN.items():
        if fnmatch("/".join(path.resolve().parts[-2:]), pattern):
            return known
    return path.stem, str(path), "not stated"


def _under(paths: Sequence[Path], seed: int) -> Sessions:
    """Simulated machines that do what was recorded elsewhere. Raises DataError."""
    loads = {path.stem: loads_in(path) for path in paths}
    return from_fleet(recorded_fleet(loads, seed, LOADED_DEVICES, SECONDS))


def _loaded(rule: str, sessions: Sessions, options: argparse.Namespace) -> Part:
    cited = {_cited(path) for path in options.loads}
    name, citation, licence = cited.pop() if len(cited) == 1 else _OF_SEVERAL
    questions = thinned(ask(sessions, rule), options.seed)
    return _part(name, citation, licence, sessions, questions)


def _history(options: argparse.Namespace) -> tuple[Sessions, Sequence[Lesson]]:
    """What the store holds of that time, and what owners said of its warnings.

    Raises FleetpulseError, also when that is nothing.
    """
    settings = load(ConsumerSettings, store=options.store or None)
    store = open_existing(settings.store_url, aws=settings.aws, retention=settings.retention)
    with closing(store):
        found = from_store(store, since=options.since, most_rows=MOST_ROWS, seed=options.seed)
        lessons = lessons_in(store, since=options.since)
    if not len(found):
        raise DataError("The store holds no readings of that time: name an earlier --since.")
    return found, lessons


def _own(
    rule: str, sessions: Sessions, lessons: Sequence[Lesson], options: argparse.Namespace
) -> Part:
    since = datetime.fromtimestamp(options.since / 1000, UTC).date()
    citation = f"the fleet's own history since {since}" if options.since else "the fleet's history"
    asked = ask(sessions, rule, sorted({*LIMITS[rule], *limits_of(lessons, rule)}))
    questions, judged = taught(asked, rule, lessons)
    if judged.any():
        print(f"{rule}: {judged.sum():,} readings are answered by their owners.")  # noqa: T201
    part = _part(
        "fleet",
        citation,
        "private",
        sessions,
        thinned(questions, options.seed, besides=judged),
    )
    return replace(part, deciding=in_force(questions, rule, lessons, options.seed))


def _teaches(rule: str, part: Part) -> bool:
    """Whether a limit was ever reached in it; else there is nothing to learn, and it is said."""
    teaches = bool(part.questions.reached.any())
    if not teaches:
        print(f"{rule}: {part.source.name} never reaches a limit, and is left out.")  # noqa: T201
    return teaches


def _simulated(rule: str, sessions: Sessions, devices: int, seed: int) -> Part:
    citation = f"fleetpulse's thermal simulation, {devices} machines of {SECONDS} s, seed {seed}"
    questions = thinned(ask(sessions, rule), seed)
    part = _part("simulation", citation, "Apache-2.0", sessions, questions)
    return replace(part, weight=SIMULATION_WEIGHT[rule])


def _part(name: str, citation: str, licence: str, sessions: Sessions, questions: Questions) -> Part:
    return Part(
        source=Source(
            name=name,
            citation=citation,
            licence=licence,
            machines=len(np.unique(sessions.groups)),
            rows=len(sessions),
        ),
        questions=questions,
    )


def _tell(card: ModelCard) -> None:
    print(f"{card.name} {card.version}: {card.size_bytes / 1000:.0f} KB")  # noqa: T201
    for name, value in card.metrics.items():
        print(f"  {name}: {value}")  # noqa: T201


def _report(made: Made, folder: Path) -> None:
    """The page about the model, beside its card."""
    try:
        from model.report import page  # matplotlib is not everywhere, and takes a second
    except ModuleNotFoundError as missing:
        if missing.name != "matplotlib":
            raise
        print("No report: it needs matplotlib (pip install 'fleetpulse[train]').")  # noqa: T201
        return
    path = folder / f"{made.card.name}.html"
    path.write_text(page(made.card, made.evidence), encoding="utf-8")
    print(f"  report: {path}")  # noqa: T201


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on a terminal, nothing elsewhere."""
    from rich.console import Console  # here: `fleetpulse train --help` is quick
    from rich.progress import Progress as Bar

    with Bar(transient=True, disable=not sys.stderr.isatty(), console=Console(stderr=True)) as bar:
        task = bar.add_task("train", total=_STEPS)

        def step(words: str) -> None:
            bar.update(task, advance=1, description=words)

        yield step
