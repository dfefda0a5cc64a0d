"""`fleetpulse score`: each row of a file with what the live consumer would have told of it."""

from __future__ import annotations

import csv
import os
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fleetpulse.cli import score
from fleetpulse.telemetry import CHANNEL_NAMES, Reading
from generators.simulated import training_fleet
from model.predictor import load_predictor

COLUMNS = ("device_id", "kind", "measured_at", "note", *CHANNEL_NAMES)
ADDED = ["probability", "status", "expected_s", "causes", "model_version"]
LIMIT_C = 62.0


@pytest.fixture(scope="module")
def fleet() -> Sequence[Reading]:
    """A few machines for ten minutes, their rows mixed in order of time."""
    lives = [readings for _, _, readings in training_fleet(3, 10, 600)]
    return sorted((reading for life in lives for reading in life), key=lambda one: one.measured_at)


def cells(reading: Reading) -> list[str]:
    """A reading as a row."""
    values = ["" if value is None else repr(value) for _, value in reading.channels()]
    return [reading.device_id, reading.kind, str(reading.measured_at), "a, b", *values]


def written(path: Path, rows: Iterable[Sequence[str]], columns: Sequence[str] = COLUMNS) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def scored(path: Path, *more: str) -> list[dict[str, str]]:
    """The rows of the output."""
    output = path.with_name("scored.csv")
    assert score.main(["--input", str(path), "--output", str(output), *more]) == 0
    with output.open(newline="") as file:
        return list(csv.DictReader(file))


def refused(path: Path, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    """What is said of a file that cannot be scored; nothing is left of its output."""
    output = path.with_name("scored.csv")
    assert score.main(["--input", str(path), "--output", str(output), *more]) in (1, 2)
    assert [one.name for one in path.parent.iterdir() if "scored" in one.name] == []
    return capsys.readouterr().err


def test_every_row_comes_back_as_it_was_with_the_model_s_own_probability(
    fleet: Sequence[Reading], tmp_path: Path
) -> None:
    rows = [cells(reading) for reading in fleet]

    found = scored(written(tmp_path / "in.csv", rows), "--limit", f"temperature_c={LIMIT_C}")

    assert list(found[0]) == [*COLUMNS, *ADDED]
    assert [[row[name] for name in COLUMNS] for row in found] == rows
    expected = probabilities(fleet)
    told = np.array([float(row["probability"] or "nan") for row in found])
    assert np.isfinite(expected).sum() > len(fleet) / 2
    np.testing.assert_allclose(told, expected, atol=1e-6)
    assert {row["status"] for row in found} >= {"ok", "unknown", "stressed"}
    assert any("°C" in row["causes"] for row in found)


def probabilities(fleet: Sequence[Reading]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """What the models say of all readings at once."""
    names = sorted({reading.device_id for reading in fleet})
    nothing = float("nan")
    return (
        load_predictor()
        .score(
            np.array([names.index(reading.device_id) for reading in fleet]),
            [reading.kind for reading in fleet],
            np.array([reading.measured_at for reading in fleet]),
            np.array([[nothing if v is None else v for _, v in one.channels()] for one in fleet]),
            {
                "heat": np.full(len(fleet), LIMIT_C),
                "overload": np.full(len(fleet), nothing),
            },
        )
        .estimate["heat"]
    )


def test_rows_in_any_order_get_the_same_answers_in_their_own_places(
    fleet: Sequence[Reading], tmp_path: Path
) -> None:
    rows = [cells(reading) for reading in fleet]
    in_order = {tuple(row.values()) for row in scored(written(tmp_path / "in.csv", rows))}
    random.Random(3).shuffle(rows)

    found = scored(written(tmp_path / "in.csv", rows))

    assert [[row[name] for name in COLUMNS] for row in found] == rows
    assert {tuple(row.values()) for row in found} == in_order


def test_answers_do_not_depend_on_how_the_file_is_cut(
    fleet: Sequence[Reading], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "in.csv", [cells(reading) for reading in fleet])
    whole = scored(path)
    monkeypatch.setattr("consumer.csv_readings.CsvReadings.chunks.__defaults__", (97,))

    assert scored(path) == whole


def test_a_file_that_was_scored_before_is_scored_anew(
    fleet: Sequence[Reading], tmp_path: Path
) -> None:
    first = scored(written(tmp_path / "in.csv", [cells(reading) for reading in fleet[:200]]))
    again = written(tmp_path / "again.csv", [list(row.values()) for row in first], list(first[0]))

    assert scored(again) == first


def test_devices_without_a_kind_are_of_the_kind_that_is_said(tmp_path: Path) -> None:
    rows = [["a", str(1_795_342_120_000 + 5_000 * n), "85"] for n in range(5)]
    path = written(tmp_path / "in.csv", rows, ["device_id", "measured_at", "temperature_c"])

    assert scored(path, "--kind", "raspberry")[-1]["status"] == "stressed"
    assert scored(path, "--kind", "pc")[-1]["status"] != "stressed"


@pytest.mark.parametrize("value", ["", "nan", "hot", "999", "1e400"])
def test_what_is_not_known_is_unknown(value: str, tmp_path: Path) -> None:
    rows = [["a", str(1_795_342_120_000 + 5_000 * n), value] for n in range(30)]
    path = written(tmp_path / "in.csv", rows, ["device_id", "measured_at", "temperature_c"])

    found = scored(path)

    assert {(row["probability"], row["status"]) for row in found} == {("", "unknown")}
    assert found[0]["temperature_c"] == value


def test_a_file_without_rows_gives_one_without_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scored(written(tmp_path / "in.csv", [])) == []
    assert "has no rows" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"board,t_s,temperature_c\n", "no column device_id and no column measured_at"),
        (b"device_id,measured_at,temp\n", "has no channel, only device_id, measured_at, temp"),
        (b"device_id,measured_at,load_pct,load_pct\n", "names load_pct twice"),
        (b"device_id,measured_at,load_pct\na,1795342120,5\n", "must be Unix milliseconds"),
        (b"device_id,measured_at,load_pct\na,1795342120000000,5\n", "must be Unix milliseconds"),
        (
            b"device_id,measured_at,load_pct\na,1795342120000,5\n\na,-1,5\na,1795342120001,5\n",
            "line 4: measured_at",
        ),
        (b"device_id,measured_at,load_pct\na,soon,5\n", "measured_at is 'soon'"),
        (b"device_id,measured_at,load_pct\na,1795342120000\n", "2 cells, and there are 3"),
        (b"device_id,measured_at,load_pct\n\xff\xfe,1,2\n", "no CSV in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_scored_is_refused_in_a_sentence(
    content: bytes, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(content)

    assert sentence in refused(path, capsys)


def test_times_since_a_recording_began_get_the_same_answers(
    fleet: Sequence[Reading], tmp_path: Path
) -> None:
    begun_at = min(reading.measured_at for reading in fleet) // 300_000 * 300_000
    rows = [cells(reading) for reading in fleet]
    relative = [[*row[:2], str(int(row[2]) - begun_at), *row[3:]] for row in rows]

    whole = scored(written(tmp_path / "in.csv", rows))
    found = scored(written(tmp_path / "in.csv", relative))

    assert [[row[name] for name in ADDED] for row in found] == [
        [row[name] for name in ADDED] for row in whole
    ]


def test_lines_of_nothing_but_spaces_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("device_id,measured_at,load_pct\na,1795342120000,5\n   \n,,\n")

    assert [row["device_id"] for row in scored(path)] == ["a"]


def test_a_load_that_is_a_share_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "".join(f"a,{1_795_342_120_000 + 5_000 * row},0.5\n" for row in range(120))
    path = tmp_path / "in.csv"
    path.write_text(f"device_id,measured_at,load_pct\n{rows}")

    scored(path)

    assert "it is meant in percent" in capsys.readouterr().err


def test_a_file_that_may_not_be_read_is_the_input_and_not_the_output(
    fleet: Sequence[Reading],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, allowed = written(tmp_path / "in.csv", [cells(fleet[0])]), Path.open

    def guarded(self: Path, *args: Any, **options: Any) -> Any:
        if self == path:
            raise PermissionError(13, "Permission denied")
        return allowed(self, *args, **options)

    monkeypatch.setattr(Path, "open", guarded)

    assert "in.csv cannot be read: Permission denied." in refused(path, capsys)


def test_what_is_no_file_is_neither_read_nor_replaced(
    fleet: Sequence[Reading], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, pipe = written(tmp_path / "in.csv", [cells(fleet[0])]), tmp_path / "pipe"
    os.mkfifo(pipe)

    for source, target, sentence in (
        (path, pipe, "no file that can be replaced"),
        (path, tmp_path, "no file that can be replaced"),
        (path, tmp_path / "nowhere" / "out.csv", "There is no folder"),
        (pipe, tmp_path / "out.csv", "is no file, and it may have to be read twice"),
        (tmp_path / "nothing.csv", tmp_path / "out.csv", "is not there"),
    ):
        assert score.main(["--input", str(source), "--output", str(target)]) == 1
        assert sentence in capsys.readouterr().err
    assert pipe.is_fifo()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["in.csv", "pipe"]


@pytest.mark.parametrize(
    ("limit", "sentence"),
    [
        ("heat=80", "temperature_c=NUMBER and load_pct=NUMBER"),
        ("temperature_c", "temperature_c=NUMBER"),
        ("temperature_c=warm", "temperature_c=NUMBER"),
        ("temperature_c=800", "between 30 and 120 °C"),
        ("temperature_c=nan", "between 30 and 120 °C"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(
    limit: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "in.csv", [])

    assert sentence in refused(path, capsys, "--limit", limit)


def test_too_many_rows_in_no_order_are_refused(
    fleet: Sequence[Reading],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(score, "MOST_UNSORTED_ROWS", 50)
    path = written(tmp_path / "in.csv", [cells(reading) for reading in reversed(fleet)])

    assert "sort it by measured_at first" in refused(path, capsys)


def test_another_unit_is_told_with_the_one_that_is_meant(
    fleet: Sequence[Reading], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Milli-degrees, as Linux' thermal zones give them."""
    place = COLUMNS.index("temperature_c")
    rows = [cells(reading) for reading in fleet]
    warm = [row for row in rows if row[place]]
    for row in warm:
        row[place] = str(round(1000 * float(row[place])))

    scored(written(tmp_path / "in.csv", rows), "--limit", "temperature_c=70")

    told = capsys.readouterr().err
    assert f"temperature_c: {len(warm):,} cells hold no possible value" in told
    assert "it is in °C" in told


def test_one_row_gets_an_estimate_and_is_unknown(fleet: Sequence[Reading], tmp_path: Path) -> None:
    hot = next(cells(one) for one in fleet if one.temperature_c is not None)

    (row,) = scored(written(tmp_path / "in.csv", [hot]), "--limit", "temperature_c=100")

    assert 0 < float(row["probability"]) < 1
    assert (row["status"], row["causes"], row["expected_s"]) == ("unknown", "", "")


def test_a_row_that_comes_twice_gets_the_same_answer_twice(
    fleet: Sequence[Reading], tmp_path: Path
) -> None:
    rows = [cells(reading) for reading in fleet]
    once = scored(written(tmp_path / "once.csv", rows))

    twice = scored(written(tmp_path / "twice.csv", [row for row in rows for _ in range(2)]))

    assert [row["probability"] for row in twice[::2]] == [row["probability"] for row in once]
    assert [row["probability"] for row in twice[1::2]] == [row["probability"] for row in once]


def test_after_a_gap_nothing_is_known_until_there_is_a_look_back_again(
    fleet: Sequence[Reading], tmp_path: Path
) -> None:
    """What was before the gap says nothing of now."""
    first = min(reading.measured_at for reading in fleet)
    rows = [
        ["pi", "raspberry", str(first + 1000 * second), "", *values_of(50 + second / 60)]
        for second in [*range(0, 100, 5), *range(300, 400, 5)]
    ]

    found = scored(written(tmp_path / "in.csv", rows), "--limit", "temperature_c=70")

    assert [row["status"] for row in found[15:24]] == ["ok"] * 5 + ["unknown"] + ["ok"] * 3


def values_of(temperature_c: float) -> list[str]:
    cells = dict.fromkeys(CHANNEL_NAMES, "")
    cells |= {"temperature_c": f"{temperature_c:.2f}", "load_pct": "50"}
    return list(cells.values())


def test_hotter_or_colder_than_all_that_was_trained_on_is_unknown(tmp_path: Path) -> None:
    """A machine outdoors in winter: nobody knows what the model says there."""
    rows = [
        ["pi", "raspberry", str(1_795_342_120_000 + 5_000 * row), "", *values_of(-25.0)]
        for row in range(20)
    ]

    found = scored(written(tmp_path / "in.csv", rows), "--limit", "temperature_c=30")

    assert {row["status"] for row in found} == {"unknown"}
    assert {row["probability"] for row in found} == {""}
