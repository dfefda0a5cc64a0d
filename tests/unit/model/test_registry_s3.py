"""What is said when S3, or the way to it, fails; and which addresses are understood."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from botocore.exceptions import (
    ConnectTimeoutError,
    NoCredentialsError,
    ReadTimeoutError,
    SSLError,
)
from botocore.stub import Stubber

from fleetpulse.errors import ModelError
from fleetpulse.secrets import AwsKeys, Secret
from model.registry import open_registry
from model.registry_objects import Absent
from model.registry_s3 import S3Objects

KEYS = AwsKeys("key", Secret("the-secret"))


@pytest.fixture
def stubbed() -> Iterator[tuple[S3Objects, Stubber]]:
    client = boto3.client(
        "s3", region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="the-secret"
    )
    with Stubber(client) as stubber:
        yield S3Objects(client, "fleet", "models"), stubber
    client.close()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("NoSuchBucket", "the bucket does not exist: create it"),
        ("AccessDenied", "access is denied: allow this key s3:ListBucket and s3:GetObject"),
        ("SignatureDoesNotMatch", "the secret does not fit the access key: look at AWS_ACCESS_KEY"),
        ("ExpiredToken", "the session's token has expired"),
        ("RequestTimeTooSkewed", "this machine's clock is wrong"),
        ("PermanentRedirect", "the bucket is in another region: set the bucket's own"),
        ("SlowDown", "the service asks for time"),
        ("TeapotError", "S3 answers TeapotError"),
    ],
)
def test_a_refusal_is_told_by_its_code(
    stubbed: tuple[S3Objects, Stubber], code: str, words: str
) -> None:
    objects, stubber = stubbed
    stubber.add_client_error("get_object", code, "some text of the service")

    with pytest.raises(ModelError) as refused:
        objects.get("current.json", 100)

    assert str(refused.value).startswith(f"s3://fleet/models/current.json cannot be used, {words}")
    assert not isinstance(refused.value, Absent)


def test_a_missing_object_is_told_apart(stubbed: tuple[S3Objects, Stubber]) -> None:
    objects, stubber = stubbed
    stubber.add_client_error("get_object", "NoSuchKey")

    with pytest.raises(Absent, match=r"s3://fleet/models/current\.json does not exist"):
        objects.get("current.json", 100)


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (NoCredentialsError(), "there is no access key: set AWS_ACCESS_KEY"),
        (ConnectTimeoutError(endpoint_url="https://host"), "it does not answer within 3 s"),
        (ReadTimeoutError(endpoint_url="https://host"), "it has been silent for 10 s"),
        (
            SSLError(endpoint_url="https://host", error=OSError("x")),
            "its certificate cannot be trusted",
        ),
    ],
)
def test_trouble_on_the_way_is_told_by_its_class(
    stubbed: tuple[S3Objects, Stubber],
    monkeypatch: pytest.MonkeyPatch,
    problem: Exception,
    words: str,
) -> None:
    objects, _ = stubbed

    def fail(**_: object) -> None:
        raise problem

    monkeypatch.setattr(objects._client, "get_object", fail)

    with pytest.raises(ModelError, match=words):
        objects.get("current.json", 100)


@pytest.mark.parametrize(
    "url",
    [
        "s3:",
        "s3://",
        "s3://key:the-secret@bucket/models",
        "s3://Bucket/models",
        "s3://bucket/../models?region=",
        "s3://bucket/a//b",
        "s3://bucket/models?secret=the-secret",
        "s3://bucket/models?endpoint=ftp://host",
        "s3://bucket/models?endpoint=https://key:the-secret@host",
    ],
)
def test_an_address_that_is_none_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ModelError, match="must look like s3://BUCKET/PREFIX") as refused:
        open_registry(url, aws=KEYS)

    assert "the-secret" not in str(refused.value)


def test_an_address_names_its_place_without_the_rest() -> None:
    registry = open_registry(
        "s3://bucket/fleet/models?region=us-east-1&endpoint=http://127.0.0.1:9", aws=KEYS
    )
    registry.close()

    assert registry.place == "s3://bucket/fleet/models"
