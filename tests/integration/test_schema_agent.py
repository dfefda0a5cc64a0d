"""Agents, a broker and a schema registry: framed records arrive in order, whatever was down."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from consumer.batch import Batch
from consumer.decoding import Decoder, Record
from consumer.roster import Roster
from fleetpulse import wire
from fleetpulse.clock import SystemClock
from fleetpulse.kafka import producer
from fleetpulse.schemas import checked_decode
from fleetpulse.settings import KafkaSettings, load
from fleetpulse.telemetry import Reading
from tests.services.kafka import Kafka
from tests.services.schema_registry import Schema, SchemaRegistry

pytestmark = pytest.mark.integration

HEADER = b"\x00\x00\x00\x00\x01"
AVRO = '{"type": "record", "name": "Order", "fields": []}'
PARTITIONS = 3
PATIENCE_S = 30.0


class Setting:
    """A broker, a registry, a topic of its own and agents that publish to it."""

    def __init__(self, kafka: Kafka, registry: SchemaRegistry, folder: Path) -> None:
        self.kafka, self.registry, self._folder = kafka, registry, folder
        self.topic = f"telemetry.{uuid.uuid4().hex}"

    @contextmanager
    def agent(self, **environment: str) -> Iterator[Path]:
        """An agent for the length of a block; gives what it logs."""
        log = self._folder / f"{uuid.uuid4().hex}.log"
        words = ["simulated", "--interval", "0.05", "--data", str(self._folder), "--device-id", "s"]
        settings = {
            "KAFKA_BROKER_SETTINGS": self.kafka.bootstrap_servers,
            "KAFKA_SCHEMA_ENDPOINT": self.registry.endpoint,
            "FLEETPULSE_PARTITIONS": str(PARTITIONS),
        }
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "generators", *words, "--topic", self.topic],
                env=os.environ | settings | environment,
                stderr=output,
            )
            try:
                yield log
            finally:
                process.terminate()
                assert process.wait(20) == 0

    def partitions(self) -> int:
        """How many the topic has; 0: there is none."""
        topics = AdminClient({"bootstrap.servers": self.kafka.bootstrap_servers}).list_topics()
        found = topics.topics.get(self.topic)
        return 0 if found is None else len(found.partitions)

    def records(self, enough: Callable[[list[Record]], bool]) -> list[Record]:
        """The topic's records from the first on, read until they are enough."""
        found: list[Record] = []
        eventually(lambda: self.partitions() > 0)
        consumer = Consumer(
            {"bootstrap.servers": self.kafka.bootstrap_servers, "group.id": self.topic}
        )
        numbers = range(self.partitions())
        consumer.assign([TopicPartition(self.topic, each, OFFSET_BEGINNING) for each in numbers])
        until = time.monotonic() + PATIENCE_S
        try:
            while not enough(found):
                assert time.monotonic() < until, f"not enough in {len(found)} records"
                for message in consumer.consume(1000, 0.2):
                    place = (self.topic, message.partition() or 0)
                    offset = message.offset() or 0
                    found.append((place, offset, message.key(), message.value(), False))
        finally:
            consumer.close()
        return found

    def published(self) -> int:
        """How many records the topic has."""
        servers = {"bootstrap.servers": self.kafka.bootstrap_servers}
        consumer = Consumer(servers | {"group.id": self.topic})
        try:
            places = [TopicPartition(self.topic, each) for each in range(self.partitions())]
            assert places
            return sum((consumer.get_watermark_offsets(each) or (0, 0))[1] for each in places)
        finally:
            consumer.close()

    def decoded(self, records: list[Record]) -> Batch:
        """As a consumer decodes them that has the registry."""
        settings = load(KafkaSettings, schema_endpoint=self.registry.endpoint)
        with checked_decode(settings) as decode:
            return Decoder(Roster(), SystemClock(), decode).decode(records, "test")


@pytest.fixture
def setting(kafka: Kafka, tmp_path: Path) -> Iterator[Setting]:
    with SchemaRegistry() as registry:
        yield Setting(kafka, registry, tmp_path)


def eventually(holds: Callable[[], object]) -> None:
    """Return once it holds."""
    until = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


def values(records: list[Record]) -> list[bytes]:
    return [record[3] or b"" for record in records]


def seqs(records: list[Record]) -> list[int]:
    return [wire.decode(value)[0].seq for value in values(records)]


def are_framed_and_in_order(records: list[Record]) -> bool:
    """Whether all are framed, every one from the first on, each after the one before."""
    assert {value[:5] for value in values(records)} == {HEADER}
    return seqs(records) == list(range(1, len(records) + 1))


def at_least(count: int) -> Callable[[list[Record]], bool]:
    return lambda records: len(records) >= count


def test_an_agent_makes_its_topic_registers_the_schema_and_frames_its_records(
    setting: Setting,
) -> None:
    with setting.agent():
        records = setting.records(at_least(10))

    assert setting.partitions() == PARTITIONS
    assert list(setting.registry.content.subjects) == [f"{setting.topic}-value"]
    assert are_framed_and_in_order(records)


def test_a_broker_that_was_away_at_the_start_gets_the_topic_before_the_readings(
    setting: Setting,
) -> None:
    with ExitStack() as stack:
        with setting.kafka.down():
            log = stack.enter_context(setting.agent())
            eventually(lambda: b"the first reading" in log.read_bytes())
            time.sleep(1)
        records = setting.records(at_least(20))

    assert setting.partitions() == PARTITIONS
    assert are_framed_and_in_order(records)
    assert log.read_bytes().count(b"does not answer") == 1


def test_an_agent_without_a_registry_makes_its_topic_and_writes_plain_records(
    setting: Setting,
) -> None:
    with setting.agent(KAFKA_SCHEMA_ENDPOINT=""):
        records = setting.records(at_least(5))

    assert setting.partitions() == PARTITIONS
    assert {value[:1] for value in values(records)} == {b"{"}
    assert not setting.registry.content.asked


def test_framed_and_plain_records_are_read_from_one_topic_and_those_of_others_set_aside(
    setting: Setting,
) -> None:
    with setting.agent():
        setting.records(at_least(5))
    plain = wire.encode(Reading(device_id="plain", kind="pc", measured_at=1, seq=1))
    avro = setting.registry.content.keep(Schema(AVRO)).to_bytes(4, "big")
    publisher = producer({"bootstrap.servers": setting.kafka.bootstrap_servers})
    publisher.produce(setting.topic, key="plain", value=plain)
    publisher.produce(setting.topic, key="orders", value=b"\x00" + avro + b"\x02\x10")
    assert publisher.flush(30) == 0

    everybody = {b"s", b"plain", b"orders"}
    records = setting.records(lambda found: {record[2] for record in found} == everybody)
    batch = setting.decoded(records)

    assert set(batch.device_ids) == {"s", "plain"}
    assert [(one.key, one.error.cause) for one in batch.refused] == [(b"orders", "schema")]


def test_readings_wait_while_the_registry_is_down_at_the_start_and_arrive_framed(
    setting: Setting,
) -> None:
    setting.registry.stop()
    with setting.agent() as log:
        eventually(lambda: b"readings wait in the spool" in log.read_bytes())
        time.sleep(1)
        setting.registry.start()
        records = setting.records(at_least(40))

    assert are_framed_and_in_order(records)
    assert log.read_bytes().count(b"readings wait in the spool") == 1
    assert b"schema registered" in log.read_bytes()


def test_an_agent_killed_while_the_registry_was_down_loses_nothing(setting: Setting) -> None:
    with setting.registry.down(), setting.agent() as log:
        eventually(lambda: b"readings wait in the spool" in log.read_bytes())
        time.sleep(1)

    with setting.agent():
        records = setting.records(at_least(40))

    assert are_framed_and_in_order(records)


def test_an_agent_goes_on_while_the_registry_is_down_later(setting: Setting) -> None:
    with setting.agent():
        setting.records(at_least(5))
        with setting.registry.down():
            so_far = len(setting.records(at_least(5)))
            records = setting.records(at_least(so_far + 20))

    assert are_framed_and_in_order(records)


def test_measuring_goes_on_while_a_slow_registry_is_waited_for(setting: Setting) -> None:
    with setting.registry.slow(3.0), setting.agent():
        eventually(lambda: setting.registry.content.asked)
        asked_at = SystemClock().now_ms()
        records = setting.records(at_least(40))

    assert are_framed_and_in_order(records)
    readings = [wire.decode(value)[0] for value in values(records)]
    meanwhile = [one for one in readings if asked_at < one.measured_at < asked_at + 2500]
    assert len(meanwhile) >= 10  # of 50


def test_an_agent_that_a_registry_refuses_says_why_and_publishes_once_it_may(
    setting: Setting,
) -> None:
    setting.registry.content.login = "fleet:right"
    password = {"SCHEMA_USERNAME": "fleet", "SCHEMA_PASSWORD": "pa55word"}
    with setting.agent(**password) as log:
        eventually(lambda: b"refuses the user or the password" in log.read_bytes())
        setting.registry.content.login = "fleet:pa55word"
        records = setting.records(at_least(10))

    assert are_framed_and_in_order(records)
    assert b"pa55word" not in log.read_bytes()


def test_an_agent_whose_schema_is_not_compatible_says_so_and_publishes_nothing(
    setting: Setting,
) -> None:
    taken = Schema('{"properties": {"order_id": {"type": "string"}}}', "JSON")
    setting.registry.content.register(f"{setting.topic}-value", taken)

    with setting.agent() as log:
        eventually(lambda: b"is not compatible with the one" in log.read_bytes())
        time.sleep(1)
        assert setting.published() == 0
