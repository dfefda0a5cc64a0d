"""What librdkafka says of itself every few seconds: who is up, and where the logs end.

https://github.com/confluentinc/librdkafka/blob/master/STATISTICS.md
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from consumer.batch import Partition


class _Broker(msgspec.Struct):
    state: str


class _Log(msgspec.Struct):
    hi_offset: int  # negative: not known


class _Topic(msgspec.Struct):
    partitions: dict[str, _Log]


class Statistics(msgspec.Struct):
    """The part that is used."""

    brokers: dict[str, _Broker]
    topics: dict[str, _Topic]

    @property
    def is_connected(self) -> bool:
        """Whether any broker is up."""
        return any(broker.state == "UP" for broker in self.brokers.values())

    def ends(self) -> Iterator[tuple[Partition, int]]:
        """Each partition whose end is known, and the offset there."""
        for name, topic in self.topics.items():
            for number, log in topic.partitions.items():
                if log.hi_offset >= 0 and int(number) >= 0:
                    yield (name, int(number)), log.hi_offset


def read_statistics(document: str) -> Statistics:
    """The statistics in a document of librdkafka."""
    return msgspec.json.decode(document, type=Statistics)
