"""The workflows: a chain that holds, few rights, nothing that is not pinned or not told."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from tests.unit.pipelines.workflows import (
    ACTIONS,
    JOBS,
    NAMES,
    ROOT,
    WORKFLOWS,
    Job,
    named,
    triggers,
    used,
    workflow,
)
from tests.unit.test_house_packaging import packaging

PAGE = (ROOT / "docs/pipelines.md").read_text()
CHAIN = {
    "docker_flask": "unittests",
    "docker_consumer": "unittests",
    "docker_agent": "unittests",
    "docker_notify": "unittests",
    "terraform": "docker_flask",
}
MAY_READ = {"contents": "read"}
# Who may do more than read the source, and what.
RIGHTS = {
    "terraform-plan": MAY_READ | {"id-token": "write"},
    "terraform-proposal": MAY_READ | {"id-token": "write"},
    "terraform-apply": MAY_READ | {"id-token": "write"},
    "release-attest": {"id-token": "write", "attestations": "write"},
    "release-pypi": {"id-token": "write"},
    "release-github": {"contents": "write"},
}
IMAGES = {name for name in NAMES if name.startswith("docker_") and name != "docker_image"}

each_workflow = pytest.mark.parametrize("name", NAMES)
each_job = pytest.mark.parametrize("job", JOBS, ids=str)


def section(kind: str) -> str:
    """A table of the page."""
    return PAGE.partition(f"<!-- {kind} -->")[2].partition("<!-- end -->")[0]


@pytest.mark.parametrize(
    ("schema", "files"),
    [("vendor.github-workflows", WORKFLOWS), ("vendor.github-actions", ACTIONS)],
)
def test_they_are_as_github_reads_them(schema: str, files: list[Path]) -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *files],
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stdout


@each_workflow
def test_each_is_called_as_its_file(name: str) -> None:
    assert workflow(name)["name"] == name


@each_workflow
def test_each_waits_for_those_that_it_is_to_wait_for(name: str) -> None:
    waits_for = triggers(name).get("workflow_run")

    assert (waits_for and waits_for["workflows"]) == ([CHAIN[name]] if name in CHAIN else None)
    if waits_for:
        assert CHAIN[name] in NAMES
        assert waits_for["branches"] == ["main"]


def test_the_bot_is_independent_of_the_rest() -> None:
    assert triggers("docker_telegram").keys() == {"push", "pull_request"}


@each_workflow
def test_nothing_runs_with_rights_on_what_a_fork_has_written(name: str) -> None:
    assert "pull_request_target" not in triggers(name)
    for job in workflow(name)["jobs"].values():
        if "workflow_run" not in triggers(name) or "github.event_name == 'pull_request' &&" in (
            condition := str(job.get("if"))
        ):
            continue
        if condition == "github.event_name == 'pull_request'":
            continue
        assert "github.event.workflow_run.conclusion == 'success'" in condition
        assert (
            "github.event.workflow_run.head_repository.full_name == github.repository" in condition
        )
        assert re.search(r"github\.event\.workflow_run\.event == '(push|workflow_run)'", condition)


def test_an_image_is_pushed_and_sees_its_account_from_main_only() -> None:
    for name in IMAGES:
        (job,) = workflow(name)["jobs"].values()
        event = "push" if name == "docker_telegram" else "workflow_run"

        assert triggers(name)[event]["branches"] == ["main"]
        assert job["with"]["push"] == f"${{{{ github.event_name == '{event}' }}}}"
        for secret, value in job["secrets"].items():
            assert value == f"${{{{ github.event_name == '{event}' && secrets.{secret} || '' }}}}"


def test_terraform_is_told_the_commit_of_the_image_by_the_name_of_its_run() -> None:
    said = workflow("docker_flask")["run-name"]
    (step,) = [
        step
        for step in workflow("terraform")["jobs"]["proposal"]["steps"]
        if step.get("id") == "image"
    ]
    (read_by,) = re.findall(r"=~ \^(.+)\(\[0-9a-f\]", step["run"])

    assert said.startswith(read_by.replace("\\ ", " ") + "${{")


def test_a_plan_is_made_with_secrets_for_no_fork() -> None:
    condition = workflow("terraform")["jobs"]["plan"]["if"]

    assert "github.event.pull_request.head.repo.full_name == github.repository" in condition


@each_job
def test_every_job_has_the_rights_that_it_needs_and_no_more(job: Job) -> None:
    assert workflow(job.workflow)["permissions"] == {}
    assert job.said["permissions"] == RIGHTS.get(str(job), MAY_READ)


@each_job
def test_every_job_ends_in_time_and_is_not_doubled(job: Job) -> None:
    assert "timeout-minutes" in job.said or "uses" in job.said
    assert "concurrency" in workflow(job.workflow) | job.said or job.workflow == "docker_image"


@each_job
def test_a_checkout_leaves_no_token_behind(job: Job) -> None:
    for step in job.steps():
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@each_job
def test_a_secret_is_read_in_an_environment_only(job: Job) -> None:
    if "secrets." in str(job.steps()) + str(job.said.get("env")):
        assert job.said["environment"]


def test_every_action_is_pinned_to_a_commit_and_says_its_version() -> None:
    pinned = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")

    assert not [(name, line) for name, line in used() if not pinned.fullmatch(line)]


def test_an_action_is_of_the_same_commit_everywhere() -> None:
    commits: dict[str, set[str]] = {}
    for _, line in used():
        action, _, commit = line.partition("@")
        commits.setdefault(action, set()).add(commit)

    assert not {action: found for action, found in commits.items() if len(found) > 1}


@pytest.mark.parametrize("kind", ["secrets", "vars"])
def test_every_secret_and_variable_is_told_and_no_other(kind: str) -> None:
    assert named(kind) == set(re.findall(r"^\| `(\w+)`", section(kind), re.MULTILINE))


def test_a_variable_that_decides_whether_a_job_runs_is_told_to_be_the_repositorys() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", section("vars"), re.MULTILINE))
    decide = {name for job in JOBS for name in re.findall(r"vars\.(\w+)", str(job.said.get("if")))}

    assert decide == {"TERRAFORM_ENVIRONMENT", "PYPI_PROJECT"}
    assert {told[name] for name in decide} == {"repository"}
    assert told["AWS_ROLE"] == "`aws-plan` and `aws`, each its own"


@each_workflow
def test_every_workflow_is_told(name: str) -> None:
    assert f"`{name}.yml`" in PAGE


def test_every_environment_is_told() -> None:
    environments = {job.said["environment"] for job in JOBS if "environment" in job.said}

    assert environments
    assert not [name for name in environments if f"| `{name}` |" not in PAGE]


def test_the_tests_run_on_every_python_that_is_supported() -> None:
    jobs = workflow("unittests")["jobs"]
    (lowest,) = [
        step["with"]["python-version"]
        for step in jobs["gate"]["steps"]
        if "python-version" in step.get("with", {})
    ]
    tried = [lowest, *jobs["versions"]["strategy"]["matrix"]["python"]]

    asked = SpecifierSet(packaging()["python_requires"])
    assert asked == SpecifierSet(f">={lowest}")
    assert all(f"{version}.0" in asked for version in tried)
    assert tried == ["3.11", "3.12", "3.13"]


def test_each_dockerfile_has_a_workflow_that_builds_it() -> None:
    built = [workflow(name)["jobs"]["image"]["with"]["dockerfile"] for name in IMAGES]
    there = {
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("Dockerfile")
        if not path.relative_to(ROOT).parts[0].startswith(".")
    }

    assert there <= set(built)
    assert len(built) == len(set(built))


def test_a_release_waits_for_the_tests() -> None:
    jobs = workflow("release")["jobs"]

    assert jobs["unittests"]["uses"] == "./.github/workflows/unittests.yml"
    assert set(jobs["attest"]["needs"]) == {"unittests", "build"}
    assert {jobs[name]["needs"] for name in ("pypi", "github", "images")} == {"attest"}
