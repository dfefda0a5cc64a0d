"""Producers that never rest: they publish a fleet's records, and know which are acknowledged."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from confluent_kafka import KafkaError, Message

from fleetpulse.kafka import producer
from tests.faults.fleet import Record

LOOK_AFTER = 500  # records between two looks at the consumer
LAST_ACKS_S = 120.0


class Load(threading.Thread):
    """Publishes records to a topic, as fast as the consumers read them.

    done: how many of them the consumers have committed; the load stays `ahead` records before
    that, so that they work at their capacity, whatever it is, and are never much behind. rate: most
    records a second; None: no limit.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        topic: str,
        records: Iterable[Record],
        *,
        done: Callable[[], int],
        ahead: int,
        rate: float | None = None,
    ) -> None:
        super().__init__(name="load", daemon=True)
        self._topic, self._records = topic, records
        self._done, self._ahead, self._rate = done, ahead, rate
        # However long the broker is away, what was handed over is delivered.
        self._producer = producer(
            {"bootstrap.servers": bootstrap_servers, "log_level": 0, "message.timeout.ms": 0}
        )
        self._enough = threading.Event()
        self._acknowledged: Counter[str] = Counter()
        self.published = 0
        self.refused: list[str] = []  # why records were not acknowledged

    def __enter__(self) -> Load:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.enough()
        self.join()

    @property
    def acknowledged(self) -> Mapping[str, int]:
        """Acknowledged records of each device."""
        return dict(self._acknowledged)

    def enough(self) -> None:
        """Publish no more; what was handed over is still delivered."""
        self._enough.set()

    def run(self) -> None:
        begin = time.monotonic()
        for number, (key, value) in enumerate(self._records):
            if number % LOOK_AFTER == 0:
                self._pause(number, begin)
            if self._enough.is_set():
                break
            self._producer.produce(self._topic, key=key, value=value, on_delivery=self._delivered)
            self.published += 1
            self._producer.poll(0)
        self._producer.flush(LAST_ACKS_S)

    def _pause(self, number: int, begin: float) -> None:
        """Wait until the consumers are near and the rate allows more."""
        while not self._enough.is_set():
            early = self._rate is not None and number > (time.monotonic() - begin) * self._rate
            if not early and number < self._done() + self._ahead:
                return
            self._producer.poll(0.02)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.refused.append(error.str())
            return
        key = message.key()
        assert key is not None
        self._acknowledged[key.decode()] += 1
