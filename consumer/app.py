"""The hardware pipeline, put together from its parts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from consumer.absent import Absent
from consumer.batch import Batch, Partition
from consumer.checkup import Checkup
from consumer.dead_letters import DeadLetters
from consumer.decoding import Decoder
from consumer.drift_watch import DriftWatch
from consumer.ends import Ends
from consumer.housekeeping import DAY_MS, Housekeeping
from consumer.pipeline import Pipeline, Stage
from consumer.poison import PoisonWatch
from consumer.roster import Roster
from consumer.sink import StoreSink
from consumer.source import KafkaSource, Membership
from consumer.stages.extensions import extension_stages
from consumer.stages.late import Order
from consumer.stages.limits import Limits
from consumer.stages.offline import Offline
from consumer.stages.predict import Predictor, predict
from consumer.stages.rollup import RollUp
from consumer.stages.rules import RuleBook
from consumer.stages.shadow import Shadow
from fleetpulse.clock import Clock
from fleetpulse.health import Health
from fleetpulse.kafka import producer
from fleetpulse.metrics import ConsumerMetrics
from fleetpulse.notices import Notices
from fleetpulse.schemas import Decode
from fleetpulse.settings import Retention
from fleetpulse.stores.protocols import Store
from fleetpulse.watch import Watch

_TIDY_S = 1.0


class Hardware:
    """Telemetry of machines: predicted, judged, stored, rolled up.

    kafka: the client's address and security. decode: a record's value -> its reading. predictor:
    owned by this pipeline from here on.
    """

    def __init__(
        self,
        *,
        kafka: dict[str, Any],
        membership: Membership,
        decode: Decode,
        store: Store,
        retention: Retention,
        predictor: Predictor,
        health: Health,
        metrics: ConsumerMetrics,
        clock: Clock,
    ) -> None:
        self._roster, self._predictor, self._metrics = Roster(), predictor, metrics
        rules = RuleBook(store.rules, self._roster, clock, lambda: predictor.thresholds)
        self._limits = Limits(store.alerts, rules, predictor)
        self._shadow = Shadow(rules, metrics.shadow_outcomes)
        self._source = KafkaSource(
            kafka,
            membership,
            decoder=Decoder(self._roster, clock, decode),
            forget=self._forget,
            health=health,
            metrics=metrics,
        )
        self._ends = Ends(kafka, membership, self._source)
        self._offline = Offline(
            store.alerts, rules, self._roster, self._ends, clock, batch_ms=membership.batch_ms
        )
        self._letters = DeadLetters(producer(kafka, **{"message.timeout.ms": 10_000}))
        self._announce = producer(kafka, **{"message.timeout.ms": 60_000})
        self._sink = StoreSink(store, clock, self._announce, metrics.store_write_seconds)
        self._order = Order(clock)
        self._watch = Watch("consumer", store, clock)
        self._stages: Mapping[str, Stage] = {
            "watch": watching(self._watch, health),
            "poison": PoisonWatch(Notices(store, clock), clock),
            "order": self._order,
            "predict": predict(predictor, rules),
            "shadow": self._shadow,
            "limits": self._limits,
            "offline": self._offline,
            **extension_stages(health),
            "rollup": RollUp(self._roster, clock, retention.raw_days * DAY_MS),
        }
        self._beside = (
            Housekeeping(store, clock, retention).run,
            Checkup(store, self._roster, predictor, Notices(store, clock), clock).run,
            DriftWatch(predictor, Notices(store, clock), clock).run,
            Absent(store, rules, self._offline, self._ends, clock).run,
        )

    def run(self, stop: threading.Event, reached: Callable[[str], None] | None = None) -> None:
        """Work until `stop` is set, then leave the group."""
        more = {"reached": reached} if reached else {}
        work = Pipeline(
            self._source,
            self._stages,
            self._letters,
            self._sink,
            metrics=self._metrics,
            prepare=self._load,
            **more,
        )
        over = threading.Event()
        beside = [threading.Thread(target=each, args=(over,), daemon=True) for each in self._beside]
        for thread in beside:
            thread.start()
        try:
            work.run(stop)
        finally:
            over.set()
            self._source.close()
            self._announce.flush(2)
            self._watch.leave()
            for thread in beside:  # what they write is a transaction: undone, and done later
                thread.join(_TIDY_S)
            self._ends.close()

    def _load(self, batch: Batch) -> None:
        """Read what is stored of devices that are new here. Raises StoreBusy or StoreError."""
        self._offline.load(self._limits.load(batch))

    def _forget(self, partitions: Sequence[Partition]) -> None:
        """Another member may have moved these partitions' devices on."""
        known = self._roster.of(partitions)
        slots = np.array(known, dtype=np.int64)
        self._offline.forget(slots)
        if known:
            self._predictor.forget(slots)
            self._limits.forget(known)
            self._order.forget(slots)
            self._shadow.forget(slots)


def watching(watch: Watch, health: Health) -> Stage:
    """A stage that changes nothing: as long as batches move, empty ones too, we are alive."""

    def stage(batch: Batch) -> Batch:
        watch.look()
        health.report("store", watch.complaint or None)
        return batch

    return stage
