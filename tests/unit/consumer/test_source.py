"""The Kafka source against the broker inside librdkafka: no service needed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from consumer.batch import Batch, Partition
from consumer.dead_letters import DeadLetters
from consumer.decoding import Decoder
from consumer.roster import Roster
from consumer.source import KafkaSource, Membership
from fleetpulse import wire
from fleetpulse.clock import ManualClock
from fleetpulse.errors import StoreBusy
from fleetpulse.health import Health
from fleetpulse.kafka import DEAD_LETTER_TOPIC, EmbeddedBroker, producer
from tests.unit.consumer.builders import NOON, a_reading, new_metrics


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    embedded = EmbeddedBroker(tmp_path_factory.mktemp("broker"))
    yield {"bootstrap.servers": embedded.address}
    embedded.close()


def publish(broker: dict[str, str], topic: str, *values: bytes) -> None:
    client = producer(broker)
    for value in values:
        client.produce(topic, key="pi-1", value=value)
    assert client.flush(10) == 0


class Member:
    """A consumer of one topic, and what it was told to forget."""

    def __init__(self, broker: dict[str, str], topics: str, group: str) -> None:
        self.forgotten: list[Partition] = []
        self.health = Health()
        self.source = KafkaSource(
            broker,
            Membership(topics=topics, group=group, batch_rows=100, batch_ms=100),
            decoder=Decoder(Roster(), ManualClock(NOON + 3_600_000)),
            forget=self.forgotten.extend,
            health=self.health,
            metrics=new_metrics(),
        )

    def read(self, rows: int) -> list[Batch]:
        """Batches until so many rows have come; fails after 20 s."""
        batches: list[Batch] = []
        for _ in range(200):
            batches.append(self.source.next_batch())
            if sum(map(len, batches)) + sum(len(one.refused) for one in batches) >= rows:
                return batches
        raise AssertionError(f"only {sum(map(len, batches))} of {rows} rows came")


def readings(*seconds: float) -> list[bytes]:
    return [wire.encode(a_reading(at, temperature_c=50)) for at in seconds]


def test_a_new_group_reads_from_the_beginning_of_every_topic_that_matches(
    broker: dict[str, str],
) -> None:
    publish(broker, "first.a", *readings(0, 5))
    publish(broker, "first.b", *readings(10))
    member = Member(broker, r"^first\..*", "first")

    batches = member.read(3)

    assert sum(map(len, batches)) == 3
    assert not any(batch.replayed.any() for batch in batches)
    member.source.close()


def test_after_a_restart_committed_records_come_again_as_replayed_and_only_they(
    broker: dict[str, str],
) -> None:
    publish(broker, "again", *readings(0, 5, 10))
    before = Member(broker, "again", "again")
    for batch in before.read(3):
        before.source.commit(batch)
    before.source.close()
    publish(broker, "again", *readings(15))

    after = Member(broker, "again", "again")
    batches = after.read(4)

    replayed = [flag for batch in batches for flag in batch.replayed.tolist()]
    assert replayed == [True, True, True, False]
    after.source.close()


def test_what_was_not_committed_comes_again_to_be_judged(broker: dict[str, str]) -> None:
    publish(broker, "lost", *readings(0, 5))
    before = Member(broker, "lost", "lost")
    before.read(2)
    before.source.close()

    after = Member(broker, "lost", "lost")

    assert not any(batch.replayed.any() for batch in after.read(2))
    after.source.close()


def test_a_busy_store_gets_the_same_batch_again_and_nothing_is_read_meanwhile(
    broker: dict[str, str],
) -> None:
    publish(broker, "busy", *readings(0))
    member = Member(broker, "busy", "busy")
    batch = next(one for one in member.read(1) if len(one))
    publish(broker, "busy", *readings(5))
    attempts: list[Batch] = []

    def write() -> None:
        attempts.append(batch)
        if len(attempts) < 3:
            raise StoreBusy("please wait", retry_after_s=0.1)

    assert member.source.hold_while(write, threading.Event())
    assert attempts == [batch] * 3
    member.source.commit(batch)

    assert [one.offsets.tolist() for one in member.read(1) if len(one)] == [[1]]
    member.source.close()


def test_holding_ends_when_told_to_stop(broker: dict[str, str]) -> None:
    member = Member(broker, "never", "never")
    stop = threading.Event()

    def write() -> None:
        stop.set()
        raise StoreBusy("please wait", retry_after_s=60)

    assert not member.source.hold_while(write, stop)
    member.source.close()


def test_assigned_partitions_are_forgotten_first(broker: dict[str, str]) -> None:
    publish(broker, "moved", *readings(0))
    member = Member(broker, "moved", "moved")

    member.read(1)

    assert {topic for topic, _ in member.forgotten} == {"moved"}
    member.source.close()


def test_a_refused_record_arrives_on_the_dead_letter_topic_with_its_origin(
    broker: dict[str, str],
) -> None:
    publish(broker, "poison", b"{")
    member = Member(broker, "poison", "poison")
    refused = [one for batch in member.read(1) for one in batch.refused]

    DeadLetters(producer(broker)).deliver(refused)

    reader = Member(broker, DEAD_LETTER_TOPIC, "letters")
    letter = reader.read(1)[-1].refused[0]
    assert letter.value == b"{"
    member.source.close()
    reader.source.close()


class Unanswered:
    """The client of a source, whose commits are written down and not answered."""

    def __init__(self, client: Consumer) -> None:
        self._client = client
        self.commits: list[list[int]] = []  # the offsets of each

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> None:
        assert asynchronous
        self.commits.append([one.offset for one in offsets])


def test_a_commit_waits_for_the_answer_to_the_one_before(broker: dict[str, str]) -> None:
    publish(broker, "patient", *readings(0, 5, 10))
    member = Member(broker, "patient", "patient")
    batch = member.read(3)[-1]
    (partition,) = batch.next_offsets
    client = member.source._consumer = Unanswered(member.source._consumer)  # type: ignore[assignment]

    for offset in (1, 2, 3):
        member.source.commit(replace(batch, next_offsets={partition: offset}))
    assert client.commits == [[1]]
    member.source._note_commit(None, [])
    member.source.next_batch()

    assert client.commits == [[1], [3]]
    member.source.close()


def test_a_commit_that_failed_is_sent_again_while_its_partition_is_ours(
    broker: dict[str, str],
) -> None:
    publish(broker, "refused", *readings(0, 5))
    member = Member(broker, "refused", "refused")
    batch = member.read(2)[-1]
    client = Unanswered(member.source._consumer)
    member.source._consumer = client  # type: ignore[assignment]
    member.source.commit(batch)

    member.source._note_commit(KafkaError(KafkaError.ILLEGAL_GENERATION), [])
    member.source.next_batch()

    assert client.commits == [[2], [2]]
    member.source._assigned.clear()
    member.source._note_commit(KafkaError(KafkaError.ILLEGAL_GENERATION), [])
    member.source.next_batch()
    assert client.commits == [[2], [2]]
    member.source.close()
