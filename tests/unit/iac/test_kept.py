"""What is kept is encrypted, versioned and closed: the key, buckets, tables, and MSK."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from typing import Any

import pytest

from fleetpulse.kafka import ALERTS_TOPIC, DEAD_LETTER_TOPIC
from fleetpulse.settings import ConsumerSettings, variables
from fleetpulse.telemetry import KINDS
from tests.unit.iac.configuration import FOLDER, Installation, blocks, named

ACCOUNT = "data.aws_caller_identity.here.account_id"
ARN = "arn:data.aws_partition.here.partition"
KEY = "aws_kms_key.fleet.arn"
BUCKETS = {"models": "models_bucket", "access_log": "access_log_bucket"}
USE = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
KEY_POLICY: dict[str, dict[str, Any]] = {
    "Account": {
        "Principal": {"AWS": f"{ARN}:iam::{ACCOUNT}:root"},
        "Action": "kms:*",
    },
    "Tables": {
        "Principal": {"AWS": ["aws_iam_role.task[*].arn"]},
        "Action": ["kms:CreateGrant", *USE],
        "Condition": {"StringEquals": {"kms:ViaService": "dynamodb.us-east-1.amazonaws.com"}},
    },
    "Logs": {
        "Principal": {"Service": "logs.us-east-1.amazonaws.com"},
        "Action": USE,
        "Condition": {
            "ArnLike": {
                "kms:EncryptionContext:aws:logs:arn": (
                    f"{ARN}:logs:us-east-1:{ACCOUNT}:log-group:/fleetpulse-dev/*"
                )
            }
        },
    },
    "Alarms": {
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
    },
}
# What has a key of its own, and under which name.
ENCRYPTED = {
    ("aws_sns_topic", "alarms"): "kms_master_key_id",
    ("aws_secretsmanager_secret", "of"): "kms_key_id",
    ("aws_secretsmanager_secret", "docker_hub"): "kms_key_id",
    ("aws_secretsmanager_secret", "msk"): "kms_key_id",
    ("aws_cloudwatch_log_group", "service"): "kms_key_id",
    ("aws_cloudwatch_log_group", "metrics"): "kms_key_id",
    ("aws_cloudwatch_log_group", "network"): "kms_key_id",
    ("aws_cloudwatch_log_group", "kafka"): "kms_key_id",
}


def body(of_type: str, name: str, here: Installation | None = None) -> dict[str, Any]:
    """A resource, worked out."""
    found: dict[str, Any] = (here or Installation()).value(named("resource", of_type)[name])
    return found


def test_the_key_may_be_used_by_these_and_by_nobody_else() -> None:
    policy = json.loads(body("aws_kms_key", "fleet")["policy"])

    said = {one.pop("Sid"): one for one in policy["Statement"]}
    every = {"Effect": "Allow", "Resource": "*"}
    assert said == {sid: every | expected for sid, expected in KEY_POLICY.items()}


def test_every_log_has_a_name_of_its_own_that_the_key_may_be_used_for() -> None:
    here = Installation(kafka="msk")
    names = [one["name"] for one in here.every("aws_cloudwatch_log_group")]
    allowed = KEY_POLICY["Logs"]["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]

    assert len(set(names)) == len(names)
    logs = f"{ARN}:logs:us-east-1:{ACCOUNT}:log-group:"
    assert all(fnmatchcase(f"{logs}{name}", allowed) for name in names)


def test_the_key_turns_and_is_not_gone_at_once() -> None:
    key = body("aws_kms_key", "fleet")

    assert key["enable_key_rotation"] is True
    assert key["deletion_window_in_days"] == 30


@pytest.mark.parametrize("which", ENCRYPTED, ids=".".join)
def test_it_is_encrypted_with_the_key(which: tuple[str, str]) -> None:
    assert named("resource", which[0])[which[1]][ENCRYPTED[which]] == f"${{{KEY}}}"


@pytest.mark.parametrize("kind", ["aws_secretsmanager_secret", "aws_cloudwatch_log_group"])
def test_no_secret_and_no_log_is_left_out(kind: str) -> None:
    assert set(named("resource", kind)) == {name for of, name in ENCRYPTED if of == kind}


def test_tables_are_encrypted_with_the_key_and_kept_from_deletion() -> None:
    table = named("resource", "aws_dynamodb_table")["store"]

    assert table["server_side_encryption"] == [{"enabled": True, "kms_key_arn": f"${{{KEY}}}"}]
    assert table["deletion_protection_enabled"] == "${var.deletion_protection}"


@pytest.mark.parametrize(
    ("is_protected", "emptied", "days"), [(True, {"access_log"}, 7), (False, set(BUCKETS), 0)]
)
def test_without_protection_all_can_be_taken_away_and_made_again_under_the_same_names(
    is_protected: bool, emptied: set[str], days: int
) -> None:
    here = Installation(deletion_protection=is_protected)

    buckets = {name for name in BUCKETS if body("aws_s3_bucket", name, here)["force_destroy"]}
    secrets = named("resource", "aws_secretsmanager_secret").values()

    assert buckets == emptied
    assert {here.value(secret["recovery_window_in_days"]) for secret in secrets} == {days}
    table = named("resource", "aws_dynamodb_table")["store"]
    assert here.value(table["deletion_protection_enabled"]) is is_protected
    assert body("aws_lb", "api", here)["enable_deletion_protection"] is is_protected


@pytest.mark.parametrize("bucket", BUCKETS)
def test_a_bucket_is_private_versioned_and_of_its_owner(bucket: str) -> None:
    here = Installation()
    closed = here.made("aws_s3_bucket_public_access_block", "private")[bucket]
    owned = here.made("aws_s3_bucket_ownership_controls", "owner")[bucket]
    versions = body("aws_s3_bucket_versioning", bucket)
    refusing = here.made("aws_s3_bucket_policy", "tls_only")[bucket]

    switches = {name: value for name, value in closed.items() if name not in ("for_each", "bucket")}
    assert switches == {
        "block_public_acls": True,
        "block_public_policy": True,
        "ignore_public_acls": True,
        "restrict_public_buckets": True,
    }
    assert owned["rule"] == [{"object_ownership": "BucketOwnerEnforced"}]
    assert versions["versioning_configuration"] == [{"status": "Enabled"}]
    assert refusing["policy"] == f"data.aws_iam_policy_document.{BUCKETS[bucket]}.json"
    for one in (closed, owned, versions, refusing):
        assert one["bucket"] == f"aws_s3_bucket.{bucket}.id"


def test_there_is_no_other_bucket() -> None:
    assert set(named("resource", "aws_s3_bucket")) == set(BUCKETS)


def test_models_are_encrypted_with_the_key_and_the_log_as_a_load_balancer_can() -> None:
    found = {
        bucket: body("aws_s3_bucket_server_side_encryption_configuration", bucket)["rule"][0]
        for bucket in BUCKETS
    }

    by_default = "apply_server_side_encryption_by_default"
    assert found["models"][by_default] == [{"sse_algorithm": "aws:kms", "kms_master_key_id": KEY}]
    assert found["access_log"][by_default] == [{"sse_algorithm": "AES256"}]


@pytest.mark.parametrize(("kafka", "count"), [("msk", 1), ("confluent", 0)])
def test_msk_is_made_where_it_is_wanted(kafka: str, count: int) -> None:
    assert body("aws_msk_cluster", "kafka", Installation(kafka=kafka))["count"] == count


def test_msk_is_not_taken_away_by_an_apply_that_does_not_know_of_it() -> None:
    assert body("aws_msk_cluster", "kafka")["lifecycle"] == [{"prevent_destroy": True}]


@pytest.mark.parametrize("page", ["iac/README.md", "docs/aws.md"])
def test_no_value_is_given_on_a_command_line_where_the_next_apply_forgets_it(page: str) -> None:
    applied = re.findall(r".*terraform apply .*", (FOLDER.parent / page).read_text())

    assert applied
    assert not [command for command in applied if re.search(r"-var\b(?!-file)|TF_VAR", command)]


def test_msk_lets_in_nobody_without_a_name_a_right_and_tls() -> None:
    cluster = body("aws_msk_cluster", "kafka")
    lines = named("resource", "aws_msk_configuration")["kafka"]["server_properties"].split("\n")
    properties = dict(line.strip().split("=", 1) for line in lines[1:-1])

    assert properties["allow.everyone.if.no.acl.found"] == "false"
    assert properties["auto.create.topics.enable"] == "false"
    assert cluster["client_authentication"] == [
        {"unauthenticated": False, "sasl": [{"scram": True, "iam": True}]}
    ]
    assert cluster["configuration_info"][0]["arn"] == "aws_msk_configuration.kafka[0].arn"
    assert cluster["encryption_info"] == [
        {
            "encryption_at_rest_kms_key_arn": KEY,
            "encryption_in_transit": [{"client_broker": "TLS", "in_cluster": True}],
        }
    ]
    brokers = cluster["broker_node_group_info"][0]
    assert brokers["security_groups"] == ["aws_security_group.kafka[0].id"]
    assert brokers["client_subnets"] == "aws_subnet.private[*].id"


def test_the_secret_of_msk_has_the_keys_that_tasks_ask_for() -> None:
    here = Installation(kafka="msk")
    version = body("aws_secretsmanager_secret_version", "msk", here)
    held = json.loads(version["secret_string_wo"])
    association = body("aws_msk_scram_secret_association", "fleet", here)

    made_up = "ephemeral.aws_secretsmanager_random_password.msk[0].random_password"
    assert held == {"username": "fleetpulse", "password": made_up}
    for process in ("api", "consumer"):
        secrets = here.secrets(process)
        for variable, key in {
            "KAFKA_CLUSTER_KEY": "username",
            "KAFKA_CLUSTER_SECRET": "password",
        }.items():
            assert secrets[variable] == f"aws_secretsmanager_secret.msk[0].arn:{key}::"
    assert association["secret_arn_list"] == ["aws_secretsmanager_secret.msk[0].arn"]
    assert body("aws_secretsmanager_secret", "msk")["name"].startswith("AmazonMSK_")


@pytest.mark.parametrize(("kafka", "count"), [("msk", 1), ("confluent", 0)])
def test_a_password_is_made_up_where_there_is_msk_and_is_kept_nowhere_else(
    kafka: str, count: int
) -> None:
    (made,) = (block["aws_secretsmanager_random_password"]["msk"] for block in blocks("ephemeral"))
    secret = named("resource", "aws_secretsmanager_secret_version")["msk"]

    assert Installation(kafka=kafka).value(made["count"]) == count
    assert made["password_length"] >= 32
    # The one argument that no state holds, sent when the version grows.
    assert {name for name, value in secret.items() if "random_password" in str(value)} == {
        "secret_string_wo"
    }
    assert secret["secret_string_wo_version"] == "${var.msk_password_version}"
    text = "".join(file.read_text() for file in FOLDER.glob("*.tf"))
    assert text.count(".random_password") == 1


def acls() -> list[dict[str, Any]]:
    """What the page's commands allow: kind, prefix and operations of each."""
    page = (FOLDER / "README.md").read_text()
    found = []
    for line in re.findall(r"^acls (--.*)$", page, re.MULTILINE):
        kind, prefix = re.search(r"--(topic|group) (\S+)", line).groups()  # type: ignore[union-attr]
        assert "--resource-pattern-type prefixed" in line
        operations = set(re.findall(r"--operation (\w+)", line))
        found.append({"kind": kind, "prefix": prefix, "operations": operations})
    return found


def test_the_rights_on_msk_are_given_to_the_user_that_there_is() -> None:
    page = (FOLDER / "README.md").read_text()

    assert f"--allow-principal User:{Installation().local('msk_user')} " in page


@pytest.mark.parametrize(
    "topic", [*(f"telemetry.{kind}" for kind in KINDS), ALERTS_TOPIC, DEAD_LETTER_TOPIC]
)
def test_a_topic_of_ours_is_among_the_rights_on_msk(topic: str) -> None:
    (right,) = (one for one in acls() if one["kind"] == "topic" and topic.startswith(one["prefix"]))

    assert right["operations"] == {"Create", "Describe", "Read", "Write"}


def test_the_group_of_consumers_is_among_the_rights_on_msk() -> None:
    defaults = {variable.name: variable.default for _, variable in variables(ConsumerSettings)}
    (right,) = (one for one in acls() if one["kind"] == "group")

    assert str(defaults["FLEETPULSE_GROUP"]).startswith(right["prefix"])
    assert right["operations"] == {"Read", "Describe"}


def test_topics_that_are_read_by_default_are_among_the_rights_on_msk() -> None:
    defaults = {variable.name: variable.default for _, variable in variables(ConsumerSettings)}
    read = str(defaults["FLEETPULSE_TOPICS"]).removeprefix("^").replace("\\.", ".")

    assert [one for one in acls() if one["kind"] == "topic" and read.startswith(one["prefix"])]
    assert len(acls()) == 3
