"""Recorded readings through the stages of the live consumer: order, predict, limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from consumer.batch import Batch
from consumer.csv_readings import Chunk
from consumer.pipeline import Stage
from consumer.roster import Roster
from consumer.stages.late import Order
from consumer.stages.limits import Limits
from consumer.stages.predict import Predictor, predict
from consumer.stages.rules import REFRESH_MS, RuleBook
from fleetpulse.alerts import PREDICTED_RULES, RULE_NAMES, RuleChange
from fleetpulse.clock import ManualClock
from fleetpulse.stores.memory import MemoryStore

_PARTITION = ("file", 0)


class Scoring:
    """The stages, on a fleet that is known from a file alone.

    kind: of devices whose rows do not say. limits: by rule, in place of the defaults; with any,
    only these rules are in force. threshold: the probability that means soon, in place of the
    models'. predicted: shown each batch once it is predicted, before it is judged.
    """

    def __init__(
        self,
        predictor: Predictor,
        kind: str,
        limits: Mapping[str, float],
        *,
        threshold: float | None = None,
        predicted: Callable[[Batch], None] = lambda batch: None,
    ) -> None:
        self._kind, self._limits, self._threshold = kind, limits, threshold
        self._roster, self._store, self._clock = Roster(), MemoryStore(), ManualClock()
        self.rules = RuleBook(
            self._store.rules, self._roster, self._clock, lambda: predictor.thresholds
        )
        self._judge = Limits(self._store.alerts, self.rules, predictor)
        self._stages = (
            Order(self._clock),
            predict(predictor, self.rules),
            _shown(predicted),
            self._judge,
        )
        self._rows = 0

    def score(self, chunk: Chunk) -> Batch:
        """The rows as the live stages leave them. A device's rows must come in order of time."""
        batch = self._batch(chunk)
        self._clock.advance(REFRESH_MS / 1000)  # so that the limits of new devices are read
        self._judge.load(batch)
        for stage in self._stages:
            batch = stage(batch)
        return batch

    def _batch(self, chunk: Chunk) -> Batch:
        rows = len(chunk)
        kinds = [kind or self._kind for kind in chunk.kinds]
        numbers = np.arange(self._rows, self._rows + rows)
        self._rows += rows
        return Batch(
            slots=self._slots(chunk.device_ids, kinds),
            device_ids=chunk.device_ids,
            kinds=kinds,
            measured_at=np.array(chunk.measured_at, dtype=np.int64),
            seq=numbers,
            values=np.array(chunk.values, dtype=np.float64).reshape(rows, -1),
            rejected=np.zeros(rows, dtype=np.int64),
            partitions=(_PARTITION,),
            partition_of=np.zeros(rows, dtype=np.int64),
            offsets=numbers,
            replayed=np.zeros(rows, dtype=np.bool_),
            next_offsets={},
        )

    def _slots(
        self, device_ids: Sequence[str], kinds: Sequence[str]
    ) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        slots = np.empty(len(device_ids), dtype=np.int64)
        for row, (device_id, kind) in enumerate(zip(device_ids, kinds, strict=True)):
            known = self._roster.known(device_id)
            if known is None:
                self._set_limits(device_id)
            slots[row], _ = self._roster.slot(device_id, kind, _PARTITION)
        return slots

    def _set_limits(self, device_id: str) -> None:
        """Put the limits and the threshold in force for a device that is new."""
        if not self._limits and self._threshold is None:
            return
        for rule in RULE_NAMES:
            self._store.rules.put(
                RuleChange(
                    device_id=device_id,
                    rule=rule,
                    limit=self._limits.get(rule),
                    enabled=not self._limits or rule in self._limits,
                    threshold=self._threshold if rule in PREDICTED_RULES else None,
                    changed_at=self._clock.now_ms(),
                )
            )


def _shown(to: Callable[[Batch], None]) -> Stage:
    """A stage that changes nothing."""

    def stage(batch: Batch) -> Batch:
        to(batch)
        return batch

    return stage
