"""Images of a commit are waited for, in a registry that is not there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.unit.pipelines.workflows import ROOT

SCRIPT = ROOT / "scripts/wait_for_images.sh"
# Says that an image is there once it was asked for as often as the file of its name has lines.
DOCKER = """#!/bin/bash
[[ "$1 $2 $3" == "buildx imagetools inspect" ]] || exit 99
file="$REGISTRY/${4//\\//+}"
[[ -e $file ]] || { echo "ERROR: $4: not found" >&2; exit 1; }
if [[ -s $file ]]; then sed -i 1d "$file"; exit 1; fi
"""


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """What images there are, each a file with a line for every time that it is not yet there."""
    docker = tmp_path / "bin/docker"
    docker.parent.mkdir()
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    (tmp_path / "registry").mkdir()
    return tmp_path / "registry"


def pushed(registry: Path, image: str, *, after: int = 0) -> None:
    """Have an image there once it was asked for so often."""
    (registry / f"me+fleetpulse-{image}:c0ffee").write_text("not yet\n" * after)


def waited(registry: Path, *images: str, patience_s: int) -> subprocess.CompletedProcess[str]:
    """Run the script."""
    return subprocess.run(
        [SCRIPT, "me", "c0ffee", *images],
        env={
            "PATH": f"{registry.parent}/bin:/usr/bin:/bin",
            "REGISTRY": str(registry),
            "PATIENCE_S": str(patience_s),
            "PAUSE_S": "0",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_waits_until_every_image_is_there(registry: Path) -> None:
    pushed(registry, "api")
    pushed(registry, "agent", after=3)

    done = waited(registry, "api", "agent", patience_s=60)

    assert done.returncode == 0, done.stderr
    assert not (registry / "me+fleetpulse-agent:c0ffee").read_text()


def test_it_gives_up_and_says_which_image_is_missing_and_why(registry: Path) -> None:
    pushed(registry, "api")

    done = waited(registry, "api", "agent", patience_s=0)

    assert done.returncode == 1
    assert "no image fleetpulse-agent of c0ffee" in done.stderr
    assert "ERROR: me/fleetpulse-agent:c0ffee: not found" in done.stderr


def test_without_a_name_it_waits_for_nothing_and_fails(registry: Path) -> None:
    assert waited(registry, patience_s=0).returncode == 2
