"""The built wheel carries everything that a machine without a clone needs."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BESIDE_THE_CODE = {".skops", ".html", ".css", ".js", ".svg"}

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this source tree, built in a copy so that the tree stays clean."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout.split(b"\0")
    for name in filter(None, map(bytes.decode, names)):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, source], check=True
    )
    (found,) = folder.glob("*.whl")
    return found


def test_the_wheel_has_every_module_model_and_page(wheel: Path) -> None:
    installed = {
        str(path.relative_to(ROOT))
        for package in ("fleetpulse", "generators", "consumer", "model", "api", "bot")
        for path in (ROOT / package).rglob("*")
        if path.suffix in {".py"} | BESIDE_THE_CODE and "training_data" not in path.parts
    }

    carried = set(zipfile.ZipFile(wheel).namelist())

    assert installed <= carried
    assert any(name.endswith(".skops") for name in carried)


def test_the_wheel_has_nothing_of_ours_that_is_not_for_users(wheel: Path) -> None:
    folders = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}

    assert not folders & {"tests", "benchmarks", "scripts", "docs"}


def test_the_command_runs_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")

    told = subprocess.run(
        [sys.executable, "-m", "fleetpulse.cli", "--help"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "installed")},
        capture_output=True,
        check=True,
    ).stdout.decode()

    assert "up" in told
