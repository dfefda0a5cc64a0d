"""The schema registry over HTTP, by confluent-kafka's client; imported only where there is one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from confluent_kafka.schema_registry import SchemaRegistryClient, topic_subject_name_strategy
from confluent_kafka.schema_registry.common._httpx_compat import httpx
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from fleetpulse.errors import SchemaError, SettingsError
from fleetpulse.reading_schema import objection, reading_schema
from fleetpulse.wire import HEADER_BYTES

ANSWER_S = 5.0  # the client's own default is to wait for ever
DETAIL_CHARACTERS = 200
# https://docs.confluent.io/platform/current/schema-registry/develop/api.html
UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT = 401, 403, 404, 409
READ_ONLY = 42205  # error code: the subject takes no schemas
A_READING = {"device_id": "any", "kind": "pc", "measured_at": 0}


class SchemaRegistry:
    """One schema registry. What it refuses, or does not answer, is a SchemaError."""

    def __init__(self, endpoint: str, login: str | None) -> None:
        """login: user:password. Raises SettingsError for an endpoint that cannot be one."""
        # It is asked again by whoever asks, so the client need not.
        config: dict[str, Any] = {"timeout": ANSWER_S, "max.retries": 0}
        try:
            addresses = [urlsplit(address.strip()) for address in endpoint.split(",")]
            self._where = ",".join(map(_shown, addresses))
            login = _the_only_one(login, _login_of(addresses[0]))
            if login is not None:
                config["basic.auth.user.info"] = login
            # The address that it gets is logged with each request, and so without a password.
            self._client = SchemaRegistryClient.new_client(config | {"url": self._where})
        except ValueError:
            raise SettingsError(
                "KAFKA_SCHEMA_ENDPOINT: must be an address such as https://registry.example:8081,"
                " without a user in it where SCHEMA_USERNAME is set"
            ) from None  # the cause may name a password

    def header(self, topic: str) -> bytes:
        """What goes before each record of a topic: a zero byte and the id of the schema.

        The schema of a reading is registered as the subject's, which a registry refuses when it is
        not compatible with what is there; where this account may not register, it is looked up.
        """
        try:
            return self._framed(topic, register=True)
        except SchemaRegistryError as problem:
            if problem.http_status_code != FORBIDDEN and problem.error_code != READ_ONLY:
                raise SchemaError(self._refusal(problem, topic)) from problem
        try:
            return self._framed(topic, register=False)
        except SchemaRegistryError as problem:
            if problem.http_status_code != NOT_FOUND:
                raise SchemaError(self._refusal(problem, topic)) from problem
            raise SchemaError(
                f"The schema registry at {self._where} does not have the schema of a reading as"
                f" {topic}-value and does not let this account register it; whoever may can do so,"
                " it is in docs/wire.md."
            ) from problem

    def check(self) -> None:
        """Return if it answers, and knows this account. Raises SchemaError."""
        try:
            with self._answering():
                self._client.get_subjects()
        except SchemaRegistryError as problem:
            if problem.http_status_code != FORBIDDEN:  # it need not tell us of other subjects
                raise SchemaError(self._refusal(problem)) from problem

    def objection(self, schema_id: int) -> str | None:
        """Why records of this schema are no readings; None: they can be."""
        try:
            with self._answering():
                schema = self._client.get_schema(schema_id)
        except SchemaRegistryError as problem:
            if problem.http_status_code == NOT_FOUND:
                raise SchemaError(
                    f"The schema registry at {self._where} does not know the ids of some records."
                ) from problem
            raise SchemaError(self._refusal(problem)) from problem
        refers = bool(schema.references)
        return objection(schema.schema_type or "AVRO", schema.schema_str or "", refers=refers)

    def close(self) -> None:
        """Drop the connections."""
        self._client.close()

    def _framed(self, topic: str, *, register: bool) -> bytes:
        """The header that the serializer gives to a reading."""
        serialize = JSONSerializer(
            json.dumps(reading_schema()),
            self._client,
            conf={
                "auto.register.schemas": register,
                "subject.name.strategy": topic_subject_name_strategy,
            },
        )
        with self._answering():
            framed = serialize(A_READING, SerializationContext(topic, MessageField.VALUE))
        return bytes(framed or b"")[:HEADER_BYTES]

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """What the client raises when there is no answer, or one that is not a registry's."""
        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL) as problem:
            raise SchemaError(
                f"The schema registry at {self._where} does not answer ({type(problem).__name__});"
                " start it, or check KAFKA_SCHEMA_ENDPOINT."
            ) from problem
        except (ValueError, TypeError, KeyError, AttributeError) as problem:
            raise SchemaError(
                f"What answers at {self._where} is no schema registry; check KAFKA_SCHEMA_ENDPOINT."
            ) from problem

    def _refusal(self, problem: SchemaRegistryError, topic: str = "") -> str:
        status, detail = problem.http_status_code, _detail(problem)
        if status == UNAUTHORIZED:
            return (
                f"The schema registry at {self._where} refuses the user or the password; check"
                " SCHEMA_USERNAME and SCHEMA_PASSWORD."
            )
        if status == CONFLICT:
            return (
                f"The schema registry at {self._where} refuses the schema of a reading, since it is"
                f" not compatible with the one that {topic}-value has; set another TOPIC_NAME, or"
                f" change that subject's compatibility ({detail})."
            )
        return f"The schema registry at {self._where} answers with HTTP status {status} ({detail})."


def _shown(address: SplitResult) -> str:
    """The address without user and password. Raises ValueError for none, as its port does."""
    has_place = address.hostname and address.port != 0
    if address.scheme not in ("http", "https", "mock") or not has_place:
        raise ValueError("no address")
    host = address.netloc.rpartition("@")[2]
    return f"{address.scheme}://{host}{address.path}"


def _login_of(address: SplitResult) -> str | None:
    """The user:password within an address."""
    if address.username is None:
        return None
    return f"{unquote(address.username)}:{unquote(address.password or '')}"


def _the_only_one(login: str | None, other: str | None) -> str | None:
    if login is not None and other is not None:
        raise ValueError("two logins")
    return login if other is None else other


def _detail(problem: SchemaRegistryError) -> str:
    words = " ".join(str(problem.error_message).split())
    return words if len(words) <= DETAIL_CHARACTERS else words[:DETAIL_CHARACTERS] + "…"
