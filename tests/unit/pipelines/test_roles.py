"""What the page lets the roles of the pipelines do is enough for what Terraform makes."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatch
from typing import Any

import pytest

from tests.unit.pipelines.workflows import ROOT

PAGE = (ROOT / "docs/pipelines.md").read_text()
SOURCE = "\n".join(path.read_text() for path in sorted((ROOT / "iac").glob("*.tf")))
ROLES = ("aws-plan", "aws")
NAMED = r"[:/_]fleetpulse-\*$|^arn:aws:s3:::STATE_BUCKET(/fleetpulse/\*)?$"
# How IAM calls the service of a resource, by the longest beginning of its type.
SERVICES = {
    "acm": "acm",
    "appautoscaling": "application-autoscaling",
    "budgets": "budgets",
    "cloudwatch_event": "events",
    "cloudwatch_log": "logs",
    "cloudwatch_metric": "cloudwatch",
    "default_security_group": "ec2",
    "dynamodb": "dynamodb",
    "ecs": "ecs",
    "eip": "ec2",
    "flow_log": "ec2",
    "iam": "iam",
    "internet_gateway": "ec2",
    "kms": "kms",
    "lb": "elasticloadbalancing",
    "msk": "kafka",
    "nat_gateway": "ec2",
    "route": "ec2",
    "route53": "route53",
    "s3": "s3",
    "secretsmanager": "secretsmanager",
    "security_group": "ec2",
    "sns": "sns",
    "subnet": "ec2",
    "vpc": "ec2",
}


def policy(role: str) -> list[dict[str, Any]]:
    """The statements of a policy of the page."""
    block = PAGE.partition(f"<!-- policy: {role} -->\n```json\n")[2].partition("\n```\n")[0]
    return list(json.loads(block)["Statement"])


def words(said: str | list[str]) -> list[str]:
    """Of a statement: one, or a list."""
    return [said] if isinstance(said, str) else said


def service(resource: str) -> str:
    """Of a type of resources."""
    return SERVICES[max((name for name in SERVICES if resource.startswith(name)), key=len)]


def allowed(action: str) -> list[str]:
    """On what the apply may do something."""
    return [
        resource
        for statement in policy("aws")
        if any(fnmatch(action, pattern) for pattern in words(statement["Action"]))
        for resource in words(statement["Resource"])
    ]


def test_the_apply_may_use_every_service_that_terraform_makes_something_of_and_no_other() -> None:
    made = set(re.findall(r'^(?:resource|ephemeral) "aws_(\w+)"', SOURCE, re.MULTILINE))
    actions = [action for statement in policy("aws") for action in words(statement["Action"])]

    assert made
    assert {service(resource) for resource in made} == {name.partition(":")[0] for name in actions}


def test_what_is_kept_and_roles_are_the_applys_by_their_names_only() -> None:
    for action in ("dynamodb:GetItem", "s3:GetObject", "secretsmanager:GetSecretValue"):
        assert not [name for name in allowed(action) if not re.search(NAMED, name)]
    for action in ("iam:PutRolePolicy", "iam:PassRole"):
        assert allowed(action) == ["arn:aws:iam::ACCOUNT:role/fleetpulse-*"]
    assert not allowed("iam:AttachRolePolicy")
    assert not allowed("iam:CreateUser")


def test_names_of_what_terraform_makes_begin_as_the_policy_has_it() -> None:
    assert 'name = "fleetpulse-${var.environment}"' in SOURCE
    for named in ("table/", ":role/", ":policy/", "s3:::", "secret:", "secret:AmazonMSK_"):
        assert f"{named}fleetpulse-*" in str(policy("aws"))


def test_roles_are_given_to_those_services_that_they_trust() -> None:
    trusted = set(re.findall(r'identifiers = \["([a-z-]+\.amazonaws\.com)"\]', SOURCE))
    (given,) = [
        statement["Condition"]["StringEquals"]["iam:PassedToService"]
        for statement in policy("aws")
        if statement["Action"] == "iam:PassRole"
    ]

    assert set(given) == {name for name in trusted if not name.startswith("logdelivery")}


def test_the_plan_changes_nothing() -> None:
    actions = {action for statement in policy("aws-plan") for action in words(statement["Action"])}

    assert actions == {
        "secretsmanager:GetSecretValue",
        "secretsmanager:GetRandomPassword",
        "kms:Decrypt",
    }


@pytest.mark.parametrize("role", ROLES)
def test_a_policy_is_as_short_as_iam_wants_it(role: str) -> None:
    assert len(re.sub(r"\s", "", json.dumps(policy(role)))) < 6000
