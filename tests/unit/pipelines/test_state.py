"""Where the state is: in Terraform Cloud with its token, else in a bucket, in no workspace."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.unit.pipelines.workflows import ROOT

ACTION = ROOT / ".github/actions/terraform/action.yml"
TERRAFORM = """#!/bin/bash
echo "$*" >told
env >environment
"""


def init(folder: Path, **told: str) -> list[str]:
    """Run the step with a Terraform that is none; the words that it is given."""
    (step,) = [
        step
        for step in YAML(typ="safe", pure=True).load(ACTION)["runs"]["steps"]
        if step.get("name") == "Where the state is"
    ]
    known = {"ENVIRONMENT": "dev", "REGION": "us-east-1", "WORKSPACE": "fleetpulse-dev"}
    assert step["env"].keys() == known.keys() | {"TOKEN", "TF_CLOUD_ORGANIZATION", "BUCKET"}
    program = folder / "terraform"
    program.write_text(TERRAFORM)
    program.chmod(0o755)
    (folder / "backend.tf.example").write_text("the bucket")
    subprocess.run(
        ["bash", "-euo", "pipefail", "-c", step["run"]],
        cwd=folder,
        env={"PATH": f"{folder}:/usr/bin:/bin", "TOKEN": "", **known, **told},
        check=True,
    )
    return (folder / "told").read_text().split()


@pytest.mark.parametrize("token", ["", "secret"])
def test_terraform_is_told_of_no_workspace_to_make(tmp_path: Path, token: str) -> None:
    init(tmp_path, TOKEN=token, BUCKET="states", TF_CLOUD_ORGANIZATION="home")

    assert "TF_WORKSPACE" not in (tmp_path / "environment").read_text()


def test_without_a_token_it_is_in_the_bucket(tmp_path: Path) -> None:
    words = init(tmp_path, BUCKET="states", TF_CLOUD_ORGANIZATION="")

    assert (tmp_path / "backend.tf").read_text() == "the bucket"
    assert "-backend-config=bucket=states" in words
    assert "-backend-config=key=fleetpulse/dev.tfstate" in words


def test_with_a_token_it_is_in_the_workspace_of_the_environment(tmp_path: Path) -> None:
    assert init(tmp_path, TOKEN="secret", BUCKET="", TF_CLOUD_ORGANIZATION="home") == [
        "init",
        "-input=false",
    ]

    said = (tmp_path / "backend.tf").read_text()
    assert 'organization = "home"' in said
    assert 'name = "fleetpulse-dev"' in said
