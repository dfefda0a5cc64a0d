"""The registry's client: what it asks a registry for, and what is said when it is refused."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from fleetpulse import wire
from fleetpulse.errors import BrokerError, DecodeError
from fleetpulse.reading_schema import reading_schema
from fleetpulse.schemas import checked_decode, open_registry
from fleetpulse.settings import KafkaSettings, load
from fleetpulse.telemetry import Reading
from tests.services.schema_registry import Schema, SchemaRegistry, incompatibilities

pytestmark = pytest.mark.integration

READING = Reading(device_id="pc-1", kind="pc", measured_at=1)
SUBJECT = "telemetry.pc-value"
AVRO = '{"type": "record", "name": "Order", "fields": []}'


@pytest.fixture
def registry() -> Iterator[SchemaRegistry]:
    with SchemaRegistry() as running:
        yield running


def header_from(registry: SchemaRegistry, **given: str) -> bytes:
    """What goes before each record, as the registry tells whoever comes with these settings."""
    settings = load(KafkaSettings, **({"schema_endpoint": registry.endpoint} | given))
    opened = open_registry(settings)
    assert opened is not None
    with closing(opened):
        return opened.header("telemetry.pc")


def refusal(registry: SchemaRegistry, **given: str) -> str:
    """What is said to whoever is refused: one sentence without a secret."""
    with pytest.raises(BrokerError) as refused:
        header_from(registry, **given)
    said = str(refused.value)
    assert "\n" not in said
    assert said.endswith(".")
    assert "pa55" not in said
    return said


def a_schema(**changed: Any) -> Schema:
    return Schema(json.dumps(reading_schema() | changed), "JSON")


def without(*names: str) -> dict[str, Any]:
    return {k: v for k, v in reading_schema()["properties"].items() if k not in names}


def test_the_schema_is_registered_once_and_has_one_id(registry: SchemaRegistry) -> None:
    headers = {header_from(registry) for _ in range(2)}

    assert headers == {b"\x00\x00\x00\x00\x01"}
    (schema,) = registry.content.schemas
    assert (json.loads(schema.text), schema.kind) == (reading_schema(), "JSON")
    assert registry.content.subjects == {SUBJECT: [1]}


def test_a_schema_with_a_channel_more_than_the_last_is_compatible(registry: SchemaRegistry) -> None:
    registry.content.register(SUBJECT, a_schema(properties=without("disk_pct")))

    assert header_from(registry) == b"\x00\x00\x00\x00\x02"


def test_an_older_agent_keeps_the_id_that_its_schema_has(registry: SchemaRegistry) -> None:
    header = header_from(registry)
    properties = reading_schema()["properties"] | {"humidity_pct": {"type": ["number", "null"]}}
    registry.content.register(SUBJECT, a_schema(properties=properties))

    assert header_from(registry) == header


@pytest.mark.parametrize(
    "there",
    [
        a_schema(properties=without("disk_pct"), additionalProperties=True),
        a_schema(properties=reading_schema()["properties"] | {"humidity_pct": {}}),
        a_schema(required=["device_id"]),
        a_schema(properties=without("seq") | {"seq": {"type": "string"}}),
        Schema(AVRO),
    ],
    ids=["open", "had another field", "required less", "another type", "avro"],
)
def test_an_incompatible_change_is_refused_in_one_sentence(
    registry: SchemaRegistry, there: Schema
) -> None:
    registry.content.register(SUBJECT, there)

    said = refusal(registry)

    assert f"is not compatible with the one that {SUBJECT} has; set another TOPIC_NAME" in said
    registry.content.levels[SUBJECT] = "NONE"
    assert header_from(registry) == b"\x00\x00\x00\x00\x02"


def test_user_and_password_let_in(registry: SchemaRegistry) -> None:
    registry.content.login = "fleet:pa55word:1"

    header = header_from(registry, schema_username="fleet", schema_password="pa55word:1")

    assert wire.schema_id(header) == 1


def test_a_password_in_the_address_lets_in_and_is_not_logged(
    registry: SchemaRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    registry.content.login = "fleet:pa55/word"
    caplog.set_level(logging.DEBUG)
    endpoint = registry.endpoint.replace("//", "//fleet:pa55%2Fword@")

    assert wire.schema_id(header_from(registry, schema_endpoint=endpoint)) == 1

    assert registry.endpoint in caplog.text  # the client logs its requests
    assert "pa55" not in caplog.text


def test_a_wrong_password_is_said_in_one_sentence(registry: SchemaRegistry) -> None:
    registry.content.login = "fleet:right"

    wrong = refusal(registry, schema_username="fleet", schema_password="pa55word")
    none = refusal(registry)
    in_address = refusal(
        registry, schema_endpoint=registry.endpoint.replace("//", "//fleet:pa55word@")
    )

    assert (
        f"at {registry.endpoint} refuses the user or the password; check SCHEMA_USERNAME" in wrong
    )
    assert wrong == none == in_address


def test_who_may_not_register_uses_what_is_registered(registry: SchemaRegistry) -> None:
    header = header_from(registry)
    registry.content.may_register = False

    assert header_from(registry) == header


def test_who_may_not_register_is_told_when_nobody_has(registry: SchemaRegistry) -> None:
    registry.content.may_register = False

    assert "does not let this account register it; whoever may can do so" in refusal(registry)


def test_a_registry_that_is_down_is_said_in_one_sentence(registry: SchemaRegistry) -> None:
    registry.stop()

    assert f"at {registry.endpoint} does not answer (ConnectError)" in refusal(registry)


def test_what_is_no_registry_is_said_in_one_sentence(registry: SchemaRegistry) -> None:
    said = refusal(registry, schema_endpoint=f"{registry.endpoint}/elsewhere")

    assert "answers with HTTP status 404 (HTTP 404 Not Found)" in said


def test_a_consumer_asks_once_for_an_id_and_keeps_it_while_the_registry_is_down(
    registry: SchemaRegistry,
) -> None:
    framed = header_from(registry) + wire.encode(READING)
    avro = b"\x00" + registry.content.keep(Schema(AVRO)).to_bytes(4, "big") + wire.encode(READING)
    unknown = b"\x00\x00\x00\x00\x63" + wire.encode(READING)
    registry.content.asked.clear()

    with checked_decode(load(KafkaSettings, schema_endpoint=registry.endpoint)) as decode:
        assert decode(framed) == (READING, 0)
        assert cause_of(decode, avro) == "schema"
        with registry.down():
            for value in (framed, wire.encode(READING), unknown):
                assert decode(value) == (READING, 0)
            assert cause_of(decode, avro) == "schema"

    assert registry.content.asked == ["GET /schemas/ids/1", "GET /schemas/ids/2"]


def test_a_consumer_that_starts_while_the_registry_is_down_reads_what_describes_itself(
    registry: SchemaRegistry,
) -> None:
    framed = header_from(registry) + wire.encode(READING)
    registry.stop()

    with checked_decode(load(KafkaSettings, schema_endpoint=registry.endpoint)) as decode:
        assert decode(framed) == (READING, 0)
        assert cause_of(decode, framed[:5] + b"\x02\x10orders") == "not-json"


def test_in_memory_a_registry_needs_no_server() -> None:
    settings = load(KafkaSettings, schema_endpoint="mock://fleet")

    with checked_decode(settings) as decode:
        assert decode(b"\x00\x00\x00\x00\x01" + wire.encode(READING)) == (READING, 0)


def cause_of(decode: Callable[[bytes], object], value: bytes) -> str:
    with pytest.raises(DecodeError) as refused:
        decode(value)
    return refused.value.cause


def test_the_registry_of_the_tests_judges_as_confluents_does() -> None:
    old: dict[str, Any] = {"properties": {"a": {}}}
    added: dict[str, Any] = {"properties": {"a": {}, "b": {}}}
    closed = {"additionalProperties": False}

    assert incompatibilities(old, added) == ["PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL b"]
    assert incompatibilities(old | closed, added | closed) == []
    assert incompatibilities(added | closed, old | closed) == [
        "PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL b"
    ]
    assert incompatibilities(added, old) == []


def test_a_slow_registry_does_not_hold_up_the_end(
    registry: SchemaRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    framed = header_from(registry) + wire.encode(READING)
    settings = load(KafkaSettings, schema_endpoint=registry.endpoint)

    with registry.slow(60):
        with checked_decode(settings) as decode:
            assert decode(framed) == (READING, 0)
        asked = list(registry.content.asked)

    assert asked[-1] == "GET /schemas/ids/1"
    assert not caplog.messages  # it gave up without waiting for an answer
