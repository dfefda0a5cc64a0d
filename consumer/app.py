"""The hardware pipeline, put together from its parts."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from consumer.batch import Partition
from consumer.dead_letters import DeadLetters
from consumer.decoding import Decoder
from consumer.heart import Heart
from consumer.pipeline import Pipeline, Stage
from consumer.roster import Roster
from consumer.sink import StoreSink
from consumer.source import KafkaSource
from consumer.stages.limits import Limits
from consumer.stages.predict import Predictor, predict
from consumer.stages.rules import RuleBook
from fleetpulse.clock import Clock
from fleetpulse.kafka import producer
from fleetpulse.stores.protocols import Store

log = logging.getLogger(__name__)


class Hardware:
    """Telemetry of machines: predicted, judged, stored.

    kafka: the client's address and security. predictor: owned by this pipeline from here on.
    """

    def __init__(
        self,
        *,
        kafka: dict[str, Any],
        topics: str,
        group: str,
        batch_rows: int,
        batch_ms: int,
        store: Store,
        predictor: Predictor,
        clock: Clock,
    ) -> None:
        self._roster, self._predictor = Roster(), predictor
        rules = RuleBook(store.rules, self._roster, clock, predictor.thresholds)
        self._limits = Limits(store.alerts, rules, predictor)
        self._source = KafkaSource(
            kafka,
            topics=topics,
            group=group,
            decoder=Decoder(self._roster, clock),
            batch_rows=batch_rows,
            batch_ms=batch_ms,
            forget=self._forget,
        )
        self._letters = DeadLetters(producer(kafka, **{"message.timeout.ms": 10_000}))
        self._announce = producer(kafka, **{"message.timeout.ms": 60_000})
        self._sink = StoreSink(store, clock, self._announce)
        heart = Heart(store.heartbeats, clock, "consumer")
        self._stages: Sequence[Stage] = (heart, predict(predictor, rules), self._limits)

    def run(self, stop: threading.Event, reached: Callable[[str], None] | None = None) -> None:
        """Work until `stop` is set, then leave the group."""
        more = {"reached": reached} if reached else {}
        work = Pipeline(
            self._source, self._stages, self._letters, self._sink, prepare=self._limits.load, **more
        )
        try:
            work.run(stop)
        finally:
            self._source.close()
            self._announce.flush(2)

    def _forget(self, partitions: Sequence[Partition]) -> None:
        """Another member may have moved these partitions' devices on."""
        slots = self._roster.of(partitions)
        if slots:
            self._predictor.forget(np.array(slots, dtype=np.int64))
            self._limits.forget(slots)
