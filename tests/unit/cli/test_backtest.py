"""`fleetpulse backtest`: the same figures from a file and from the store, and clear refusals."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fleetpulse.cli.backtest import main
from fleetpulse.stores import open_store
from fleetpulse.telemetry import COLUMN
from generators.simulated import held_out_fleet
from model.sessions import from_fleet
from tests.contracts.builders import NOON, a_device, a_reading, scored

SHIPPED = Path(__file__).parents[3] / "model" / "exported_models"
LIMIT = ("--limit", "temperature_c=70")
CHANNELS = ("temperature_c", "load_pct", "clock_ghz")


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """Some machines that get hot."""
    sessions = from_fleet(held_out_fleet(3, 4, 900))
    first = int(sessions.measured_at.min())
    return [
        {
            "device_id": f"pi-{slot}",
            "measured_at": NOON + int(at) - first,
            **{name: round(float(values[COLUMN[name]]), 3) for name in CHANNELS},
        }
        for slot, at, values in zip(
            sessions.slots, sessions.measured_at, sessions.values, strict=True
        )
    ]


@pytest.fixture
def file(tmp_path: Path, rows: list[dict[str, Any]]) -> Path:
    return written(tmp_path / "readings.csv", rows)


def written(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["device_id", "measured_at", *CHANNELS])
        writer.writeheader()
        writer.writerows(rows)
    return path


def report(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_file_is_judged_for_what_is_asked_only(
    file: Path, rows: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    found = report(capsys, "--input", str(file), *LIMIT)

    assert found["readings"] == len(rows)
    assert set(found["rules"]) == {"heat"}
    heat = found["rules"]["heat"]
    assert heat["model"]["crossings"] == heat["static_limit"]["crossings"] > 0
    assert heat["alerts"]["stressed"] > 0


def test_a_lower_threshold_warns_of_more(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--input", str(file), *LIMIT)

    low, high = (
        report(capsys, *asked, "--threshold", threshold)["rules"]["heat"]
        for threshold in ("0.1", "0.95")
    )

    assert low["model"]["recall"] > high["model"]["recall"]
    assert low["alerts"]["soon"] >= high["alerts"]["soon"]
    assert low["model"]["average_precision"] == high["model"]["average_precision"]


def test_a_candidate_is_judged_beside_the_models_in_use(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = report(capsys, "--input", str(file), *LIMIT)
    both = report(capsys, "--input", str(file), *LIMIT, "--candidate", str(SHIPPED))

    assert alone["rules"]["heat"]["candidate"] is None
    assert both["rules"]["heat"]["model"] == alone["rules"]["heat"]["model"]
    candidate, model = (both["rules"]["heat"][name] for name in ("candidate", "model"))
    assert candidate["average_precision"] == pytest.approx(model["average_precision"], abs=0.02)
    assert main(["--input", str(file), *LIMIT, "--candidate", str(SHIPPED)]) == 0
    assert "\ncandidate" in capsys.readouterr().out


def test_the_store_s_history_gives_what_the_file_gives(
    file: Path, rows: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/fleet.db"
    names = sorted({row["device_id"] for row in rows})
    with closing(open_store(url)) as store:
        readings = [
            a_reading(
                row["device_id"],
                at=row["measured_at"],
                seq=seq,
                power_w=None,
                **{name: row[name] for name in CHANNELS},
            )
            for seq, row in enumerate(rows)
        ]
        store.save(scored(*readings, new_devices=[a_device(name) for name in names]))

    from_store = report(capsys, "--store", url, *LIMIT)

    asked = ("--input", str(file), "--kind", "raspberry", *LIMIT)
    assert from_store == report(capsys, *asked)


def test_only_the_asked_time_counts(
    file: Path, rows: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    middle = NOON + 450_000

    before = report(capsys, "--input", str(file), "--until", str(middle))
    after = report(capsys, "--input", str(file), "--from", str(middle))

    assert before["readings"] + after["readings"] == len(rows)
    assert min(before["readings"], after["readings"]) > 0


def test_people_get_a_table(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--input", str(file), *LIMIT]) == 0

    said = capsys.readouterr().out
    assert "warnings would have been sent" in said
    for name in ("model, from", "static limit", "straight line", "FALSE/DEVICE-DAY"):
        assert name in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "2200-01-01"), "There are no readings in that time"),
        (("--limit", "temperature_c=7000"), "it must be between"),
        (("--limit", "fan_cfm=3"), "it must be one of"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(
    file: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert main(["--input", str(file), *words]) in (1, 2)

    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_store_that_is_not_there_is_not_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEETPULSE_STORE", f"sqlite:///{tmp_path / 'mistyped.db'}")

    assert main([]) == 1

    assert "There is no store" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_rows_is_told_without_advice_on_times(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "empty.csv"
    path.write_text("device_id,measured_at,temperature_c\n")

    assert main(["--input", str(path)]) == 1

    assert capsys.readouterr().err == "fleetpulse backtest: There are no readings.\n"


def test_an_unsorted_file_is_refused(
    tmp_path: Path, rows: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path / "unsorted.csv", rows[::-1])

    assert main(["--input", str(file)]) == 1

    assert "not in order of time" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("--threshold", "1"), ("--from", "noon"), ("--threshold", "x")])
def test_a_wrong_word_is_wrong_usage(words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as end:
        main(list(words))

    assert end.value.code == 2
