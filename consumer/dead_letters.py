"""Where records go that will never be readings: a topic, with their cause and origin."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

from confluent_kafka import KafkaException, Producer

from consumer.batch import Refused
from fleetpulse.errors import BrokerError
from fleetpulse.kafka import DEAD_LETTER_TOPIC

log = logging.getLogger(__name__)

# The rest of a larger key or value is cut, so that the letter itself fits into a record.
MAX_KEY_BYTES = 1_000
MAX_VALUE_BYTES = 500_000
_DELIVERY_S = 10.0


class DeadLetters:
    """The dead-letter topic."""

    def __init__(self, producer: Producer, topic: str = DEAD_LETTER_TOPIC) -> None:
        self._producer, self._topic = producer, topic

    def deliver(self, refused: Sequence[Refused]) -> None:
        """Return once all of them are safe on the topic; repeats are told apart by their origin.

        Raises BrokerError when the topic does not take them: then nothing may be committed.
        """
        if not refused:
            return
        failures: list[str] = []
        for one in refused:
            self._send(one, failures)
        unsent = self._producer.flush(_DELIVERY_S)
        if unsent or failures:
            self._producer.purge()
            self._producer.poll(0)
            why = failures[0] if failures else "no answer"
            raise BrokerError(f"{self._topic} does not take dead letters: {why}")
        causes = Counter(one.error.cause for one in refused)
        first = refused[0]
        topic, partition = first.partition
        log.warning(
            "dead letters",
            extra={
                "records": len(refused),
                "causes": ", ".join(f"{cause} {count}" for cause, count in causes.items()),
                "topic": topic,
                "partition": partition,
                "offset": first.offset,
                "detail": first.error.detail,
            },
        )

    def _send(self, one: Refused, failures: list[str]) -> None:
        topic, partition = one.partition
        headers = {
            "cause": one.error.cause,
            "detail": one.error.detail,
            "topic": topic,
            "partition": str(partition),
            "offset": str(one.offset),
        }
        try:
            self._producer.produce(
                self._topic,
                key=one.key and one.key[:MAX_KEY_BYTES],
                value=one.value and one.value[:MAX_VALUE_BYTES],
                headers=[(name, text.encode()) for name, text in headers.items()],
                on_delivery=lambda error, _: failures.append(error.str()) if error else None,
            )
        except (KafkaException, BufferError) as problem:
            failures.append(str(problem))
