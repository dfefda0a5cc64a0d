"""What owners' verdicts are worth: false alarms before and after one retraining on the history.

    python -m benchmarks.feedback [machines] [hours]

Machines outside the ranges that the first model was trained on; every third has a job that it does
again and again, and that ends shortly before the limit, which the first model cannot know. Half of
the time is to learn from and half to be judged on. In the first half simulated owners press "Right"
under each warning that the limit followed while it stood, and "False alarm" under the others; a
model is trained on the history with and without what they said.
"""

from __future__ import annotations

import math
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from consumer.backtest import Backtest
from consumer.csv_readings import Chunk
from fleetpulse.alerts import AlertEvent, State, rule_named
from fleetpulse.stores.episodes import alert_id_of, alert_of
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import NO_ROWS, Opinion, Scored, Verdict
from fleetpulse.telemetry import KINDS, Reading
from fleetpulse.track_record import outcome_of
from generators.loads import held
from generators.simulated import (
    HELD_OUT_RANGES,
    held_out_fleet,
    random_parameters,
    training_fleet,
)
from generators.thermal import Machine, MachineParameters, simulate
from model.feedback import Lesson, in_force, lessons_in, precision_wanted, taught
from model.files import load
from model.predictor import FleetPredictor, Models, load_models
from model.questions import Questions, ask, thinned
from model.registry import Source, open_registry
from model.sessions import from_fleet
from model.train import PRECISION, Made, Part, make

RULE = "heat"
TRAINING_DEVICES, TRAINING_S = 150, 3_600
SHORTEST_JOB_S, LONGEST_JOB_S = 40, 400
SEED = 11
EVER = 2**62
Fleet = Sequence[tuple[str, str, Sequence[Reading]]]


def halves(fleet: Fleet) -> tuple[Fleet, Fleet]:
    """What each machine sent in the first half of the time, and in the second."""
    return (
        [(name, kind, rows[: len(rows) // 2]) for name, kind, rows in fleet],
        [(name, kind, rows[len(rows) // 2 :]) for name, kind, rows in fleet],
    )


def with_jobs(machines: int, seconds: float) -> Fleet:
    """The machines, names and all that they send; some with a job that ends before the limit."""
    others = held_out_fleet(SEED, machines - machines // 3, seconds)
    return [*others, *(_with_a_job(number, seconds) for number in range(machines // 3))]


def _with_a_job(number: int, seconds: float) -> tuple[str, str, Sequence[Reading]]:
    """A machine whose job would take it to its limit if it went on."""
    kind, rng = KINDS[number % len(KINDS)], random.Random(f"{SEED}/job/{number}")
    while True:
        parameters = replace(random_parameters(kind, rng, HELD_OUT_RANGES), lacks=frozenset())
        load_pct, spare_c = rng.uniform(80, 100), rng.uniform(1.0, 5.0)
        lasts_s = _seconds_to(rule_named(RULE, kind).limit - spare_c, parameters, load_pct)
        if lasts_s is not None and lasts_s >= SHORTEST_JOB_S:
            break
    name = f"job-{kind}-{number:03d}"
    readings = simulate(
        parameters,
        _again_and_again(rng, load_pct, lasts_s),
        seconds=seconds,
        interval_s=5.0,
        seed=name,
        device_id=name,
    )
    return name, kind, list(readings)


def _seconds_to(celsius: float, parameters: MachineParameters, load_pct: float) -> int | None:
    """How long this load takes from rest to a temperature; None: too long for a job."""
    machine = Machine(parameters, random.Random(0))
    machine.settle(5.0)
    for second in range(LONGEST_JOB_S):
        machine.step(load_pct)
        if machine.die_c >= celsius:
            return second
    return None


def _again_and_again(rng: random.Random, load_pct: float, lasts_s: int) -> Iterator[float]:
    while True:
        yield from held(rng, 5.0, lasts_s + rng.uniform(240, 600))
        yield from held(rng, load_pct, lasts_s * rng.uniform(0.85, 1.0))


def a_part(name: str, questions: Questions, deciding: Questions | None = None) -> Part:
    """Questions of a source that needs no citation."""
    source = Source(name=name, citation="", licence="", machines=0, rows=len(questions))
    return Part(source=source, questions=questions, deciding=deciding)


def serving(made: Made) -> Models:
    """The model at work, beside the shipped ones of the other rules."""
    shipped = open_registry()
    models = load_models(shipped.current(), shipped.read)
    fitted = load(made.content, made.card.file, made.card.features)
    return replace(
        models,
        fitted={**models.fitted, RULE: fitted},
        thresholds={**models.thresholds, RULE: made.card.threshold},
        versions={**models.versions, RULE: made.card.version},
    )


def backtested(made: Made, fleet: Fleet) -> Backtest:
    """The fleet's readings through the live stages."""
    backtest = Backtest(FleetPredictor(serving(made)), "pc", {})
    for name, kind, rows in fleet:
        values = [[math.nan if v is None else v for _, v in row.channels()] for row in rows]
        backtest.add(
            Chunk(
                rows=[[]] * len(rows),
                device_ids=[name] * len(rows),
                kinds=[kind] * len(rows),
                measured_at=[row.measured_at for row in rows],
                values=values,
                impossible=Counter(),
            )
        )
    return backtest


def events_of(backtest: Backtest) -> Sequence[AlertEvent]:
    """What would have been told of the rule."""
    return [event for event in backtest.events if event.rule == RULE]


def judged(events: Sequence[AlertEvent]) -> Sequence[Lesson]:
    """What owners say who look at each warning once it is over."""
    store, episodes = MemoryStore(), defaultdict(list)
    for event in events:
        episodes[alert_id_of(event)].append(event)
    store.save(Scored(rows=NO_ROWS, events=events))
    for alert_id, told in episodes.items():
        warned = any(event.state is State.SOON for event in told)
        if warned and outcome_of(alert_of(told), EVER) is not None:
            followed = alert_of(told).stressed_at is not None
            opinion = Opinion.RIGHT if followed else Opinion.FALSE_ALARM
            store.alerts.judge(
                Verdict(alert_id=alert_id, opinion=opinion, said_at=0, said_by="simulated")
            )
    return lessons_in(store, since=0)


def tell(name: str, made: Made, fleet: Fleet) -> None:
    """Print what a model's warnings are worth."""
    backtest = backtested(made, fleet)
    report, said = backtest.report()[RULE], judged(events_of(backtest))
    alerts, false = report.alerts, [lesson for lesson in said if not lesson.was_right]
    print(
        f"{name}: threshold {report.threshold:.2f}, {len(said)} warnings, {len(false)} false"
        f" ({sum(lesson.machine.startswith('job') for lesson in false)} of jobs);"
        f" {alerts.stressed - alerts.unforeseen} of {alerts.stressed} stresses foreseen;"
        f" readings: recall {report.model.recall or 0:.3f},"
        f" AP {report.model.average_precision or 0:.3f}",
        flush=True,
    )


def main() -> None:
    """Train, let owners judge, train again, and compare."""
    machines = int(sys.argv[1]) if len(sys.argv) > 1 else 90
    seconds = 3_600 * (float(sys.argv[2]) if len(sys.argv) > 2 else 4.0)
    simulation = a_part(
        "simulation",
        thinned(ask(from_fleet(training_fleet(1, TRAINING_DEVICES, TRAINING_S)), RULE), 1),
    )
    first = make(RULE, [simulation])
    before, after = halves(with_jobs(machines, seconds))
    lessons = judged(events_of(backtested(first, before)))
    print(f"{len(lessons)} warnings judged, {sum(not each.was_right for each in lessons)} false")
    tell("first model", first, after)
    history = ask(from_fleet(before), RULE)
    for name, known in (("trained again", []), ("trained again with verdicts", lessons)):
        told, rows = taught(history, RULE, known)
        fleet = a_part("fleet", thinned(told, 1, besides=rows), in_force(told, RULE, known, seed=1))
        precision = precision_wanted(known, RULE, PRECISION)
        tell(name, make(RULE, [simulation, fleet], precision=precision), after)


if __name__ == "__main__":
    main()
