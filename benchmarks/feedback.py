"""What owners' verdicts are worth: false alarms before and after one retraining on the history.

python -m benchmarks.feedback [devices] [hours]

Machines outside the ranges that the first model was trained on, half of the time to learn from and
half to be judged on. In the first half simulated owners press "False alarm" under each warning that
nothing followed and "Right" under the others; a model is trained on the history with and without
what they said.
"""

from __future__ import annotations

import math
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from consumer.backtest import Backtest, RuleReport
from consumer.csv_readings import Chunk
from fleetpulse.alerts import AlertEvent, State
from fleetpulse.stores.episodes import alert_id_of, alert_of
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import NO_ROWS, Opinion, Scored, Verdict
from fleetpulse.telemetry import Reading
from fleetpulse.track_record import Outcome, outcome_of
from generators.simulated import held_out_fleet, training_fleet
from model.feedback import Lesson, lessons_in, precision_wanted, taught
from model.files import load
from model.predictor import FleetPredictor, Models, load_models
from model.questions import Questions, ask, thinned
from model.registry import Source, open_registry
from model.sessions import from_fleet
from model.train import PRECISION, Made, Part, make

RULE = "heat"
TRAINING_DEVICES, TRAINING_S = 150, 3_600
SEED = 11
EVER = 2**62
Fleet = Sequence[tuple[str, str, Sequence[Reading]]]


def halves(fleet: Fleet) -> tuple[Fleet, Fleet]:
    """What each machine sent in the first half of the time, and in the second."""
    return (
        [(name, kind, rows[: len(rows) // 2]) for name, kind, rows in fleet],
        [(name, kind, rows[len(rows) // 2 :]) for name, kind, rows in fleet],
    )


def a_part(name: str, questions: Questions) -> Part:
    """Questions of a source that needs no citation; the threshold follows from the fleet's own."""
    source = Source(name=name, citation="", licence="", machines=0, rows=len(questions))
    return Part(source=source, questions=questions, decides=name == "fleet")


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


def judged(events: Sequence[AlertEvent]) -> Sequence[Lesson]:
    """What owners say who look at each warning once it is over."""
    store, episodes = MemoryStore(), defaultdict(list)
    for event in events:
        episodes[alert_id_of(event)].append(event)
    store.save(Scored(rows=NO_ROWS, events=events))
    for alert_id, told in episodes.items():
        warned = any(event.state is State.SOON for event in told)
        outcome = outcome_of(alert_of(told), EVER)
        if warned and outcome is not None:
            opinion = Opinion.RIGHT if outcome is Outcome.TRUE else Opinion.FALSE_ALARM
            store.alerts.judge(
                Verdict(alert_id=alert_id, opinion=opinion, said_at=0, said_by="simulated")
            )
    return lessons_in(store, since=0)


def tell(name: str, report: RuleReport) -> None:
    """Print what a model's warnings were worth."""
    alerts, model = report.alerts, report.model
    print(
        f"{name}: threshold {report.threshold:.2f}, {alerts.soon} warnings, {alerts.right} right,"
        f" {alerts.soon - alerts.right} false; {alerts.stressed - alerts.unforeseen} of"
        f" {alerts.stressed} stresses foreseen; readings: precision {model.precision or 0:.3f},"
        f" recall {model.recall or 0:.3f}, AP {model.average_precision or 0:.3f}"
    )


def main() -> None:
    """Train, let owners judge, train again, and compare."""
    devices = int(sys.argv[1]) if len(sys.argv) > 1 else 90
    seconds = 3_600 * (float(sys.argv[2]) if len(sys.argv) > 2 else 4.0)
    simulation = a_part(
        "simulation",
        thinned(ask(from_fleet(training_fleet(1, TRAINING_DEVICES, TRAINING_S)), RULE), 1),
    )
    first = make(RULE, [simulation])
    before, after = halves(list(held_out_fleet(SEED, devices, seconds)))
    past = backtested(first, before)
    lessons = judged([event for event in past.events if event.rule == RULE])
    print(f"{len(lessons)} warnings judged, {sum(not each.was_right for each in lessons)} false")
    history = ask(from_fleet(before), RULE)
    alone = make(RULE, [simulation, a_part("fleet", thinned(history, 1))])
    told, rows = taught(history, RULE, lessons)
    answered = make(
        RULE,
        [simulation, a_part("fleet", thinned(told, 1, besides=rows))],
        precision=precision_wanted(lessons, RULE, PRECISION),
    )
    for name, made in (
        ("first model", first),
        ("trained again on the history", alone),
        ("trained again with verdicts", answered),
    ):
        tell(name, backtested(made, after).report()[RULE])


if __name__ == "__main__":
    main()
