"""Models in an S3 bucket, or in anything that speaks as S3 does."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict
from urllib.parse import parse_qsl, urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError

from fleetpulse.errors import ModelError
from fleetpulse.secrets import AwsKeys
from model.registry_objects import Absent, Found

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import GetObjectOutputTypeDef

CONNECT_S = 3
READ_S = 10  # of silence
WHOLE_READ_S = 60  # of one object, however slowly it trickles
ATTEMPTS = 2
_CHUNK_BYTES = 16 * 1024

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"([A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*)?")
_ENDPOINT = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+/?")

_KEYS = "look at AWS_ACCESS_KEY and AWS_SECRET_ACCESS_KEY, or at the role of this machine"
_REGION = "set the bucket's own with ?region=… in FLEETPULSE_MODELS"
_LATER = "nothing to do if it passes; else look at the service's status page"
# What the service says, and what to do. Codes: "Error Responses" in the Amazon S3 API Reference.
_REFUSALS: Mapping[str, tuple[str, str]] = {
    "NoSuchBucket": (
        "the bucket does not exist",
        "create it, or correct FLEETPULSE_MODELS",
    ),
    "AccessDenied": (
        "access is denied",
        "allow this key s3:ListBucket and s3:GetObject there, and s3:PutObject to publish",
    ),
    "InvalidAccessKeyId": ("the access key is unknown", _KEYS),
    "SignatureDoesNotMatch": ("the secret does not fit the access key", _KEYS),
    "ExpiredToken": ("the session's token has expired", _KEYS),
    "InvalidToken": ("the session's token is wrong", _KEYS),
    "RequestTimeTooSkewed": ("this machine's clock is wrong", "set it, as by NTP"),
    "AuthorizationHeaderMalformed": ("the bucket is in another region", _REGION),
    "PermanentRedirect": ("the bucket is in another region", _REGION),
    "301": ("the bucket is in another region", _REGION),
    "SlowDown": ("the service asks for time", _LATER),
    "ServiceUnavailable": ("the service asks for time", _LATER),
    "InternalError": ("the service failed", _LATER),
    "RequestTimeout": ("the network is too slow", _LATER),
}
_NETWORK = "look at the network, and at the endpoint in FLEETPULSE_MODELS"
# What boto3 says by itself; the first that fits.
_TROUBLES: Sequence[tuple[tuple[type[Exception], ...], tuple[str, str]]] = (
    (
        (NoCredentialsError, PartialCredentialsError, ProfileNotFound),
        ("there is no access key", "set AWS_ACCESS_KEY and AWS_SECRET_ACCESS_KEY, or give a role"),
    ),
    ((CredentialRetrievalError, TokenRetrievalError), ("no access key is to be had", _KEYS)),
    ((NoRegionError,), ("no region is known", _REGION)),
    ((SSLError,), ("its certificate cannot be trusted", _NETWORK)),
    ((ConnectTimeoutError,), (f"it does not answer within {CONNECT_S} s", _NETWORK)),
    ((ReadTimeoutError,), (f"it has been silent for {READ_S} s", _NETWORK)),
    ((EndpointConnectionError, ProxyConnectionError), ("it cannot be reached", _NETWORK)),
    ((IncompleteReadError, HTTPClientError), ("the connection broke", _NETWORK)),
    ((ResponseParserError,), ("what answers there is not S3", _NETWORK)),
)
_ABSENT = ("NoSuchKey", "404")
_TAKEN = ("PreconditionFailed", "ConditionalRequestConflict")
_UNCHANGED = "304"


class Condition(TypedDict, total=False):
    """On which a put depends."""

    IfMatch: str
    IfNoneMatch: str


class S3Objects:
    """Objects of a bucket below a prefix."""

    def __init__(self, client: S3Client, bucket: str, prefix: str) -> None:
        self._client, self._bucket = client, bucket
        self._below = f"{prefix}/" if prefix else ""
        self.place = f"s3://{bucket}/{prefix}".rstrip("/")

    def get(self, key: str, most_bytes: int) -> Found:
        """An object."""
        with self._said_plainly(key):
            answer = self._client.get_object(Bucket=self._bucket, Key=self._below + key)
            return self._received(key, answer, most_bytes)

    def get_unless(self, tag: str, key: str, most_bytes: int) -> Found | None:
        """An object; None: it still has this tag."""
        with self._said_plainly(key):
            try:
                answer = self._client.get_object(
                    Bucket=self._bucket, Key=self._below + key, IfNoneMatch=tag
                )
            except ClientError as refusal:
                if _code(refusal) == _UNCHANGED:
                    return None
                raise
            return self._received(key, answer, most_bytes)

    def create(self, key: str, content: bytes) -> bool:
        """Write what does not exist yet; False: it exists."""
        return self._put(key, content, {"IfNoneMatch": "*"})

    def replace(self, key: str, content: bytes, tag: str | None) -> bool:
        """Write at once what has this tag (None: does not exist); False: it has another one."""
        return self._put(key, content, {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag})

    def tags(self) -> Mapping[str, str]:
        """The tag of every object."""
        found = {}
        with self._said_plainly(""):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._below
            )
            for page in pages:
                for each in page.get("Contents", ()):
                    found[each["Key"].removeprefix(self._below)] = each["ETag"]
        return found

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    def _put(self, key: str, content: bytes, condition: Condition) -> bool:
        with self._said_plainly(key):
            try:
                self._client.put_object(
                    Bucket=self._bucket, Key=self._below + key, Body=content, **condition
                )
            except ClientError as refusal:
                if _code(refusal) in _TAKEN:
                    return False
                raise
        return True

    def _received(self, key: str, answer: GetObjectOutputTypeDef, most_bytes: int) -> Found:
        until = time.monotonic() + WHOLE_READ_S
        content = bytearray()
        with closing(answer["Body"]) as body:
            for chunk in body.iter_chunks(_CHUNK_BYTES):
                content += chunk
                if len(content) > most_bytes:
                    raise ModelError(
                        f"{self.place}/{key} has more than {most_bytes} bytes and was not read:"
                        " put the right object there."
                    )
                if time.monotonic() > until:
                    raise ModelError(
                        f"{self.place}/{key} could not be read within {WHOLE_READ_S} s: look at"
                        " the network on the way to it."
                    )
        return Found(bytes(content), answer["ETag"])

    @contextmanager
    def _said_plainly(self, key: str) -> Iterator[None]:
        """Failures of S3 and of the way to it as a ModelError of one sentence."""
        where = f"{self.place}/{key}".rstrip("/")
        try:
            yield
        except ClientError as refusal:
            code = _code(refusal)
            if code in _ABSENT:
                raise Absent(f"{where} does not exist: publish it, or promote others.") from refusal
            what, remedy = _REFUSALS.get(code, (f"S3 answers {code}", _LATER))
            raise ModelError(f"{where} cannot be used, {what}: {remedy}.") from refusal
        except (BotoCoreError, ResponseParserError) as problem:
            what, remedy = _trouble(problem)
            raise ModelError(f"{where} cannot be used, {what}: {remedy}.") from problem


def s3_objects(url: str, aws: AwsKeys | None) -> S3Objects:
    """The objects at `s3://BUCKET/PREFIX?region=…&endpoint=…`. Raises ModelError.

    aws: None for boto3's own chain.
    """
    address = _address(url)
    try:
        client = boto3.client(
            "s3",
            region_name=address.region,
            endpoint_url=address.endpoint,
            aws_access_key_id=aws.access_key if aws else None,
            aws_secret_access_key=aws.secret.get_secret_value() if aws else None,
            config=_config(address),
        )
    except (BotoCoreError, ValueError) as problem:
        what, remedy = _trouble(problem)
        raise ModelError(
            f"s3://{address.bucket}/{address.prefix} cannot be used, {what}: {remedy}."
        ) from problem
    return S3Objects(client, address.bucket, address.prefix)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Address:
    bucket: str
    prefix: str
    region: str | None
    endpoint: str | None


def _address(url: str) -> _Address:
    """The parts of an address; what is wrong with one is said without it: it may hold a secret."""
    parts = urlsplit(url)
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    endpoint = asked.get("endpoint")
    prefix = parts.path.strip("/")
    if (
        not _BUCKET.fullmatch(parts.netloc)
        or not _PREFIX.fullmatch(prefix)
        or not asked.keys() <= {"region", "endpoint"}
        or not (endpoint is None or _ENDPOINT.fullmatch(endpoint))
        or not all(asked.values())
    ):
        raise ModelError(
            "The address of the models must look like"
            " s3://BUCKET/PREFIX?region=REGION&endpoint=https://HOST, the last two only if needed."
        )
    return _Address(
        bucket=parts.netloc, prefix=prefix, region=asked.get("region"), endpoint=endpoint
    )


def _config(address: _Address) -> Config:
    """Short timeouts; and with an endpoint, what servers other than Amazon's understand."""
    patience = Config(
        connect_timeout=CONNECT_S,
        read_timeout=READ_S,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
    )
    if address.endpoint is None:
        return patience
    return patience.merge(
        Config(
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
    )


def _code(refusal: ClientError) -> str:
    return refusal.response.get("Error", {}).get("Code", "")


def _trouble(problem: Exception) -> tuple[str, str]:
    """What kept S3 from answering, and what to do."""
    for kind, said in _TROUBLES:
        if isinstance(problem, kind):
            return said
    return f"boto3 failed ({type(problem).__name__})", "look at its documentation"
