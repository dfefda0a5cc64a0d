"""Nobody on AWS may do more, or less, than the code does."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name

from tests.unit.iac.configuration import FOLDER, PROCESSES, actions, local_values, named, statements

ROOT = FOLDER.parent
STORE = sorted((ROOT / "fleetpulse/stores").glob("dynamodb*.py"))
MODELS = ROOT / "model/registry_s3.py"

# Called only where a table is missing or not as it should be, which Terraform sees to.
MADE_BY_TERRAFORM = {
    "dynamodb:CreateTable",
    "dynamodb:UpdateContinuousBackups",
    "dynamodb:UpdateTimeToLive",
}
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
OF_ANOTHER_NAME = {"s3:ListObjectsV2": "s3:ListBucket"}
WITHOUT_RESOURCES = {"ecr:GetAuthorizationToken"}

DOCUMENTS = sorted(named("data", "aws_iam_policy_document"))


def called(service: str, files: list[Path]) -> set[str]:
    """The actions of a service that these files call by boto3's names."""
    model = botocore.session.get_session().get_service_model(service)
    operations = {xform_name(name): f"{service}:{name}" for name in model.operation_names}
    found = {operations[word] for file in files for word in words(file) if word in operations}
    return {OF_ANOTHER_NAME.get(action, action) for action in found}


def words(file: Path) -> Iterator[str]:
    """What may name an operation: what is called on a client, and texts handed to a call."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and "_client" in ast.unparse(node.func.value):
                yield node.func.attr
            given = [*node.args, *(keyword.value for keyword in node.keywords)]
            yield from (
                one.value
                for one in given
                if isinstance(one, ast.Constant) and isinstance(one.value, str)
            )


def of_service(service: str, document: str) -> set[str]:
    """What a policy document allows of a service."""
    return {action for action in actions(document) if action.startswith(f"{service}:")}


def test_tasks_may_do_with_tables_what_the_store_does() -> None:
    needed = called("dynamodb", STORE)

    assert needed > MADE_BY_TERRAFORM
    (tables,) = (one for one in statements("store") if one["sid"] == "Tables")
    assert set(tables["actions"]) == needed - MADE_BY_TERRAFORM


def test_indexes_are_only_queried() -> None:
    (indexes,) = (one for one in statements("store") if one["sid"] == "Indexes")

    assert indexes["actions"] == ["dynamodb:Query"]


def test_the_page_for_other_installations_names_the_same_actions() -> None:
    page = (ROOT / "docs/dynamodb.md").read_text()
    listed = page.partition("indexes: ")[2].partition(".")[0]

    assert {f"dynamodb:{name.strip()}" for name in listed.split(",")} == called("dynamodb", STORE)


def test_who_publishes_models_may_do_what_the_registry_does() -> None:
    reader, publisher = of_service("s3", "models_reader"), of_service("s3", "models_publisher")

    assert reader | publisher == called("s3", [MODELS])


def test_tasks_only_read_models() -> None:
    assert of_service("s3", "models_reader") == {"s3:GetObject", "s3:ListBucket"}


def test_every_process_gets_the_store_and_those_that_know_models_get_the_models() -> None:
    policies = named("resource", "aws_iam_role_policy")

    assert policies["store"]["for_each"] == "${local.running}"
    assert policies["models_reader"]["for_each"] == '${toset(["api", "consumer"])}'
    assert set(local_values()["ports"]) == set(PROCESSES)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_nothing_is_allowed_wholesale(document: str) -> None:
    allowed = [one for one in statements(document) if one.get("effect", "Allow") == "Allow"]

    assert not [action for one in allowed for action in one["actions"] if "*" in action]
    everywhere = [one for one in allowed if one.get("resources") in ("*", ["*"])]
    assert {action for one in everywhere for action in one["actions"]} <= WITHOUT_RESOURCES


@pytest.mark.parametrize("bucket", ["models_bucket", "access_log_bucket"])
def test_buckets_refuse_what_is_not_encrypted_on_its_way(bucket: str) -> None:
    (refused,) = (one for one in statements(bucket) if one["sid"] == "TlsOnly")

    assert refused["effect"] == "Deny"
    assert refused["condition"] == [
        {"test": "Bool", "variable": "aws:SecureTransport", "values": ["false"]}
    ]
