"""The schema of a reading, and what becomes of records whose schema id is known, or is not."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import closing

import msgspec
import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient, topic_subject_name_strategy
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from fleetpulse import schemas, wire
from fleetpulse.clock import ManualClock
from fleetpulse.errors import BrokerError, DecodeError, SchemaError, SettingsError
from fleetpulse.reading_schema import objection, reading_schema
from fleetpulse.schemas import (
    ASK_AGAIN_MS,
    HEADER_AGAIN_MS,
    MOST_UNKNOWN,
    WAIT_MS,
    Headers,
    SchemaCheck,
    record_headers,
)
from fleetpulse.settings import KafkaSettings, load
from fleetpulse.telemetry import CHANNELS, Reading

AVRO = '{"type": "record", "name": "Reading", "fields": []}'
READING = Reading(device_id="pc-1", kind="pc", measured_at=1, load_pct=5.0)


def framed(schema_id: int, reading: Reading = READING) -> bytes:
    return b"\x00" + schema_id.to_bytes(4, "big") + wire.encode(reading)


class Answers:
    """A registry that knows what a test says; it may be away, or never answer."""

    def __init__(self) -> None:
        self.objections: dict[int, str | None] = {}
        self.asked: list[int] = []
        self.is_away = False
        self.go_on = threading.Event()
        self.go_on.set()

    def let_go(self, check: SchemaCheck) -> None:
        """Answer at last, and end."""
        self.is_away = True
        self.go_on.set()
        check.close()

    def ask(self, schema_id: int) -> str | None:
        self.asked.append(schema_id)
        self.go_on.wait()
        if self.is_away:
            raise BrokerError("The registry does not answer.")
        return self.objections[schema_id]


class PatientClock(ManualClock):
    """Whoever waits does so until it happens, and no time passes."""

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        return stop.wait(30)


@pytest.fixture
def registry() -> Answers:
    return Answers()


@pytest.fixture
def clock() -> PatientClock:
    return PatientClock()


@pytest.fixture
def check(registry: Answers, clock: PatientClock) -> Iterator[SchemaCheck]:
    with closing(SchemaCheck(registry.ask, clock, pause_s=0)) as made:
        yield made


def test_the_schema_has_the_fields_of_a_reading_and_is_closed() -> None:
    schema = reading_schema()

    fields = msgspec.structs.fields(Reading)
    assert list(schema["properties"]) == [field.name for field in fields]
    assert schema["required"] == [field.name for field in fields if field.required]
    assert schema["additionalProperties"] is False


def test_confluents_serializer_takes_every_reading_and_writes_what_the_wire_reads() -> None:
    values = {channel.name: channel.example for channel in CHANNELS}
    full = Reading(device_id="pi.1", kind="raspberry", measured_at=1, seq=7, **values)
    serialize = JSONSerializer(
        json.dumps(reading_schema()),
        SchemaRegistryClient.new_client({"url": "mock://registry"}),
        lambda reading, _: msgspec.to_builtins(reading),
        {"subject.name.strategy": topic_subject_name_strategy},
    )
    place = SerializationContext("telemetry.raspberry", MessageField.VALUE)

    for reading in (full, READING):
        value = serialize(reading, place)
        assert value is not None
        assert value[:5] == b"\x00\x00\x00\x00\x01"
        assert wire.decode(value) == (reading, 0)


def test_a_channel_may_be_null_and_a_name_may_not_have_blanks() -> None:
    properties = reading_schema()["properties"]

    assert all(properties[channel.name]["type"] == ["number", "null"] for channel in CHANNELS)
    assert properties["device_id"]["pattern"] == "^[A-Za-z0-9._-]{1,64}$"


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("AVRO", AVRO, "the schema is AVRO, not JSON"),
        ("PROTOBUF", 'syntax = "proto3";', "the schema is PROTOBUF, not JSON"),
        ("JSON", '{"properties": {"order_id": {}}}', "the schema has no device_id"),
        ("JSON", '{"type": "object"}', "the schema has no device_id"),
        ("JSON", "true", "the schema has no device_id"),
        ("JSON", "{", "the schema is not JSON"),
        ("JSON", '{"properties": {"device_id": {}}}', None),
        ("JSON", '{"allOf": [{"$ref": "#/a"}], "a": {"properties": {"device_id": {}}}}', None),
        ("JSON", json.dumps(reading_schema()), None),
    ],
)
def test_a_schema_of_readings_is_json_and_has_a_device(
    kind: str, text: str, said: str | None
) -> None:
    assert objection(kind, text, refers=False) == said


def test_a_schema_made_of_others_may_be_one_of_readings() -> None:
    assert objection("JSON", '{"$ref": "device.json"}', refers=True) is None


def test_a_record_of_a_schema_of_readings_is_read_and_the_registry_asked_once(
    check: SchemaCheck, registry: Answers
) -> None:
    registry.objections = {7: None}

    read = [check.decode(framed(7)) for _ in range(3)]

    assert read == [(READING, 0)] * 3
    assert registry.asked == [7]


def test_a_record_of_another_schema_is_refused_with_its_cause(
    check: SchemaCheck, registry: Answers
) -> None:
    registry.objections = {7: "the schema is AVRO, not JSON"}

    for _ in range(2):
        with pytest.raises(DecodeError, match="id 7: the schema is AVRO") as refused:
            check.decode(framed(7))
        assert refused.value.cause == "schema"
    assert registry.asked == [7]


@pytest.mark.parametrize(
    ("value", "cause"), [(None, "empty"), (b"", "not-json"), (b"\x00\x00", "not-json")]
)
def test_what_is_not_framed_is_judged_as_ever(
    check: SchemaCheck, registry: Answers, value: bytes | None, cause: str
) -> None:
    assert check.decode(wire.encode(READING)) == (READING, 0)
    with pytest.raises(DecodeError) as refused:
        check.decode(value)

    assert refused.value.cause == cause
    assert registry.asked == []


def test_while_the_registry_is_away_records_are_read_and_what_is_known_stays_known(
    check: SchemaCheck, registry: Answers, caplog: pytest.LogCaptureFixture
) -> None:
    registry.objections = {7: "the schema is AVRO, not JSON"}
    with pytest.raises(DecodeError):
        check.decode(framed(7))
    registry.is_away = True

    for schema_id in (8, 9, 8):
        assert check.decode(framed(schema_id)) == (READING, 0)
    with pytest.raises(DecodeError):
        check.decode(framed(7))

    assert registry.asked == [7, 8, 9]
    assert caplog.messages == ["records are read without their schema"]


def test_an_id_that_nobody_knew_is_asked_for_again_and_then_known(
    check: SchemaCheck, registry: Answers, clock: PatientClock
) -> None:
    registry.is_away = True
    check.decode(framed(7))
    registry.is_away, registry.objections = False, {7: "it is of orders", 8: None}

    check.decode(framed(7))
    assert registry.asked == [7]
    clock.advance(ASK_AGAIN_MS / 1000)
    check.decode(framed(7))  # asked in the background, and not waited for
    check.decode(framed(8))  # answered after it

    with pytest.raises(DecodeError):
        check.decode(framed(7))
    assert registry.asked == [7, 7, 8]


def test_a_registry_that_does_not_answer_holds_records_up_half_a_second_in_ten(
    registry: Answers,
) -> None:
    clock = ManualClock()  # who waits, waits in vain
    registry.go_on.clear()
    check = SchemaCheck(registry.ask, clock, pause_s=0)
    waited_ms = []

    for schema_id in range(1, 31):
        began_ms = clock.now_ms()
        assert check.decode(framed(schema_id)) == (READING, 0)
        waited_ms.append(clock.now_ms() - began_ms)
        clock.advance(1)

    registry.let_go(check)
    assert [waited for waited in waited_ms if waited] == [WAIT_MS] * 3
    assert waited_ms.index(WAIT_MS, 1) == 10


def test_answers_that_come_late_are_waited_for_only_as_long_as_is_left(registry: Answers) -> None:
    registry.is_away = True
    clock = SlowClock()
    with closing(SchemaCheck(registry.ask, clock, pause_s=0)) as check:
        for schema_id in range(1, 6):
            check.decode(framed(schema_id))

    assert clock.asked_for == [0.5, 0.3, 0.1]  # two tenths of a second each


class SlowClock(ManualClock):
    """Whoever waits gets an answer after 200 ms, or goes before."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_for: list[float] = []

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        self.asked_for.append(seconds)
        self.advance(min(0.2, seconds))
        return stop.wait(30)


def test_a_flood_of_unknown_ids_takes_no_more_memory_than_a_thousand(registry: Answers) -> None:
    registry.go_on.clear()
    check = SchemaCheck(registry.ask, ManualClock(), pause_s=0)

    for schema_id in range(3 * MOST_UNKNOWN):
        check.decode(framed(schema_id))

    assert len(check._asked_at) <= MOST_UNKNOWN
    assert check._questions.qsize() <= MOST_UNKNOWN
    registry.let_go(check)


def test_an_odd_answer_ends_nothing(
    check: SchemaCheck, registry: Answers, caplog: pytest.LogCaptureFixture
) -> None:
    registry.objections = {9: "it is of orders"}

    for schema_id in (7, 8):  # the answer is a KeyError
        assert check.decode(framed(schema_id)) == (READING, 0)

    with pytest.raises(DecodeError):
        check.decode(framed(9))
    assert caplog.messages == ["no schema; trying on"] * 2


def test_without_an_endpoint_there_is_no_registry_and_records_are_decoded_as_ever() -> None:
    settings = load(KafkaSettings)

    assert schemas.open_registry(settings) is None
    with schemas.checked_decode(settings) as decode:
        assert decode is wire.decode


def test_a_registry_in_memory_gives_a_header_and_knows_its_schema() -> None:
    registry = schemas.open_registry(load(KafkaSettings, schema_endpoint="mock://registry"))
    assert registry is not None

    with closing(registry):
        header = registry.header("telemetry.pc")
        assert registry.header("telemetry.pc") == header
        assert registry.objection(wire.schema_id(header)) is None
        with pytest.raises(BrokerError, match="does not know the ids of some records"):
            registry.objection(99)


@pytest.mark.parametrize(
    "endpoint",
    ["registry:8081", "ftp://registry", "http://", "http://u:a-secret@h:8081", "http://h:port"],
)
def test_an_address_that_cannot_be_a_registrys_is_a_wrong_setting(endpoint: str) -> None:
    given = {"schema_username": "fleet", "schema_password": "pa55word"}
    settings = load(KafkaSettings, schema_endpoint=endpoint, **given)

    with pytest.raises(SettingsError, match="KAFKA_SCHEMA_ENDPOINT: must be an address") as wrong:
        schemas.open_registry(settings)

    assert "secret" not in str(wrong.value)
    assert wrong.value.__cause__ is None


class Ids:
    """A registry that numbers topics as they come; it may be away."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.is_away = False

    def header(self, topic: str) -> bytes:
        self.asked.append(topic)
        if self.is_away:
            raise SchemaError("The registry does not answer.")
        return b"\x00" + len(self.asked).to_bytes(4, "big")


def test_what_goes_before_records_is_asked_for_once_a_topic_and_kept_without_a_registry() -> None:
    ids = Ids()
    headers = Headers(ids.header, ManualClock())
    first = headers.before("telemetry.pc")
    ids.is_away = True

    assert first == headers.before("telemetry.pc") == b"\x00\x00\x00\x00\x01"
    with pytest.raises(SchemaError, match="does not answer"):
        headers.before("telemetry.raspberry")
    assert ids.asked == ["telemetry.pc", "telemetry.raspberry"]


def test_a_registry_that_was_away_is_not_waited_for_again_within_seconds() -> None:
    ids, clock = Ids(), ManualClock()
    headers = Headers(ids.header, clock)
    ids.is_away = True

    for _ in range(3):
        with pytest.raises(SchemaError, match="does not answer"):
            headers.before("telemetry.pc")
    assert len(ids.asked) == 1

    ids.is_away = False
    clock.advance(HEADER_AGAIN_MS / 1000)
    assert wire.schema_id(headers.before("telemetry.pc")) == 2


def test_threads_that_need_the_same_header_ask_for_it_once() -> None:
    asked, go_on = list[str](), threading.Event()

    def slow(topic: str) -> bytes:
        asked.append(topic)
        go_on.wait(30)
        return b"\x00\x00\x00\x00\x07"

    headers, found = Headers(slow, ManualClock()), list[bytes]()
    threads = [
        threading.Thread(target=lambda: found.append(headers.before("telemetry.pc")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join(30)

    assert found == [b"\x00\x00\x00\x00\x07"] * 4
    assert asked == ["telemetry.pc"]


def test_without_an_endpoint_nothing_goes_before_records() -> None:
    with record_headers(load(KafkaSettings)) as headers:
        assert headers.before("telemetry.pc") == b""


def test_a_registry_that_is_configured_and_whose_client_is_not_installed_says_what_to_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "fleetpulse.schema_registry", None)
    settings = load(KafkaSettings, schema_endpoint="mock://registry")

    with pytest.raises(SettingsError, match=r"pip install 'fleetpulse\[schema\]'"):
        record_headers(settings).__enter__()
