"""A plan names what an apply would: values, and the images of a commit."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit.pipelines.workflows import ROOT

# Prints its arguments and the images that it is given, and fails where it is told to.
TERRAFORM = """#!/bin/bash
echo "terraform $*"
[[ $* == *images.tfvars.json* ]] && cat images.tfvars.json
exit "$FAILS"
"""
PROCESSES = ("api", "consumer", "bot", "notify")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The scripts, beside an iac/ and a Terraform that is none."""
    (tmp_path / "iac").mkdir()
    (tmp_path / "scripts").mkdir()
    for name in ("plan.sh", "name_images.sh"):
        shutil.copy(ROOT / "scripts" / name, tmp_path / "scripts")
    terraform = tmp_path / "bin/terraform"
    terraform.parent.mkdir()
    terraform.write_text(TERRAFORM)
    terraform.chmod(0o755)
    return tmp_path


def planned(copy: Path, namespace: str, *, fails: int = 0) -> subprocess.CompletedProcess[str]:
    """Plan the commit c0ffee; the summary is a file beside the copy."""
    return subprocess.run(
        [copy / "scripts/plan.sh", "dev", namespace, "c0ffee"],
        env={
            "PATH": f"{copy}/bin:/usr/bin:/bin",
            "GITHUB_STEP_SUMMARY": str(copy / "summary"),
            "FAILS": str(fails),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_plan_is_shown_in_the_summary_and_locks_nothing(copy: Path) -> None:
    done = planned(copy, "")

    assert done.returncode == 0, done.stderr
    assert (copy / "summary").read_text() == done.stdout
    assert done.stdout == (
        "```\nterraform plan -input=false -no-color -lock=false"
        " -var-file=envs/dev/terraform.tfvars\n```\n"
    )


def test_images_of_the_commit_are_planned_over_those_of_the_values(copy: Path) -> None:
    done = planned(copy, "me")

    said = done.stdout.splitlines()
    assert said[1].endswith(" -var-file=envs/dev/terraform.tfvars -var-file=images.tfvars.json")
    assert json.loads(said[2]) == {
        "images": {process: f"me/fleetpulse-{process}:c0ffee" for process in PROCESSES}
    }


def test_a_plan_that_fails_is_a_failure(copy: Path) -> None:
    assert planned(copy, "me", fails=3).returncode == 3


def test_a_name_is_given_to_each_image_that_terraform_asks_for() -> None:
    asked = (ROOT / "iac/variables.tf").read_text().partition('variable "images" {')[2]

    for process in PROCESSES:
        assert f"    {process} " in asked.partition("})")[0]
