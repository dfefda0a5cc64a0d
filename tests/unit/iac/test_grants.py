"""Each statement of each policy, whole: who may do what with what, and on which condition."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.unit.iac.configuration import PROCESSES, Installation, named, statements

REGION = "us-east-1"
ACCOUNT = "data.aws_caller_identity.here.account_id"
MODELS = "aws_s3_bucket.models.arn"
LOG = "aws_cloudwatch_log_group"
KEY = "aws_kms_key.fleet.arn"
ECR_IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/fleet:1"


class Grant(NamedTuple):
    """What a statement allows, or denies."""

    actions: tuple[str, ...]
    resources: tuple[str, ...] = ()
    condition: tuple[str, str, str] | None = None
    to: tuple[str, str] | None = None
    effect: str = "Allow"


def through(service: str) -> tuple[str, str, str]:
    """The condition that AWS' own service asks in somebody's name."""
    return ("StringEquals", "kms:ViaService", f"{service}.{REGION}.amazonaws.com")


def tls_only(bucket: str) -> Grant:
    """Nobody may do anything without TLS."""
    arn = f"aws_s3_bucket.{bucket}.arn"
    without = ("Bool", "aws:SecureTransport", "false")
    return Grant(("s3:*",), (arn, f"{arn}/*"), without, ("*", "*"), "Deny")


READ = {
    "List": Grant(("s3:ListBucket",), (MODELS,)),
    "Read": Grant(("s3:GetObject",), (f"{MODELS}/models/*",)),
    "Decrypt": Grant(("kms:Decrypt",), (KEY,), through("s3")),
}
WRITE_LOG = ("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")
EXPECTED: dict[str, dict[str, Grant]] = {
    "tasks": {
        "": Grant(
            ("sts:AssumeRole",),
            condition=("StringEquals", "aws:SourceAccount", ACCOUNT),
            to=("Service", "ecs-tasks.amazonaws.com"),
        )
    },
    "flow_logs_service": {
        "": Grant(("sts:AssumeRole",), to=("Service", "vpc-flow-logs.amazonaws.com"))
    },
    "flow_logs": {"": Grant(WRITE_LOG, (f"{LOG}.network.arn:*",))},
    "lag": {"Numbers": Grant(WRITE_LOG, (f"{LOG}.metrics.arn:*",))},
    "models_reader": READ,
    "models_publisher": {
        "Publish": Grant(("s3:PutObject",), (f"{MODELS}/models/*",)),
        "Encrypt": Grant(("kms:GenerateDataKey",), (KEY,), through("s3")),
    },
    "models_bucket": {"TlsOnly": tls_only("models")},
    "access_log_bucket": {
        "TlsOnly": tls_only("access_log"),
        "LoadBalancer": Grant(
            ("s3:PutObject",),
            (f"aws_s3_bucket.access_log.arn/AWSLogs/{ACCOUNT}/*",),
            to=("Service", "logdelivery.elasticloadbalancing.amazonaws.com"),
        ),
    },
    "store": {
        "Tables": Grant(
            (
                "dynamodb:BatchGetItem",
                "dynamodb:BatchWriteItem",
                "dynamodb:DeleteItem",
                "dynamodb:DescribeContinuousBackups",
                "dynamodb:DescribeTable",
                "dynamodb:DescribeTimeToLive",
                "dynamodb:GetItem",
                "dynamodb:PutItem",
                "dynamodb:Query",
                "dynamodb:Scan",
                "dynamodb:UpdateItem",
            ),
            ("aws_dynamodb_table.store[*].arn",),
        ),
        "Indexes": Grant(("dynamodb:Query",), ("aws_dynamodb_table.store[*].arn/index/*",)),
    },
}
OF_A_START = {
    "api": ("kafka", "schema-registry", "models"),
    "consumer": ("kafka", "schema-registry", "models"),
    "bot": ("telegram",),
    "notify": ("notify",),
}
# Policy -> the role it is of, whose it is ("": its own), and the document.
ATTACHED = {
    "store": ("aws_iam_role.task", PROCESSES, "store"),
    "models_reader": ("aws_iam_role.task", ("api", "consumer"), "models_reader"),
    "lag": ("aws_iam_role.task.consumer", (), "lag"),
    "start": ("aws_iam_role.start", PROCESSES, "start"),
    "flow_logs": ("aws_iam_role.flow_logs", (), "flow_logs"),
}


def granted(document: str, here: Installation, **names: Any) -> Iterator[tuple[str, Grant]]:
    """Name of a statement, and what it says, of those that are always there."""
    body = named("data", "aws_iam_policy_document")[document]
    for one in here.value(body.get("statement", []), **names):
        yield one.get("sid", ""), grant(one)


def grant(statement: dict[str, Any]) -> Grant:
    """A statement, in short."""
    (condition,) = statement.get("condition", [None])
    (to,) = statement.get("principals", [None])
    return Grant(
        tuple(statement["actions"]),
        tuple(statement.get("resources", ())),
        condition and (condition["test"], condition["variable"], *condition["values"]),
        to and (to["type"], *to["identifiers"]),
        statement.get("effect", "Allow"),
    )


def test_every_policy_is_looked_at() -> None:
    assert set(named("data", "aws_iam_policy_document")) == {*EXPECTED, "start"}


@pytest.mark.parametrize("document", EXPECTED)
def test_a_policy_says_this_and_nothing_else(document: str) -> None:
    assert dict(granted(document, Installation())) == EXPECTED[document]
    assert len(statements(document)) == len(EXPECTED[document])


def test_who_publishes_models_may_read_them_too_and_nobody_inherits_more() -> None:
    documents = named("data", "aws_iam_policy_document")
    inherited = {name: body.get("source_policy_documents") for name, body in documents.items()}
    reader = "${data.aws_iam_policy_document.models_reader.json}"

    assert inherited.pop("models_publisher") == [reader]
    assert not any(inherited.values())
    assert not [name for name, body in documents.items() if "override_policy_documents" in body]


@pytest.mark.parametrize("process", PROCESSES)
def test_a_task_starts_with_its_own_secrets_and_its_own_log(process: str) -> None:
    here = Installation(schema_registry=True)
    secrets = tuple(f"aws_secretsmanager_secret.of.{name}.arn" for name in OF_A_START[process])

    found = dict(granted("start", here, each={"key": process, "value": 0}))

    # A list of those that are there: none where there is no MSK, or no login to Docker Hub.
    optional = ["msk", "docker_hub"] if process in ("api", "consumer") else ["docker_hub"]
    secrets += tuple(f"aws_secretsmanager_secret.{name}[*].arn" for name in optional)
    assert found == {
        "Secrets": Grant(("secretsmanager:GetSecretValue",), secrets),
        "Decrypt": Grant(("kms:Decrypt",), (KEY,), through("secretsmanager")),
        "Log": Grant(
            ("logs:CreateLogStream", "logs:PutLogEvents"), (f"{LOG}.service.{process}.arn:*",)
        ),
    }


@pytest.mark.parametrize(("image", "there"), [(ECR_IMAGE, True), ("example/fleet:1", False)])
def test_an_image_on_ecr_may_be_fetched_and_no_other(image: str, there: bool) -> None:
    here = Installation(images=dict.fromkeys(PROCESSES, image))
    body = named("data", "aws_iam_policy_document")["start"]
    dynamic = [one["statement"] for one in body["dynamic"]]
    api = {"each": {"key": "api", "value": 8000}}

    found = [
        grant(content)
        for one in dynamic
        for value in here.value(one["for_each"], **api)
        for content in here.value(one["content"], statement={"value": value}, **api)
    ]

    arn = f"arn:data.aws_partition.here.partition:ecr:{REGION}:123456789012:repository/fleet"
    layers = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
    expected = [Grant(layers, (arn,)), Grant(("ecr:GetAuthorizationToken",), ("*",))]
    assert found == (expected if there else [])


def test_a_policy_is_of_this_role_and_of_no_other() -> None:
    here = Installation()
    policies = named("resource", "aws_iam_role_policy")

    assert set(policies) == set(ATTACHED)
    seen = []
    for name, (role, whose, document) in ATTACHED.items():
        made = here.made("aws_iam_role_policy", name) if whose else {"": here.value(policies[name])}
        assert set(made) == set(whose or ("",))
        for process, body in made.items():
            each_has_its_own = document == "start"
            suffix = f".{process}" if process else ""
            assert body["role"] == f"{role}{suffix}.id"
            source = f"{document}{suffix if each_has_its_own else ''}"
            assert body["policy"] == f"data.aws_iam_policy_document.{source}.json"
            seen.append((body["role"], body["name"]))
    assert len(set(seen)) == len(seen)  # of two with one name on a role the later one stays


def test_no_role_has_a_policy_by_another_way() -> None:
    resources = {"aws_iam_role_policy_attachment", "aws_iam_policy_attachment", "aws_iam_user"}

    assert not [name for kind in resources for name in named("resource", kind)]
    roles = named("resource", "aws_iam_role")
    trusts = {name: body["assume_role_policy"] for name, body in roles.items()}
    document = "${data.aws_iam_policy_document."
    assert trusts == {
        "task": f"{document}tasks.json}}",
        "start": f"{document}tasks.json}}",
        "flow_logs": f"{document}flow_logs_service.json}}",
    }
    assert not [body for body in roles.values() if "managed_policy_arns" in body]
