"""Models in a bucket of a real server: published, promoted, read back, and what goes wrong."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from fleetpulse.errors import ModelError
from model.registry import ModelCard, ModelRegistry, open_registry
from tests.contracts.model_registry import CONTENT, RegistryContract, a_card
from tests.services.s3 import KEYS, S3, STRANGER, WRONG_KEYS

pytestmark = pytest.mark.integration


def address(s3: S3, bucket: str, *, endpoint: str | None = None) -> str:
    """The address of models below a prefix of this bucket."""
    return f"s3://{bucket}/fleet/models?region=us-east-1&endpoint={endpoint or s3.endpoint}"


@pytest.fixture
def bucket(s3: S3) -> str:
    return s3.bucket()


@pytest.fixture
def registry(s3: S3, bucket: str) -> Iterator[ModelRegistry]:
    """An empty one."""
    registry = open_registry(address(s3, bucket), aws=KEYS)
    yield registry
    registry.close()


class TestS3Registry(RegistryContract):
    pass


def refusal(registry: ModelRegistry) -> str:
    """Why nothing can be read there."""
    with pytest.raises(ModelError) as refused:
        registry.promotion()
    registry.close()
    said = str(refused.value)
    assert said.count(". ") == 0
    assert KEYS.secret.get_secret_value() not in said
    assert WRONG_KEYS.secret.get_secret_value() not in said
    return said


def test_a_wrong_secret_is_said(s3: S3, bucket: str) -> None:
    said = refusal(open_registry(address(s3, bucket), aws=WRONG_KEYS))

    assert said.startswith(f"s3://{bucket}/fleet/models/current.json cannot be used")
    assert "the secret does not fit the access key: look at AWS_ACCESS_KEY" in said


def test_an_unknown_key_is_said(s3: S3, bucket: str) -> None:
    said = refusal(open_registry(address(s3, bucket), aws=STRANGER))

    assert "the access key is unknown" in said


def test_a_missing_bucket_is_said(s3: S3) -> None:
    said = refusal(open_registry(address(s3, "nowhere"), aws=KEYS))

    assert "the bucket does not exist: create it, or correct FLEETPULSE_MODELS" in said


def test_a_server_that_is_away_is_said(s3: S3, bucket: str) -> None:
    with s3.down():
        said = refusal(open_registry(address(s3, bucket), aws=KEYS))

    assert "it cannot be reached" in said


def test_the_second_of_two_promotions_at_once_is_refused(
    s3: S3, bucket: str, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.publish(a_card(), CONTENT)
    other, read = open_registry(address(s3, bucket), aws=KEYS), registry.read

    def read_while_the_other_promotes(card: ModelCard) -> bytes:
        other.promote({"heat": card.version})
        return read(card)

    monkeypatch.setattr(registry, "read", read_while_the_other_promotes)
    with pytest.raises(ModelError, match="Somebody else promoted"):
        registry.promote({"heat": a_card().version})

    assert other.promotion().number == 1
    other.close()


def test_an_object_past_the_cap_is_not_read(s3: S3, bucket: str, registry: ModelRegistry) -> None:
    with contextlib.closing(s3.client()) as client:
        client.put_object(Bucket=bucket, Key="fleet/models/current.json", Body=b" " * 300_000)

    assert "has more than 262144 bytes" in refusal(registry)
