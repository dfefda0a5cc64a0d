"""An image is started as it is meant to run, and has to become healthy and to end well."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.unit.pipelines.workflows import ROOT

SCRIPT = ROOT / "scripts/start_image.sh"
# Notes what it is told. `healthy` is how often it is asked before it is; `ends` what it ends with.
DOCKER = """#!/bin/bash
cd "$FOLDER"
echo "$*" >>told
case $1 in
    inspect)
        if [[ $3 == *ExitCode* ]]; then cat ends; exit; fi
        if [[ $3 == *Running* ]]; then [[ -e dead ]] && echo false || echo true; exit; fi
        if [[ -s healthy ]]; then sed -i 1d healthy; echo starting; else echo healthy; fi ;;
    logs) echo "what it logged" ;;
esac
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the Docker that is none keeps what it knows."""
    docker = tmp_path / "bin/docker"
    docker.parent.mkdir()
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    return tmp_path


def started(
    folder: Path, *words: str, after: int = 0, ends: int = 0, patience_s: int = 60
) -> subprocess.CompletedProcess[str]:
    """Start an image that is healthy after so many questions, and ends so."""
    (folder / "healthy").write_text("not yet\n" * after)
    (folder / "ends").write_text(f"{ends}\n")
    return subprocess.run(
        [SCRIPT, "me/agent@sha256:c0ffee", "linux/arm64", *words],
        env={
            "PATH": f"{folder}/bin:/usr/bin:/bin",
            "FOLDER": str(folder),
            "PATIENCE_S": str(patience_s),
            "PAUSE_S": "0",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_is_started_with_few_rights_on_its_platform_and_with_its_words(folder: Path) -> None:
    done = started(folder, "pc", after=3)

    assert done.returncode == 0, done.stderr
    run, *rest = (folder / "told").read_text().splitlines()
    assert run.startswith("run --detach --name tried --platform linux/arm64 --read-only ")
    assert " --cap-drop ALL --security-opt no-new-privileges " in run
    assert run.endswith(" me/agent@sha256:c0ffee pc")
    assert [told.split()[0] for told in rest] == [*["inspect"] * 7, "stop", "inspect", "rm"]


def test_without_words_it_is_given_none(folder: Path) -> None:
    started(folder)

    assert (folder / "told").read_text().splitlines()[0].endswith(" me/agent@sha256:c0ffee")


def test_one_that_does_not_become_healthy_is_refused_with_its_log(folder: Path) -> None:
    done = started(folder, after=1000, patience_s=0)

    assert done.returncode == 1
    assert "on linux/arm64: it did not become healthy\nwhat it logged" in done.stderr


def test_one_that_ends_at_once_is_not_waited_for(folder: Path) -> None:
    (folder / "dead").touch()

    done = started(folder, after=1000, ends=2)

    assert done.returncode == 1
    assert "it ended with 2\nwhat it logged" in done.stderr


def test_one_that_ends_badly_is_refused_with_its_log(folder: Path) -> None:
    done = started(folder, ends=137)

    assert done.returncode == 1
    assert "it ended with 137\nwhat it logged" in done.stderr
