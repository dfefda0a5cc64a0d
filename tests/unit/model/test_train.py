"""Training is repeatable, cites its data, and refuses files that it cannot use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from fleetpulse.cli import train as command
from fleetpulse.errors import DataError
from fleetpulse.stores import open_store
from fleetpulse.telemetry import Reading
from generators.simulated import training_fleet
from model import train
from model.predictor import load_predictor
from model.questions import ask
from model.registry import Source, open_registry
from model.sessions import from_csv, from_fleet, from_store, machine_of
from tests.contracts.builders import a_device, a_reading, scored

HEADER = "board,session,t_s,load_pct,temperature_c\n"


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Trees and fleets that are made in a second."""
    monkeypatch.setattr(train, "FOLDS", 2)
    small = {"max_iter": 8, "max_bins": 15}
    monkeypatch.setattr(train, "CHANCE_PARAMETERS", dict.fromkeys(("heat", "overload"), small))
    monkeypatch.setattr(train, "SECONDS_PARAMETERS", {"max_iter": 4, "max_bins": 15})
    monkeypatch.setattr(command, "SECONDS", 900)
    monkeypatch.setattr(command, "QUICK_DEVICES", 12)
    monkeypatch.setattr(command, "THREADS", 1)
    with threadpool_limits(1):  # threads cost more than they bring for so little
        yield


@dataclass(frozen=True)
class Cast:
    """A heating session of a board, as rows of CSV."""

    board: str

    def rows(self) -> str:
        steps = range(0, 600, 10)
        return "".join(f"{self.board},s,{t},{min(100, t)},{40 + t / 12:.1f}\n" for t in steps)


def a_part(seed: int = 1) -> train.Part:
    sessions = from_fleet(training_fleet(seed, 8, 600))
    source = Source(name="simulation", citation="a", licence="b", machines=8, rows=len(sessions))
    return train.Part(source=source, questions=ask(sessions, "heat"))


def test_the_same_data_and_seed_give_the_same_file_and_figures() -> None:
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)

    first = train.make("heat", [a_part()], seed=3, made_at=noon)
    second = train.make("heat", [a_part()], seed=3, made_at=noon)

    assert first == second
    assert first.card.version == f"2026-11-22.{first.card.sha256[:8]}"


def test_other_data_give_another_file() -> None:
    assert train.make("heat", [a_part(1)]).content != train.make("heat", [a_part(2)]).content


def test_no_machine_is_on_both_sides_of_a_split() -> None:
    part = a_part()

    for (inside, outside), *_ in train._splits(train._folds([part], seed=0)):
        groups = part.questions.groups
        assert not set(groups[inside]) & set(groups[outside])


def test_the_spellings_of_a_board_are_one_machine() -> None:
    assert machine_of("NanoPi NEO4 review") == machine_of("NanoPi_NEO4")
    assert machine_of("Radxa ROCK 5A") != machine_of("Radxa ROCK 5C")


def test_train_makes_models_that_can_be_used_and_cards_that_cite(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "sessions.csv"
    data.write_text(HEADER + "".join(Cast(board).rows() for board in ("a", "b", "c")))

    code = command.main(["--quick", "--data", str(data), "--output", str(tmp_path / "models")])

    assert code == 0
    assert "AP of static limit" in capsys.readouterr().out
    cards = open_registry(f"dir:{tmp_path / 'models'}").current()
    assert [source.name for source in cards["heat"].sources] == ["sessions", "simulation"]
    assert load_predictor(f"dir:{tmp_path / 'models'}").thresholds["heat"] > 0


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "needs a column device_id"),
        ("device_id,load_pct\n", "needs a column device_id (or board) and a column measured_at"),
        ("device_id,measured_at\n", "has no channel"),
        ("device_id,t_s,load_pct\na,soon,1\n", "holds something that is not a number"),
    ],
)
def test_a_file_that_is_no_recording_gets_one_sentence(
    tmp_path: Path, text: str, complaint: str
) -> None:
    path = tmp_path / "data.csv"
    path.write_text(text)

    with pytest.raises(DataError) as refused:
        from_csv(path)

    assert complaint in str(refused.value)


def test_a_missing_file_ends_the_command_with_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = command.main(["--quick", "--data", str(tmp_path / "none.csv")])

    assert code == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_impossible_values_in_a_file_are_missing(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("device_id,t_s,temperature_c,load_pct\na,0,999,\na,5,nan,50\n")

    sessions = from_csv(path)

    assert np.isnan(sessions.values[:, 0]).all()
    assert sessions.measured_at.tolist() == [0, 5000]


def channels_of(reading: Reading) -> dict[str, Any]:
    return {channel.name: value for channel, value in reading.channels()}


def a_store_of(tmp_path: Path, fleet: Iterable[tuple[str, str, Sequence[Reading]]]) -> str:
    """The address of a store with these devices' readings."""
    url = f"sqlite:///{tmp_path}/fleet.db"
    with closing(open_store(url)) as store:
        for device_id, kind, readings in fleet:
            rows = [
                a_reading(device_id, at=one.measured_at, seq=one.seq, **channels_of(one))
                for one in readings
            ]
            store.save(scored(*rows, new_devices=[a_device(device_id, kind=kind)]))
    return url


def test_what_a_store_holds_is_what_was_put_there(tmp_path: Path) -> None:
    fleet = [(name, kind, list(rows)) for name, kind, rows in training_fleet(5, 3, 300)]
    url = a_store_of(tmp_path, fleet)

    with closing(open_store(url)) as store:
        found = from_store(store, since=0, most_rows=10**6, seed=1)
        later = from_store(store, since=int(found.measured_at.max()), most_rows=10**6, seed=1)
        some = from_store(store, since=0, most_rows=1, seed=1)

    expected = from_fleet(fleet)
    np.testing.assert_array_equal(found.values, expected.values)
    np.testing.assert_array_equal(found.measured_at, expected.measured_at)
    np.testing.assert_array_equal(found.kinds, expected.kinds)
    assert 0 < len(later) < len(found)
    assert len(np.unique(some.groups)) == 1


def test_a_fleet_s_own_history_is_learned_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = a_store_of(tmp_path, training_fleet(5, 6, 900))

    code = command.main(["--quick", "--store", url, "--output", str(tmp_path / "models")])

    assert code == 0
    cards = open_registry(f"dir:{tmp_path}/models").current()
    sources = {source.name: source for source in cards["heat"].sources}
    assert set(sources) == {"fleet", "simulation"}
    assert sources["fleet"].machines == 6
    assert "fleet: AP" in capsys.readouterr().out


def test_a_store_without_readings_teaches_nothing_and_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = a_store_of(tmp_path, [])

    assert command.main(["--quick", "--store", url, "--output", str(tmp_path / "models")]) == 1

    assert "holds no readings of that time" in capsys.readouterr().err
    assert not (tmp_path / "models").exists()


def test_recorded_loads_teach_overload(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "LOADED_DEVICES", 4)
    for name, loads in (("web", [5.0, 99.0, 60.0, 20.0]), ("batch", [1.0, 100.0, 100.0])):
        lines = [f"2026-01-01,{load}" for load in loads * 20]
        (tmp_path / f"{name}.csv").write_text("\n".join(["timestamp,value", *lines]))
    words = ["--loads", str(tmp_path / "web.csv"), "--loads", str(tmp_path / "batch.csv")]

    assert command.main(["--quick", *words, "--output", str(tmp_path / "models")]) == 0

    cards = open_registry(f"dir:{tmp_path}/models").current()
    assert [source.name for source in cards["overload"].sources] == ["loads", "simulation"]
    assert cards["overload"].sources[0].machines == 2
    assert [source.name for source in cards["heat"].sources] == ["simulation"]
    assert "loads: AP" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("a,s", "line 3: a cell holds something that is not a number, or is missing"),
        ("a,s,inf,1,2", "line 3: a cell holds something that is not a number"),
        ("a,s,1e15,1,2", "no number of seconds"),
        ("a,s,10,1,warm", "line 3: a cell holds something that is not a number"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], row: str, complaint: str
) -> None:
    data = tmp_path / "data.csv"
    data.write_text(f"{HEADER}a,s,0,1,40\n{row}\n")

    assert command.main(["--quick", "--data", str(data), "--output", str(tmp_path / "m")]) == 1

    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


def test_seconds_in_place_of_milliseconds_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data.csv"
    data.write_text("device_id,measured_at,temperature_c\na,1795342120,40\n")

    assert command.main(["--quick", "--data", str(data), "--output", str(tmp_path / "m")]) == 1

    assert "which is no Unix milliseconds" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")

    assert command.main(["--quick", "--output", str(tmp_path / "file" / "models")]) == 1

    assert "cannot hold models" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a,b\n1,2\n", "needs a column value"),
        ("value\nmuch\n", "holds something that is not a number"),
        ("value\n250\n", "needs loads between 0 and 100 percent"),
        ("value\n", "needs loads between 0 and 100 percent"),
    ],
)
def test_loads_that_are_none_are_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, complaint: str
) -> None:
    path = tmp_path / "loads.csv"
    path.write_text(text)

    assert command.main(["--quick", "--loads", str(path), "--output", str(tmp_path / "m")]) == 1

    assert complaint in capsys.readouterr().err


def test_a_file_in_which_no_limit_is_reached_is_left_out_and_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "cold.csv"
    data.write_text(HEADER + "".join(f"a,s,{t},5,30.0\n" for t in range(0, 600, 10)))

    assert command.main(["--quick", "--data", str(data), "--output", str(tmp_path / "m")]) == 0

    assert "heat: cold never reaches a limit, and is left out." in capsys.readouterr().out


def test_figures_are_of_the_judged_questions_and_training_is_of_all() -> None:
    part = a_part()
    room = part.questions.features[:, 4]
    near = train.Part(source=part.source, questions=part.questions, judged=room <= 5)

    made, whole = train.make("heat", [near]), train.make("heat", [part])

    assert made.content == whole.content
    (judged,), (everything,) = made.evidence, whole.evidence
    assert 0 < len(judged.questions) < len(everything.questions)
    assert made.card.metrics["simulation: AP"] != whole.card.metrics["simulation: AP"]


def test_the_threshold_follows_the_asked_precision() -> None:
    careful = train.make("heat", [a_part()], precision=0.95).card
    eager = train.make("heat", [a_part()], precision=0.5).card

    assert careful.threshold > eager.threshold
    assert careful.parameters["precision"] == 0.95


def test_the_threshold_follows_from_the_questions_that_decide_and_the_model_does_not() -> None:
    part = a_part()
    at_80 = part.questions.of(part.questions.limit == 80.0)
    never = replace(at_80, reached=at_80.reached & (at_80.slots == at_80.slots[at_80.reached][0]))

    by_all = train.make("heat", [part])
    by_some = train.make("heat", [replace(part, deciding=at_80)])
    by_the_unlucky = train.make("heat", [replace(part, deciding=never)])

    assert by_all.content == by_some.content == by_the_unlucky.content
    assert by_all.card.threshold != by_some.card.threshold < by_the_unlucky.card.threshold


def test_where_nothing_decides_the_threshold_follows_from_all() -> None:
    part = a_part()
    calm = part.questions.of(~part.questions.reached)

    by_all = train.make("heat", [part]).card
    by_nothing = train.make("heat", [replace(part, deciding=calm)]).card

    assert by_all.threshold == by_nothing.threshold


def test_a_machine_that_is_alone_in_its_file_teaches_and_is_never_asked() -> None:
    part = a_part()
    questions = part.questions.of(part.questions.groups == part.questions.groups[0])
    questions = replace(questions, groups=np.full(len(questions), "nobody else"))
    source = Source(name="alone", citation="a", licence="b", machines=1, rows=len(questions))
    alone = train.Part(source=source, questions=questions, weight=3.0, deciding=questions)

    made, without = train.make("heat", [part, alone]), train.make("heat", [part])

    assert made.content != without.content
    assert [evidence.source.name for evidence in made.evidence] == ["simulation"]
    assert {source.name for source in made.card.sources} == {"simulation", "alone"}


def test_a_machine_that_is_in_two_parts_is_on_one_side_of_each_split() -> None:
    part = a_part()
    half = part.questions.of(part.questions.slots % 2 == 0)
    other = replace(part, questions=half)

    splits = train._splits(train._folds([part, other], seed=0))

    for (taught, _), (_, asked) in splits:
        machines = set(part.questions.groups[taught].tolist())
        assert machines.isdisjoint(half.groups[asked].tolist())
    assert sorted(np.concatenate([asked for _, (_, asked) in splits])) == list(range(len(half)))


def test_of_a_file_that_is_too_long_some_machines_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text(HEADER + "".join(Cast(board).rows() for board in "abcdefgh"))

    some = from_csv(path, most_rows=130, seed=1)

    assert len(np.unique(some.groups)) == 2
    assert len(some) == 120
    again = from_csv(path, most_rows=130, seed=1)
    assert np.array_equal(again.values, some.values, equal_nan=True)
    assert len(np.unique(from_csv(path, most_rows=480).groups)) == 8


def test_of_one_machine_that_is_too_long_the_beginning_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text(HEADER + Cast("a").rows())

    assert len(from_csv(path, most_rows=10)) == 10
