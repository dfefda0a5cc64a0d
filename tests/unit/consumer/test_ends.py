"""Where logs end, asked of the broker inside librdkafka: no service needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest
from confluent_kafka import Consumer, TopicPartition

from consumer.batch import Partition
from consumer.ends import Ends
from consumer.source import Membership
from fleetpulse.errors import BrokerAway
from fleetpulse.kafka import EmbeddedBroker, producer
from tests.services.ports import free_ports


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    embedded = EmbeddedBroker(tmp_path_factory.mktemp("broker"))
    yield {"bootstrap.servers": embedded.address}
    embedded.close()


class Reader:
    """Somebody who has read up to here."""

    outages = 0

    def __init__(self, places: Mapping[Partition, int | None]) -> None:
        self.read: Mapping[Partition, int | None] = places

    def places(self) -> Mapping[Partition, int | None]:
        return self.read


def publish(broker: dict[str, str], topic: str, records: int) -> None:
    client = producer(broker)
    for _ in range(records):
        client.produce(topic, value=b"x", partition=0)
    assert client.flush(10) == 0


@pytest.fixture
def ends_of(broker: dict[str, str]) -> Iterator[Callable[..., Ends]]:
    made: list[Ends] = []

    def ends(reader: Reader, topics: str = "none", servers: str | None = None) -> Ends:
        config = {"bootstrap.servers": servers or broker["bootstrap.servers"], "log_level": "0"}
        membership = Membership(topics=topics, group=f"of-{topics}", batch_rows=1, batch_ms=1)
        made.append(Ends(config, membership, reader))
        return made[-1]

    yield ends
    for one in made:
        one.close()


def asked(ends: Ends) -> bool:
    """Ask once, and wait for the answer."""
    ends.ask()
    for one in (*ends._ends.values(), *ends._begins.values()):
        one.exception(timeout=10)
    return ends.reached()


def answer(ends: Ends) -> bool:
    """The answer to a question; a client's first one may be lost while it gets connected."""
    for _ in range(5):
        try:
            return asked(ends)
        except BrokerAway:
            continue
    return asked(ends)


def test_who_has_read_all_has_reached_the_end(
    broker: dict[str, str], ends_of: Callable[..., Ends]
) -> None:
    publish(broker, "some", 3)
    reader = Reader({("some", 0): 2})
    ends = ends_of(reader)

    assert not answer(ends)

    reader.read = {("some", 0): 3}
    assert ends.reached()


def test_a_log_without_records_is_read_to_its_end(
    broker: dict[str, str], ends_of: Callable[..., Ends]
) -> None:
    publish(broker, "part", 2)

    assert answer(ends_of(Reader({("part", 1): None})))
    assert not answer(ends_of(Reader({("part", 0): None})))


def test_a_partition_that_was_given_away_is_not_waited_for(
    broker: dict[str, str], ends_of: Callable[..., Ends]
) -> None:
    publish(broker, "away", 2)
    reader = Reader({("away", 0): 0})
    ends = ends_of(reader)
    assert not answer(ends)

    reader.read = {}

    assert ends.reached()


def test_a_broker_that_is_not_there_does_not_answer(ends_of: Callable[..., Ends]) -> None:
    (port,) = free_ports(1)
    ends = ends_of(Reader({("some", 0): 0}), servers=f"127.0.0.1:{port}")

    with pytest.raises(BrokerAway):
        asked(ends)


@pytest.mark.parametrize("topics", ["group.a,group.b", r"^group\..*"])
def test_the_group_must_read_every_log_that_it_follows(
    broker: dict[str, str], ends_of: Callable[..., Ends], topics: str
) -> None:
    publish(broker, "group.a", 3)
    publish(broker, "group.b", 1)
    publish(broker, "other", 1)

    ends = ends_of(Reader({("other", 0): 0}), topics)
    answer(ends)  # now it is connected
    must_read = ends.group_must_read()

    assert must_read.keys() == {("group.a", 0), ("group.b", 0)}
    assert must_read["group.a", 0] >= 3


def test_the_group_has_read_what_it_has_committed(
    broker: dict[str, str], ends_of: Callable[..., Ends]
) -> None:
    publish(broker, "committed", 3)
    ends = ends_of(Reader({("committed", 0): 0}), "committed")
    answer(ends)
    must_read = ends.group_must_read()

    assert not ends.group_has_read(must_read)

    member = Consumer({**broker, "group.id": "of-committed"})
    member.commit(offsets=[TopicPartition("committed", 0, 3)], asynchronous=False)
    member.close()
    assert ends.group_has_read(must_read)
