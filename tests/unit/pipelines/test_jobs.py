"""Each job does what it promises, and none does what only another may."""

from __future__ import annotations

import re
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet

from tests.unit.pipelines.promises import PROMISES
from tests.unit.pipelines.workflows import ACTIONS, JOBS, NAMES, ROOT, Job, read, triggers, workflow

ALL = [*JOBS, *(Job("action", path.parent.name, read(path)["runs"]) for path in ACTIONS)]
each_job = pytest.mark.parametrize("job", ALL, ids=str)
each_workflow = pytest.mark.parametrize("name", NAMES)

# A step that fails ends its job, and who waits for a job waits for its success.
NOBODY_SAYS = (
    r"continue-on-error|always\(\)|failure\(\)|cancelled\(\)|\|\| true|\|\| :|set \+[eo]|:latest"
    r"|echo (terraform|git|docker|python|scripts/)"
)
ONLY_SAYS = {
    r"terraform (apply|destroy|import|state)|auto-approve": {"terraform-apply"},
    r"gh release": {"release-github"},
    r"pypi-publish": {"release-pypi"},
    r"push=true": {"docker_image-push"},
    r"imagetools create": {"docker_image-push", "release-images"},
}
FOLLOWS_TESTS = {
    "workflow_run": {"workflows": ["unittests"], "types": ["completed"], "branches": ["main"]},
    "pull_request": {},
}
FOLLOWS_A_PUSH = {"push": {"branches": ["main"]}, "pull_request": {}}
TRIGGERS = {
    **dict.fromkeys(
        ("docker_agent", "docker_consumer", "docker_flask", "docker_notify"), FOLLOWS_TESTS
    ),
    "docker_telegram": FOLLOWS_A_PUSH,
    "lint": FOLLOWS_A_PUSH,
    "unittests": FOLLOWS_A_PUSH | {"workflow_call": {}},
    "release": {"push": {"tags": ["v*"]}},
    "terraform": {
        "workflow_run": FOLLOWS_TESTS["workflow_run"] | {"workflows": ["docker_flask"]},
        "pull_request": {
            "paths": [
                "iac/**",
                ".github/workflows/terraform.yml",
                ".github/actions/terraform/**",
                "scripts/plan.sh",
                "scripts/name_images.sh",
            ]
        },
    },
}
# Who runs once at a time, and whether a newer one cuts it short: only what nobody delivers.
FOR_PULL_REQUESTS = "${{ github.event_name == 'pull_request' }}"
GROUPS = {
    "docker_telegram": (
        "docker_telegram-${{ github.event_name }}-${{ github.ref }}",
        FOR_PULL_REQUESTS,
    ),
    "lint": ("lint-${{ github.ref }}", FOR_PULL_REQUESTS),
    "unittests": ("unittests-${{ github.workflow }}-${{ github.ref }}", FOR_PULL_REQUESTS),
    "release": ("release-${{ github.ref }}", False),
}
# What a fork pushes runs, to be skipped, the workflows that follow another. As a whole such a run
# would throw out who waits in its group; a job that is skipped, or never reached, does not enter.
GROUPS_OF_JOBS = {
    **{
        f"docker_{name}-image": (
            f"docker_{name}-${{{{ github.event_name }}}}-${{{{ github.ref }}}}",
            FOR_PULL_REQUESTS,
        )
        for name in ("agent", "consumer", "flask", "notify")
    },
    "terraform-check": ("terraform-check-${{ github.ref }}", True),
    "terraform-plan": ("terraform-plan-${{ github.ref }}", True),
    "terraform-proposal": ("terraform-proposal-${{ github.run_id }}", True),
    "terraform-apply": ("terraform-apply", False),
}
CHECKS = [
    "workflows: actionlint",
    "workflows: zizmor",
    "scripts: shellcheck",
    "terraform: format",
    "terraform: tflint",
    "terraform: checkov",
]


def does(job: Job) -> str:
    """What a job does, a line for each thing that it says; hashes of actions left out."""
    called: dict[str, Any] = {name: job.said[name] for name in ("uses", "with") if name in job.said}
    return "".join(line for step in [called, *job.steps()] for line in lines(step))


def lines(step: dict[str, Any]) -> list[str]:
    """One step."""
    said: dict[str, Any] = {word: step[word] for word in ("id", "uses", "if") if word in step}
    said |= step.get("env", {}) | step.get("with", {})
    said |= {"run": step["run"]} if "run" in step else {}
    if "uses" in said:
        said["uses"] = said["uses"].partition("@")[0]
    return [f"{name}: {value}\n" for name, value in said.items()]


def test_every_job_has_a_promise() -> None:
    assert {str(job) for job in ALL} == PROMISES.keys()


@each_job
def test_a_job_runs_when_it_promises(job: Job) -> None:
    promise, needs = PROMISES[str(job)], job.said.get("needs")

    assert job.said.get("if") == promise.condition
    assert (tuple(needs) if isinstance(needs, list) else needs) == promise.needs
    assert job.said.get("environment") == promise.environment
    assert tuple(step["if"] for step in job.steps() if "if" in step) == promise.step_conditions


@each_job
def test_a_job_does_what_it_promises_in_that_order(job: Job) -> None:
    rest = does(job)

    for part in PROMISES[str(job)].does:
        before, found, rest = rest.partition(part)
        assert found, f"{part!r} does not stand in:\n{before}"


@each_job
def test_a_failure_is_a_failure_and_only_who_may_changes_the_world(job: Job) -> None:
    said = str(job.said)

    assert not re.search(NOBODY_SAYS, said)
    for what, who in ONLY_SAYS.items():
        assert str(job) in who or not re.search(what, said)


@each_job
def test_a_pipe_fails_where_a_part_of_it_fails(job: Job) -> None:
    by_all = {} if job.workflow == "action" else workflow(job.workflow).get("defaults", {})
    by_job = job.said.get("defaults", {}).get("run", {})

    for step in job.steps():
        if "run" in step:
            # `bash` is `bash -eo pipefail`; the shell that none names lacks the pipefail.
            assert (by_all.get("run", {}) | by_job | step).get("shell") == "bash"


@each_workflow
def test_a_workflow_starts_when_it_should_and_at_no_other_time(name: str) -> None:
    if name != "docker_image":  # called, with inputs that its callers' promises hold
        assert triggers(name) == TRIGGERS[name]


def group(said: dict[str, Any]) -> tuple[str, str | bool] | None:
    """Of a workflow, or of a job, by what it says."""
    found = said.get("concurrency")
    return found and (found["group"], found["cancel-in-progress"])


@each_workflow
def test_what_is_delivered_is_not_cut_short(name: str) -> None:
    assert group(workflow(name)) == GROUPS.get(name)


@each_job
def test_a_job_waits_for_its_like_and_for_nobody_else(job: Job) -> None:
    assert group(job.said) == GROUPS_OF_JOBS.get(str(job))


@each_workflow
def test_a_run_that_is_skipped_throws_out_none_that_waits(name: str) -> None:
    skipped = "workflow_run" in triggers(name)

    assert not (skipped and group(workflow(name)))
    assert skipped == any(group(job) for job in workflow(name)["jobs"].values())


def test_only_main_is_applied_and_only_after_its_plan_was_made() -> None:
    jobs = workflow("terraform")["jobs"]

    assert jobs["proposal"]["outputs"] == {"commit": "${{ steps.image.outputs.commit }}"}
    assert [name for name, job in jobs.items() if job.get("needs") == "proposal"] == ["apply"]


def test_a_login_to_aws_lasts_as_long_as_the_job() -> None:
    for name, job in workflow("terraform")["jobs"].items():
        logins = [
            step["with"]["role-seconds"]
            for step in job["steps"]
            if step.get("with", {}).get("role")
        ]

        assert logins == ([] if name == "check" else [7200 if name == "apply" else 3600])
        assert all(seconds >= 60 * job["timeout-minutes"] for seconds in logins)


def test_terraform_is_of_one_version_that_its_configuration_takes() -> None:
    versions = {
        step["with"]["terraform_version"]
        for job in ALL
        for step in job.steps()
        if "terraform_version" in step.get("with", {})
    }
    (asked,) = re.findall(r'required_version = "([^"]+)"', (ROOT / "iac/versions.tf").read_text())

    (version,) = versions
    assert version in SpecifierSet(asked.replace(" ", ""))


def test_the_checks_of_what_is_delivered_are_all_run() -> None:
    script = (ROOT / "scripts/check_delivery.sh").read_text()

    assert re.findall(r'^    step "([^"]+)" \S', script, re.MULTILINE) == CHECKS
    for program in ("actionlint/actionlint", "bin/zizmor", "shellcheck --", "tflint", "checkov"):
        assert program in script.partition("main() {")[2]
    assert re.search(r"failed=\$\(\(failed \+ \(status != 0\)\)\)", script)
    assert script.endswith("main\nexit $((failed > 0))\n")


def test_what_the_gate_runs_is_all_of_it() -> None:
    gate = (ROOT / ".ci/run").read_text()

    assert re.findall(r"^step .* (make \w+)$", gate, re.MULTILINE) == [
        "make test",
        "make delivery",
        "make images",
    ]
