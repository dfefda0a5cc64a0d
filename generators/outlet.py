"""Publishing as fast as the consumer can follow, and no faster.

The embedded broker keeps some 5 MiB a partition and drops older records without a word, so whoever
publishes faster than in real time must look at how far the consumer group has come.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from fleetpulse.clock import Clock
from fleetpulse.errors import BrokerError

CHECK_EVERY = 500  # records between two looks at the consumer
LOOK_AGAIN_S = 0.2
PATIENCE_S = 10.0  # without progress: say what is being waited for
GIVE_UP_S = 300.0  # without an answer: as long as a record waits for its acknowledgement
ANSWER_S = 5.0


@dataclass(frozen=True, slots=True)
class Behind:
    """How far a consumer group is behind its topics."""

    records: int
    is_consumed: bool  # whether the group has ever come anywhere


class Lag(Protocol):
    """Tells how far the consumer is behind."""

    def behind(self, topics: Iterable[str]) -> Behind:
        """Over all partitions of these topics. Raises BrokerError."""


class GroupLag:
    """How far a consumer group is behind, as the broker knows it; it does not join the group."""

    def __init__(self, config: Mapping[str, Any], group: str) -> None:
        self.group = group
        self._client = Consumer({**config, "group.id": group, "enable.auto.commit": False})

    def behind(self, topics: Iterable[str]) -> Behind:
        try:
            return self._behind(topics)
        except KafkaException as problem:
            raise BrokerError(f"Kafka does not answer: {problem.args[0].str()}") from problem

    def _behind(self, topics: Iterable[str]) -> Behind:
        records, is_consumed = 0, False
        partitions = [each for topic in topics for each in self._partitions(topic)]
        for place in self._client.committed(partitions, timeout=ANSWER_S) if partitions else ():
            marks = self._client.get_watermark_offsets(place, timeout=ANSWER_S)
            if marks is None:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
            low, high = marks
            records += high - max(low, place.offset)  # negative where nothing was committed
            is_consumed |= place.offset >= 0
        return Behind(records, is_consumed)

    def _partitions(self, topic: str) -> list[TopicPartition]:
        """None when the topic does not exist yet."""
        found = self._client.list_topics(topic, timeout=ANSWER_S).topics[topic]
        return [TopicPartition(topic, number) for number in found.partitions]

    def close(self) -> None:
        self._client.close()


DeliveryReport = Callable[[KafkaError | None, Any], None]


class Client(Protocol):
    """The part of confluent_kafka.Producer that is used."""

    def produce(self, topic: str, *, value: bytes, key: str, on_delivery: DeliveryReport) -> None:
        """Queue a record."""

    def poll(self, timeout: float) -> int:
        """Wait for events, and call back for each."""

    def flush(self, timeout: float) -> int:
        """Wait until nothing is queued; how much still is."""

    def __len__(self) -> int:
        """How much is queued."""


class Outlet:
    """Publishes records, and waits while the consumer is too far behind."""

    def __init__(
        self,
        client: Client,
        lag: Lag | None,
        *,
        most_behind: int,
        group: str,
        clock: Clock,
        say: Callable[[str], None],
    ) -> None:
        """lag: None when nothing is to be waited for. say: takes a sentence for the user."""
        self.acknowledged = 0  # records that the broker has
        self.topics: set[str] = set()
        self._client = client
        self._lag = lag
        self._most_behind = most_behind
        self._group = group
        self._clock = clock
        self._say = say
        self._refused: KafkaError | None = None
        self._unchecked = CHECK_EVERY  # look before the first record, too
        self._said = ""

    def publish(self, topic: str, *, key: str, value: bytes, stop: threading.Event) -> None:
        """Queue one record, once there is room for it. Raises BrokerError."""
        self.topics.add(topic)
        if self._unchecked >= CHECK_EVERY:
            self._hold_back(stop)
            self._unchecked = 0
        while not stop.is_set():
            try:
                self._client.produce(topic, value=value, key=key, on_delivery=self._on_delivery)
                break
            except BufferError:
                self._poll(0.1)
            except KafkaException as problem:
                raise BrokerError(f"Kafka refuses: {problem.args[0].str()}") from problem
        self._unchecked += 1
        self._poll(0)

    def finish(self, timeout_s: float) -> None:
        """Wait until all is acknowledged. Raises BrokerError."""
        waiting = self._client.flush(timeout_s)
        self._raise_refused()
        if waiting:
            raise BrokerError(f"Kafka has not acknowledged {waiting:,} of the readings.")

    def _poll(self, seconds: float) -> None:
        self._client.poll(seconds)
        self._raise_refused()

    def _raise_refused(self) -> None:
        if self._refused is not None:
            raise BrokerError(f"Kafka does not take the readings: {self._refused.str()}.")

    def _on_delivery(self, error: KafkaError | None, message: Any) -> None:
        if error is None:
            self.acknowledged += 1
        else:
            self._refused = self._refused or error

    def _hold_back(self, stop: threading.Event) -> None:
        if self._lag is None:
            return
        began_ms = answered_ms = self._clock.now_ms()
        least = None
        while not stop.is_set():
            now_ms = self._clock.now_ms()
            behind = self._look(self._lag)
            if behind is not None:
                answered_ms = now_ms
                waiting = behind.records + len(self._client)
                if waiting <= self._most_behind:
                    self._said = ""
                    return
                if least is None or waiting < least:
                    least, began_ms = waiting, now_ms
            if now_ms - answered_ms > GIVE_UP_S * 1000:
                raise BrokerError("Kafka has not answered for 5 minutes.")
            if now_ms - began_ms > PATIENCE_S * 1000:
                self._say_once(self._cause(behind))
            self._poll(0)
            self._clock.wait(LOOK_AGAIN_S, stop)

    def _look(self, lag: Lag) -> Behind | None:
        try:
            return lag.behind(sorted(self.topics))
        except BrokerError:
            return None

    def _cause(self, behind: Behind | None) -> str:
        if behind is None:
            return "Kafka does not answer; waiting for it."
        if behind.is_consumed:
            return f"Consumer group {self._group} stands still; waiting for it to go on."
        return (
            f"No consumer of group {self._group} reads {', '.join(sorted(self.topics))};"
            " waiting for one (`fleetpulse consume hardware`)."
        )

    def _say_once(self, sentence: str) -> None:
        if sentence != self._said:
            self._said = sentence
            self._say(sentence)
