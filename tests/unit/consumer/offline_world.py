"""A consumer whose devices may fall silent: its stages, a log that answers as told, and a clock."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec
import numpy as np

from consumer.batch import Batch, Partition
from consumer.decoding import Decoder, Record
from consumer.roster import Roster
from consumer.sink import rows_of
from consumer.stages.late import Order
from consumer.stages.limits import Limits
from consumer.stages.offline import Offline
from consumer.stages.predict import predict
from consumer.stages.rules import RuleBook
from fleetpulse import wire
from fleetpulse.alerts import AlertEvent, RuleChange, State
from fleetpulse.clock import ManualClock
from fleetpulse.errors import BrokerAway
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Scored
from fleetpulse.telemetry import Reading
from tests.unit.consumer.builders import NOON, PARTITION, FakePredictor, a_reading

BATCH_MS = 200


class FakeLog:
    """A broker that answers at once, and a reader who has read all, unless told otherwise."""

    def __init__(self) -> None:
        self.assigned: Collection[Partition] = {PARTITION}
        self.outages = 0
        self.is_away = False
        self.is_behind = False
        self.asked = 0

    def ask(self) -> None:
        self.asked += 1
        if self.is_away:
            raise BrokerAway("Kafka does not answer.")

    def reached(self) -> bool:
        if self.is_away:
            raise BrokerAway("Kafka does not answer.")
        return not self.is_behind

    def group_must_read(self) -> Mapping[Partition, int]:
        self.ask()
        return {PARTITION: 1}

    def group_has_read(self, ends: Mapping[Partition, int]) -> bool:
        return self.reached()


class World:
    """One process; what it stores is in `store`, and outlives it."""

    def __init__(
        self,
        store: MemoryStore | None = None,
        clock: ManualClock | None = None,
        log: FakeLog | None = None,
    ) -> None:
        self.store = MemoryStore() if store is None else store
        self.clock = ManualClock(NOON) if clock is None else clock
        self.log, self.roster, self.records = log or FakeLog(), Roster(), 0
        predictor = FakePredictor()
        self.rules = RuleBook(
            self.store.rules, self.roster, self.clock, lambda: predictor.thresholds
        )
        self.limits = Limits(self.store.alerts, self.rules, predictor)
        self.offline = Offline(
            self.store.alerts, self.rules, self.roster, self.log, self.clock, batch_ms=BATCH_MS
        )
        self._stages = (
            Order(self.clock),
            predict(predictor, self.rules),
            self.limits,
            self.offline,
        )

    @property
    def now_s(self) -> float:
        """Since noon."""
        return (self.clock.now_ms() - NOON) / 1000

    def hear(
        self, *readings: Reading, replayed: bool = False, saves: bool = True, offset: int = -1
    ) -> list[AlertEvent]:
        """One batch of these; its events of silence. offset: of the first record, if told."""
        first = self.records if offset < 0 else offset
        records: list[Record] = [
            (PARTITION, first + row, b"key", wire.encode(reading), replayed)
            for row, reading in enumerate(readings)
        ]
        self.records = max(self.records, first + len(records))
        batch = Decoder(self.roster, self.clock).decode(records, "test")
        self.offline.load(self.limits.load(batch))
        for stage in self._stages:
            batch = stage(batch)
        if saves:
            self.save(batch)
        return [event for event in batch.events if event.rule == "offline"]

    def save(self, batch: Batch) -> None:
        """As the sink does."""
        self.store.save(
            Scored(
                rows=rows_of(batch, np.flatnonzero(~batch.replayed)),
                new_devices=batch.new_devices,
                states=batch.states,
                events=batch.events,
                stored_at=self.clock.now_ms(),
            )
        )

    def speak(self, seconds: float, *devices: str, every_s: float = 5.0) -> list[AlertEvent]:
        """These devices speak for so long; what came of it."""
        found: list[AlertEvent] = []
        for _ in range(round(seconds / every_s)):
            found += self.hear(*(a_reading(self.now_s, device=device) for device in devices))
            found += self.wait(every_s)
        return found

    def wait(self, seconds: float, *, step_s: float = 0.25) -> list[AlertEvent]:
        """Nothing is said for so long; what came of it."""
        found: list[AlertEvent] = []
        for _ in range(round(seconds / step_s)):
            self.clock.advance(step_s)
            found += self.hear()
        return found

    def change(self, device: str = "pi-1", **what: float | bool) -> None:
        """An owner changes the rule of a device's silence."""
        change = RuleChange(device_id=device, rule="offline", changed_at=self.clock.now_ms())
        self.store.rules.put(msgspec.structs.replace(change, **what))


def states(events: list[AlertEvent]) -> list[tuple[str, State]]:
    """Who, and what began."""
    return [(event.device_id, event.state) for event in events]
