"""What a release holds: all that a machine without a clone needs, and nothing else of ours."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import fleetpulse
from fleetpulse.cli import COMMANDS
from tests.services.missing import without
from tests.source import ROOT, copy_source

PACKAGES = ("fleetpulse", "generators", "consumer", "model", "api", "bot")
BESIDE_THE_CODE = {".skops", ".html", ".css", ".js", ".svg"}
# What each extra is for, by package.
PROCESSES = {
    "agent": "generators",
    "consumer": "consumer",
    "train": "model",
    "api": "api",
    "bot": "bot",
    "notify": "fleetpulse.actions",
}
LARGEST_AGENT_BYTES = 45_000_000
# It comes with every environment. setuptools, which colorzero asks for, does not since Python 3.12.
INSTALLERS = {"pip"}
IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    importlib.import_module(found.name)
"""

pytestmark = pytest.mark.integration


class Built(NamedTuple):
    """The files of a release."""

    wheel: Path
    sdist: Path

    def names(self) -> set[str]:
        """What is in the wheel."""
        return set(zipfile.ZipFile(self.wheel).namelist())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The sdist of this source tree, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("release")
    source = folder / "source"
    copy_source(source)
    (source / ".env").write_text("KAFKA_CLUSTER_SECRET=mine\n")
    (source / "api" / ".env").write_text("KAFKA_CLUSTER_SECRET=mine\n")
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", folder, source],
        check=True,
        capture_output=True,
    )
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return Built(wheel, sdist)


@pytest.fixture(scope="module", params=[*PROCESSES, "schema"])
def extra(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def installed(extra: str, built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The Python of an environment with the wheel and this one extra, in the pinned versions."""
    folder = tmp_path_factory.mktemp(extra) / "venv"
    uv("venv", "--python", sys.executable, str(folder))
    python = folder / "bin" / "python"
    uv(
        "pip",
        "install",
        f"--python={python}",
        f"--constraints={ROOT / 'requirements.txt'}",
        f"fleetpulse[{extra}] @ {built.wheel.as_uri()}",
    )
    yield python
    shutil.rmtree(folder)


def uv(*words: str) -> None:
    """Install with uv, which takes a tenth of pip's time."""
    done = subprocess.run(
        [sys.executable, "-m", "uv", "--quiet", *words], capture_output=True, text=True, check=False
    )
    if "Failed to fetch" in done.stderr:
        without("a package index", how="let uv reach one (UV_DEFAULT_INDEX)")
    assert done.returncode == 0, done.stderr


def run(python: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """What this environment's Python does, away from the source tree."""
    return subprocess.run(
        [python, *words],
        cwd=python.parent,
        env={"PATH": "/usr/bin:/bin", "HOME": str(python.parent)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_wheel_has_every_module_model_and_page(built: Built) -> None:
    ours = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in {".py"} | BESIDE_THE_CODE and "training_data" not in path.parts
    }

    assert ours <= built.names()
    assert "fleetpulse/py.typed" in built.names()
    assert {
        f"model/exported_models/{rule}.{end}"
        for rule in ("heat", "overload")
        for end in (
            "skops",
            "json",
        )
    } <= built.names()
    assert any(name.startswith("fleetpulse/stores/migrations/versions/v") for name in built.names())


def test_the_release_has_nothing_of_ours_that_is_not_for_users(built: Built) -> None:
    with tarfile.open(built.sdist) as sdist:
        in_sdist = {name.partition("/")[2] for name in sdist.getnames()}

    for names in (built.names(), in_sdist):
        assert not {name.split("/")[0] for name in names} & {
            "tests",
            "benchmarks",
            "scripts",
            "docs",
            "iac",
        }
        kinds = {Path(name).name for name in names}
        assert not kinds & {".env", "Dockerfile", ".dockerignore", ".gitignore"}
        assert not [name for name in names if "training_data" in name or name.endswith(".pyc")]


def test_the_release_is_of_this_version(built: Built) -> None:
    version = fleetpulse.__version__

    assert built.wheel.name == f"fleetpulse-{version}-py3-none-any.whl"
    assert built.sdist.name == f"fleetpulse-{version}.tar.gz"
    metadata = zipfile.ZipFile(built.wheel).read(f"fleetpulse-{version}.dist-info/METADATA")
    assert f"\nVersion: {version}\n" in metadata.decode()


def test_a_package_index_would_take_the_release(built: Built) -> None:
    uv("tool", "run", "twine@7.0.0", "check", "--strict", str(built.wheel), str(built.sdist))


def test_every_module_of_a_process_is_there_with_its_extra_alone(
    extra: str, installed: Path
) -> None:
    if extra == "schema":
        done = run(installed, "-c", "import fleetpulse.schema_registry")
    else:
        done = run(installed, "-c", IMPORT_ALL, PROCESSES[extra])

    assert done.returncode == 0, done.stderr


def test_every_command_helps_or_says_in_a_sentence_what_to_install(
    extra: str, installed: Path
) -> None:
    told = run(installed, "-m", "fleetpulse.cli", "--version").stdout
    assert told == f"fleetpulse {fleetpulse.__version__}\n"

    for command in COMMANDS:
        done = run(installed, "-m", "fleetpulse.cli", command.name, "--help")
        if command.extra == extra or command.name == "doctor":
            assert done.returncode == 0, done.stderr
        if done.returncode == 0:
            assert f"usage: fleetpulse {command.name}" in done.stdout
        else:
            assert done.returncode == 2
            assert re.fullmatch(
                rf"fleetpulse {command.name}: [\w.]+ is not installed; run:"
                rf" pip install 'fleetpulse\[{command.extra}\]'\n",
                done.stderr,
            ), done.stderr


@pytest.mark.parametrize("extra", ["agent"], indirect=True, scope="module")
def test_an_agent_takes_little_room(installed: Path) -> None:
    """With the bytecode that pip makes as it installs."""
    (packages,) = (installed.parents[1] / "lib").glob("python*/site-packages")
    subprocess.run([installed, "-m", "compileall", "-q", packages], check=True)

    taken = sum(
        file.lstat().st_blocks * 512
        for file in packages.rglob("*")
        if file.relative_to(packages).parts[0].partition("-")[0] not in INSTALLERS
    )

    assert taken <= LARGEST_AGENT_BYTES
