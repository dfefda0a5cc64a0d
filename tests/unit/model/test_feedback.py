"""What owners said of warnings teaches the next model."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fleetpulse.alerts import State
from fleetpulse.cli import train as command
from fleetpulse.stores import open_store
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Opinion
from generators.simulated import training_fleet
from model.feedback import (
    VERDICT_WEIGHT,
    Lesson,
    in_force,
    lessons_in,
    limits_of,
    precision_wanted,
    taught,
)
from model.questions import Questions, ask
from model.sessions import from_fleet
from tests.contracts.builders import (
    NOON,
    SECOND,
    a_device,
    a_reading,
    a_verdict,
    an_event,
    scored,
    told,
)


@pytest.fixture(scope="module")
def questions() -> Questions:
    """Some of a simulated fleet."""
    return ask(from_fleet(training_fleet(5, 4, 900)), "heat")


def a_lesson(questions: Questions, **fields: object) -> Lesson:
    """On the first machine at 80 °C, all of its time: a false alarm."""
    known = {
        "rule": "heat",
        "machine": str(questions.groups[0]),
        "limit": 80.0,
        "begins_at": 0,
        "ends_at": 2**62,
        "was_right": False,
    }
    return Lesson(**{**known, **fields})  # type: ignore[arg-type]


def test_the_warnings_that_owners_judged_are_lessons() -> None:
    store = MemoryStore()
    for number, opinion in enumerate((Opinion.RIGHT, Opinion.FALSE_ALARM, None)):
        fields = {"device_id": f"pi-{number}", "limit": 77.5, "model_version": "heat-1"}
        store.save(told(an_event(State.SOON, **fields)))  # type: ignore[arg-type]
        store.save(told(an_event(State.OK, at=NOON + 90 * SECOND, **fields)))  # type: ignore[arg-type]
        if opinion is not None:
            store.alerts.judge(a_verdict(f"pi-{number}:heat:1", opinion=opinion))

    lessons = lessons_in(store, since=NOON)

    assert {lesson.machine: lesson.was_right for lesson in lessons} == {"pi 0": True, "pi 1": False}
    assert {(each.limit, each.begins_at, each.ends_at) for each in lessons} == {
        (77.5, NOON, NOON + 90 * SECOND)
    }
    assert limits_of(lessons, "heat") == {77.5}
    assert limits_of(lessons, "overload") == set()
    assert lessons_in(store, since=NOON + 1) == []


@pytest.mark.parametrize("was_right", [False, True])
def test_the_owner_s_answer_counts_more_than_what_happened(
    questions: Questions, was_right: bool
) -> None:
    answered, judged = taught(questions, "heat", [a_lesson(questions, was_right=was_right)])

    meant = (questions.groups == questions.groups[0]) & (questions.limit == 80.0)
    assert judged.tolist() == meant.tolist()
    assert meant.any()
    assert (answered.reached[meant] == was_right).all()
    assert (answered.weight[meant] == VERDICT_WEIGHT).all()
    assert (answered.weight[~meant] == 1).all()
    assert answered.reached[~meant].tolist() == questions.reached[~meant].tolist()
    assert np.isnan(answered.seconds[meant & ~answered.reached]).all()


@pytest.mark.parametrize(
    "fields",
    [
        {"rule": "overload"},
        {"machine": "another"},
        {"limit": 81.0},
        {"begins_at": 2**61},
        {"ends_at": 1},
    ],
    ids=["rule", "machine", "limit", "later", "earlier"],
)
def test_a_lesson_is_about_its_own_warning_only(
    questions: Questions, fields: dict[str, object]
) -> None:
    answered, judged = taught(questions, "heat", [a_lesson(questions, **fields)])

    assert not judged.any()
    assert answered.reached.tolist() == questions.reached.tolist()


def test_a_model_is_trained_with_what_owners_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/fleet.db"
    fleet = [(name, kind, list(rows)) for name, kind, rows in training_fleet(5, 6, 900)]
    with closing(open_store(url)) as store:
        for name, kind, rows in fleet:
            readings = [
                a_reading(
                    name,
                    at=row.measured_at,
                    seq=row.seq,
                    **{channel.name: value for channel, value in row.channels()},
                )
                for row in rows
            ]
            store.save(scored(*readings, new_devices=[a_device(name, kind=kind)]))
            event = an_event(
                device_id=name,
                kind=kind,
                at=rows[len(rows) // 2].measured_at,
                limit=72.5,
                model_version="heat-1",
            )
            store.save(told(event))
            store.alerts.judge(a_verdict(f"{name}:heat:1", opinion=Opinion.FALSE_ALARM))

    code = command.main(["--quick", "--store", url, "--output", str(tmp_path / "models")])

    assert code == 0
    assert "readings are answered by their owners" in capsys.readouterr().out


def verdicts(*was_right: bool, rule: str = "heat") -> list[Lesson]:
    """What owners said of so many warnings."""
    return [
        Lesson(rule=rule, machine="pi 0", limit=80.0, begins_at=0, ends_at=1, was_right=right)
        for right in was_right
    ]


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ((), 0.8),
        ((True, True, True, True), 0.8),
        ((True, True, True, False), 0.875),
        ((True,) * 99 + (False,), 0.95),
        ((False, False), 0.8),
        ((True, False), 0.8),
    ],
)
def test_half_as_many_false_warnings_are_wanted_and_no_fewer_right_ones_than_asked(
    said: tuple[bool, ...], wanted: float
) -> None:
    assert precision_wanted(verdicts(*said), "heat", 0.8) == pytest.approx(wanted)


def test_what_owners_said_of_one_rule_asks_nothing_of_another() -> None:
    assert precision_wanted(verdicts(True, rule="overload"), "heat", 0.8) == 0.8


def test_the_limits_in_force_are_the_rule_s_own_and_those_that_were_judged(
    questions: Questions,
) -> None:
    own = in_force(questions, "heat", [], seed=1)
    judged = in_force(questions, "heat", [a_lesson(questions, limit=65.0)], seed=1)

    assert set(own.limit) == {80.0, 90.0}
    assert set(judged.limit) == {65.0, 80.0, 90.0}
    assert len(own) == np.isin(questions.limit, [80.0, 90.0]).sum()


def test_of_a_big_fleet_whole_machines_decide(
    questions: Questions, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = in_force(questions, "heat", [], seed=1)
    monkeypatch.setattr("model.feedback._MOST_DECIDING", len(whole) // 2)

    some = in_force(questions, "heat", [], seed=1)

    machines, counts = np.unique(some.groups, return_counts=True)
    assert 1 <= len(machines) < len(np.unique(whole.groups))
    assert counts.tolist() == [(whole.groups == machine).sum() for machine in machines]


def test_lessons_change_nothing_of_their_questions(questions: Questions) -> None:
    before = replace(questions, reached=questions.reached.copy())

    taught(questions, "heat", [a_lesson(questions, was_right=True)])

    assert questions.reached.tolist() == before.reached.tolist()
