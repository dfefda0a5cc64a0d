"""What cannot be is refused before anything is made."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.iac.configuration import Installation, declared_variables

SIZE = {"cpu": 256, "memory": 512}
SIZES = dict.fromkeys(("api", "consumer", "bot", "notify"), SIZE)
IMAGES = dict.fromkeys(SIZES, "example/fleet:1")
MSK = {"version": "3.9.x", "broker": "kafka.t3.small", "storage_gib": 50}
# Variable -> values that it takes, and values that it refuses.
VALUES: dict[str, tuple[list[Any], list[Any]]] = {
    "environment": (["dev", "prod2"], ["", "d", "Dev", "2dev", "a-b", "a" * 13]),
    "region": (["eu-central-1", "us-gov-west-1"], ["", "eu-central", "Frankfurt", "eu-central-1a"]),
    "tags": ([{}, {"team": "x"}], [{"project": "x"}, {"environment": "x"}, {"managed-by": "x"}]),
    "network_cidr": (["10.40.0.0/16"], ["", "10.40.0.0", "10.40.0.0/30"]),
    "zones": ([["a", "b"], ["a", "b", "c"]], [["a"], ["a", "a"], ["a", "bb"], list("abcd")]),
    "interface_endpoints": ([[], ["logs", "kms"]], [["s3"], ["logs", "x"]]),
    "domain": (["fleet.example.org"], ["", "fleet", "https://fleet.example.org", "Fleet.Org"]),
    "hosted_zone_id": ([None, "Z0123"], ["", "0123", "z0123"]),
    "allowed_networks": ([[], ["198.51.100.0/24"]], [["198.51.100.0/33"], ["example.org"]]),
    "processes": (
        [["api", "consumer"], ["api", "consumer", "bot"], ["api", "consumer", "notify"], [*SIZES]],
        [[], ["api"], ["consumer"], ["api", "bot", "notify"], ["api", "consumer", "agent"]],
    ),
    "images": (
        [IMAGES, IMAGES | {"bot": f"example/fleet@sha256:{'0' * 64}"}],
        [IMAGES | {"bot": image} for image in ("example/fleet", "example/fleet:latest")],
    ),
    "metrics_agent_image": (
        ["public.ecr.aws/x/cloudwatch-agent:1.3"],
        ["public.ecr.aws/x/cloudwatch-agent", "example/agent:1"],
    ),
    "cpu_architecture": (["X86_64", "ARM64"], ["", "arm64", "RISCV"]),
    "sizes": (
        [SIZES],
        [
            {"api": SIZE},
            SIZES | {"agent": SIZE},
            SIZES | {"api": {"cpu": 300, "memory": 600}},
            SIZES | {"api": {"cpu": 256, "memory": 256}},
            SIZES | {"api": {"cpu": 256, "memory": 4096}},
        ],
    ),
    "api_tasks": ([{"least": 1, "most": 1}], [{"least": 0, "most": 1}, {"least": 2, "most": 1}]),
    "api_requests_per_minute": ([60], [59, 0]),
    "consumer_tasks": (
        [{"least": 1, "most": 12}],
        [{"least": 0, "most": 1}, {"least": 2, "most": 1}, {"least": 1, "most": 13}],
    ),
    "consumer_lag_records": ([1000], [999, 0]),
    "partitions": ([1, 10_000], [0, 10_001]),
    "store_layout": (["reading", "minute"], ["", "hour"]),
    "kafka": (["confluent", "msk"], ["", "redpanda"]),
    "msk": (
        [MSK],
        [MSK | {"broker": "t3.small"}, MSK | {"storage_gib": 0}, MSK | {"storage_gib": 16_385}],
    ),
    "msk_password_version": ([1, 2], [0]),
    "telegram_chats": ([[], ["1", "-2"]], [["Ada"], ["1,2"], [""]]),
    "log_days": ([1, 30, 731], [0, 2, 10]),
    "alarm_emails": ([["ada@example.org"]], [[], ["ada"], ["a b@example.org"]]),
    "budget_dollars": ([1, 150], [0]),
}


def takes(name: str, **given: Any) -> bool:
    """Whether a variable takes the value that is given."""
    here = Installation(**given)
    conditions = [rule["condition"] for rule in declared_variables()[name]["validation"]]
    return all(here.value(condition) for condition in conditions)


def test_every_variable_that_refuses_something_is_here() -> None:
    refusing = {name for name, body in declared_variables().items() if "validation" in body}

    assert refusing == {*VALUES, "certificate_arn"}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, (taken, _) in VALUES.items() for value in taken]
)
def test_a_value_is_taken(name: str, value: Any) -> None:
    assert takes(name, **{name: value})


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, (_, refused) in VALUES.items() for value in refused]
)
def test_a_value_is_refused(name: str, value: Any) -> None:
    assert not takes(name, **{name: value})


@pytest.mark.parametrize(
    ("certificate", "zone", "taken"),
    [("arn:x", None, True), (None, "Z1", True), ("arn:x", "Z1", False), (None, None, False)],
)
def test_a_certificate_is_given_or_made(
    certificate: str | None, zone: str | None, taken: bool
) -> None:
    assert takes("certificate_arn", certificate_arn=certificate, hosted_zone_id=zone) is taken


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_an_environment_gives_values_that_are_taken(environment: str) -> None:
    here = Installation(environment)

    assert not [
        name
        for name, body in declared_variables().items()
        for rule in body.get("validation", ())
        if not here.value(rule["condition"])
    ]
