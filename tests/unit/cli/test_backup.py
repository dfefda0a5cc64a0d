"""`fleetpulse backup` and `fleetpulse restore` work on the store of the settings."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from fleetpulse.cli import backup, main, restore
from fleetpulse.stores import open_store
from tests.contracts.store import a_batch, everything


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a store that has something of everything."""
    path = tmp_path / "fleet.db"
    monkeypatch.setenv("FLEETPULSE_STORE", f"sqlite:///{path}")
    with closing(open_store(f"sqlite:///{path}")) as store:
        store.save(a_batch())
    return path


def test_a_lost_store_comes_back_with_two_commands(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(open_store(f"sqlite:///{path}")) as store:
        before = everything(store, "pi-1", "pc-1")

    assert main(["backup", str(tmp_path / "copy.db")]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path}/copy.db: 2 readings, ")
    path.unlink()
    assert main(["restore", str(tmp_path / "copy.db")]) == 0

    assert capsys.readouterr().out.startswith(f"{path}: 2 readings, ")
    with closing(open_store(f"sqlite:///{path}")) as store:
        assert everything(store, "pi-1", "pc-1") == before


def test_without_a_setting_it_is_the_store_of_the_data_folder(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLEETPULSE_STORE")
    monkeypatch.setenv("FLEETPULSE_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    path.rename(tmp_path / "data" / "fleetpulse.db")

    assert backup.main([str(tmp_path / "copy.db")]) == 0


def test_a_problem_is_one_sentence(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backup.main([str(path)]) == 1
    assert restore.main([str(tmp_path / "none.db")]) == 1

    one, two = capsys.readouterr().err.splitlines()
    assert one == f"fleetpulse backup: {path} is there already: name another file."
    assert two.startswith(f"fleetpulse restore: There is no copy {tmp_path}/none.db: ")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql+psycopg://user:secret@localhost/fleet", "use pg_dump and pg_restore"),
        ("dynamodb://fleet?region=eu-central-1", "use its point-in-time recovery"),
        ("memory:", "which nothing outlives"),
        ("sqlite:///:memory:", "names no SQLite file"),
        ("somewhere", "names no SQLite file"),
    ],
)
@pytest.mark.parametrize("command", [backup, restore])
def test_for_other_stores_it_says_what_copies_them(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: object,
    url: str,
    said: str,
) -> None:
    monkeypatch.setenv("FLEETPULSE_STORE", url)

    code = getattr(command, "main")([str(tmp_path / "copy.db")])  # noqa: B009 - a module

    told = capsys.readouterr().err
    assert code == 2
    assert said in told
    assert "secret" not in told
    assert not (tmp_path / "copy.db").exists()
