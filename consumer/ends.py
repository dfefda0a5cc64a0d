"""Where the logs end, as the broker says, and whether that has been read.

Who is silent is told only by one who has read everything: a broker that does not answer, or a
backlog, is no silence of a device.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any, Protocol

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import ListOffsetsResultInfo, OffsetSpec

from consumer.batch import Partition
from consumer.source import Membership
from fleetpulse.errors import BrokerAway

_ANSWER_S = 3.0
_LEADERS_S = 0.5  # asked of a broker that has just answered
_LATEST, _EARLIEST = OffsetSpec.latest(), OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_ASKED = dict[TopicPartition, "Future[ListOffsetsResultInfo]"]


class Reader(Protocol):
    """Who reads the logs."""

    @property
    def outages(self) -> int:
        """How often the last broker was lost."""

    def places(self) -> Mapping[Partition, int | None]:
        """The next offset of each assigned partition; None: wherever the log begins."""


class Ends:
    """Asks a broker about the partitions of one reader, and of its whole group.

    It has a client of its own: to ask never holds up who reads.
    """

    def __init__(self, config: Mapping[str, Any], membership: Membership, reader: Reader) -> None:
        self._membership, self._reader = membership, reader
        self._open = ExitStack()
        # Ended by close(): one that the garbage collector ends in a thread of its own library
        # takes the process with it (confluent-kafka-python #2129). The reader's client complains.
        quiet = {"error_cb": lambda _: None}
        self._admin = self._open.enter_context(AdminClient(dict(config) | quiet))
        self._using = threading.Lock()  # the client, by another thread than the reader's
        self._ends: _ASKED = {}
        self._begins: _ASKED = {}
        self._refused = False

    @property
    def assigned(self) -> Collection[Partition]:
        """The partitions that are ours now."""
        return self._reader.places().keys()

    @property
    def outages(self) -> int:
        """How often the last broker was lost."""
        return self._reader.outages

    def ask(self) -> None:
        """Ask where the assigned partitions end; the answer comes while we read on."""
        self._admin.poll(0)
        places = self._reader.places()
        try:
            if self._refused:
                self._admin.list_topics(timeout=_LEADERS_S)
                self._refused = False
            self._ends = self._offsets(places, _LATEST)
            unread = [partition for partition, place in places.items() if place is None]
            self._begins = self._offsets(unread, _EARLIEST)
        except KafkaException as problem:
            raise BrokerAway(f"Kafka does not take a question: {problem}") from problem

    def reached(self) -> bool:
        """Whether all that was in the log when we asked has been read; False: not known yet.

        Raises BrokerAway when the broker does not answer.
        """
        if not all(asked.done() for asked in (*self._ends.values(), *self._begins.values())):
            return False
        try:
            ends, begins = _answered(self._ends), _answered(self._begins)
        except BrokerAway:
            # A broker that was restarted refuses the leader epoch that the client remembers, for
            # ever: its metadata is not asked anew by itself (librdkafka #4620, for consumers).
            self._refused = True
            raise
        places = self._reader.places()
        return all(
            (places[partition] or begins.get(partition, 0)) >= end
            for partition, end in ends.items()
            if partition in places
        )

    def group_must_read(self) -> Mapping[Partition, int]:
        """Up to where any member of the group must read to know all that there is now.

        Raises BrokerAway.
        """
        with self._using:
            try:
                topics = self._admin.list_topics(timeout=_ANSWER_S).topics
                partitions = [
                    (name, number)
                    for name, topic in topics.items()
                    if self._is_read(name)
                    for number in topic.partitions
                ]
                ends = self._offsets(partitions, _LATEST)
                begins = _answered(self._offsets(partitions, _EARLIEST))
            except KafkaException as problem:
                raise BrokerAway(f"Kafka does not say where its logs end: {problem}") from problem
            found = _answered(ends)
        return {
            partition: end for partition, end in found.items() if end > begins.get(partition, 0)
        }

    def group_has_read(self, ends: Mapping[Partition, int]) -> bool:
        """Whether the group has stored all up to there. Raises BrokerAway."""
        if not ends:
            return True
        name = self._membership.group
        asked = ConsumerGroupTopicPartitions(name, [TopicPartition(*place) for place in ends])
        with self._using:
            try:
                answer = self._admin.list_consumer_group_offsets([asked], request_timeout=_ANSWER_S)
                found = answer[name].result(timeout=2 * _ANSWER_S)
            except (KafkaException, TimeoutError) as problem:
                raise BrokerAway(f"Kafka does not say where the group is: {problem}") from problem
        committed = {(one.topic, one.partition): one.offset for one in found.topic_partitions}
        return all(committed[place] >= end for place, end in ends.items())

    def close(self) -> None:
        """End the client; one that somebody waits on goes with the process."""
        if self._using.acquire(timeout=_ANSWER_S):
            self._open.close()

    def _is_read(self, topic: str) -> bool:
        topics = self._membership.topics
        if topics.startswith("^"):
            return re.search(topics, topic) is not None
        return topic in topics.split(",")

    def _offsets(self, partitions: Iterable[Partition], which: OffsetSpec) -> _ASKED:
        wanted = {TopicPartition(*partition): which for partition in partitions}
        return self._admin.list_offsets(wanted, request_timeout=_ANSWER_S) if wanted else {}


def _answered(asked: _ASKED) -> dict[Partition, int]:
    """The offsets; a topic that is gone has none. Raises BrokerAway."""
    found: dict[Partition, int] = {}
    for place, answer in asked.items():
        try:
            found[(place.topic, place.partition)] = answer.result(timeout=2 * _ANSWER_S).offset
        except KafkaException as problem:
            if problem.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise BrokerAway(f"Kafka does not say where {place.topic} ends") from problem
        except TimeoutError as problem:
            raise BrokerAway("Kafka does not say where its logs end") from problem
    return found
