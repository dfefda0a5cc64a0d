"""What consumer tests are made of: a log in memory, a predictor that says what it is told to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
from confluent_kafka import Producer
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry

from consumer.batch import Batch, Partition, Refused
from consumer.decoding import Decoder, Record
from consumer.pipeline import Pipeline
from consumer.refill import RefillMarks
from consumer.roster import Roster
from consumer.sink import StoreSink
from consumer.stages.late import Order
from consumer.stages.limits import Limits
from consumer.stages.predict import Predictor, predict
from consumer.stages.rules import RuleBook
from fleetpulse import wire
from fleetpulse.clock import ManualClock
from fleetpulse.metrics import ConsumerMetrics
from fleetpulse.stores.protocols import Store
from fleetpulse.telemetry import COLUMN, Reading

NOON = 1_795_342_120_000
PARTITION: Partition = ("telemetry.test", 0)


def a_reading(
    at_s: float = 0.0, *, device: str = "pi-1", seq: int | None = None, **channels: float | None
) -> Reading:
    """A Raspberry Pi's reading, `at_s` seconds after noon."""
    number = round(at_s * 1000) if seq is None else seq
    return Reading(
        device_id=device,
        kind="raspberry",
        measured_at=NOON + round(at_s * 1000),
        seq=max(0, number),
        **channels,
    )


def a_record(value: bytes, offset: int = 0, *, replayed: bool = False) -> Record:
    """A record as the source hands it to the decoder."""
    return (PARTITION, offset, b"key", value, replayed)


def decode(*readings: Reading, roster: Roster | None = None) -> Batch:
    """The batch of these readings, in this order."""
    records = [a_record(wire.encode(reading), row) for row, reading in enumerate(readings)]
    return Decoder(Roster() if roster is None else roster, ManualClock(NOON)).decode(
        records, "test"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeScores:
    probability: Mapping[str, NDArray[np.float64]]
    expected_s: Mapping[str, NDArray[np.float64]]
    load_mean_60s: NDArray[np.float64]

    @property
    def estimate(self) -> Mapping[str, NDArray[np.float64]]:
        return self.probability


@dataclass
class FakePredictor:
    """Says that heat is as probable as the load is high; remembers the temperature before.

    Its memory reaches 320 s back, as the real one's does, so that rows depend on rows before them.
    """

    version: str = "fake-1"
    thresholds: Mapping[str, float] = field(default_factory=lambda: {"heat": 0.5, "overload": 0.5})
    before: dict[int, tuple[int, float]] = field(default_factory=dict)

    @property
    def versions(self) -> Mapping[str, str]:
        return {"heat": f"heat-of-{self.version}", "overload": f"overload-of-{self.version}"}

    def score(
        self,
        slots: NDArray[np.int64],
        kinds: Sequence[str],
        measured_at: NDArray[np.int64],
        values: NDArray[np.float64],
        limits: Mapping[str, NDArray[np.float64]],
        set_back: NDArray[np.bool_] | None = None,
    ) -> FakeScores:
        load = values[:, COLUMN["load_pct"]]
        rows = zip(slots.tolist(), measured_at.tolist(), values.tolist(), strict=True)
        expected_s = [self._before(slot, at, row[0]) for slot, at, row in rows]
        return FakeScores(
            probability={"heat": load / 100, "overload": load * 0},
            expected_s={"heat": np.array(expected_s), "overload": load * np.nan},
            load_mean_60s=load * np.nan,
        )

    def _before(self, slot: int, at: int, temperature_c: float) -> float:
        before_at, before = self.before.get(slot, (at, np.nan))
        self.before[slot] = (at, temperature_c)
        return before if at - before_at <= 320_000 else np.nan

    def causes(self, scores: Any, rule: str, rows: Sequence[int]) -> list[list[str]]:
        return [[f"load {scores.probability['heat'][row]:.0%}"] for row in rows]

    def drifts(self) -> Mapping[str, Any]:
        return {}

    def learn(self, slot: int, period: int, means: Sequence[float], periods: float) -> None:
        pass

    def forget(self, slots: NDArray[np.int64]) -> None:
        for slot in slots.tolist():
            self.before.pop(slot, None)


def new_metrics() -> ConsumerMetrics:
    """Metrics that nobody asks for."""
    return ConsumerMetrics(CollectorRegistry())


class Killed(Exception):
    """The process ends here."""


class NoLetters:
    """Letters that arrive."""

    def __init__(self) -> None:
        self.arrived: list[Refused] = []

    def deliver(self, refused: Sequence[Refused]) -> None:
        self.arrived.extend(refused)


class SilentProducer:
    """Nobody listens to the alerts topic."""

    def produce(self, *_: Any, **__: Any) -> None: ...

    def poll(self, _: float) -> int:
        return 0


class Log:
    """A topic of one partition and the offsets that its group committed."""

    def __init__(self, values: Sequence[bytes]) -> None:
        self.values = list(values)
        self.committed: tuple[int, int] | None = None  # offset, and where a restart reads from


class LogSource:
    """Reads a Log as the real source reads Kafka, in batches of a given size."""

    def __init__(self, log: Log, decoder: Decoder, batch_rows: int, stop: threading.Event) -> None:
        self._log, self._decoder, self._rows, self._stop = log, decoder, batch_rows, stop
        self._judge_from, self._next = log.committed or (0, 0)
        self._marks = RefillMarks()

    def next_batch(self) -> Batch:
        end = min(self._next + self._rows, len(self._log.values))
        records = [
            a_record(self._log.values[offset], offset, replayed=offset < self._judge_from)
            for offset in range(self._next, end)
        ]
        self._next = end
        if not records:
            self._stop.set()
        batch = self._decoder.decode(records, "test")
        if len(batch):
            self._marks.note(int(batch.offsets.min()), int(batch.measured_at.max()))
        return replace(batch, refill_offsets={PARTITION: self._marks.start(end)})

    def hold_while(self, write: Callable[[], None], stop: threading.Event) -> bool:
        write()
        return True

    def before_revoke(self, settle: Callable[[], None]) -> None: ...

    def commit(self, batch: Batch) -> None:
        for partition, offset in batch.next_offsets.items():
            if offset > self._judge_from:
                self._log.committed = (offset, batch.refill_offsets[partition])


def consume(
    log: Log,
    store: Store,
    *,
    batch_rows: int = 3,
    announce: Any = None,
    reached: Callable[[str], None] = lambda _: None,
    predictor: Predictor | None = None,
) -> None:
    """One life of a consumer: it begins where the group stands and reads to the end of the log."""
    stop, roster, clock = threading.Event(), Roster(), ManualClock(NOON + 3_600_000)
    predictor = predictor or FakePredictor()
    rules = RuleBook(store.rules, roster, clock, lambda: predictor.thresholds)
    limits = Limits(store.alerts, rules, predictor)
    metrics = new_metrics()
    announce = announce or cast(Producer, SilentProducer())

    def load(batch: Batch) -> None:
        limits.load(batch)

    Pipeline(
        LogSource(log, Decoder(roster, clock), batch_rows, stop),
        {"order": Order(clock), "predict": predict(predictor, rules), "limits": limits},
        NoLetters(),
        StoreSink(store, clock, announce, metrics.store_write_seconds),
        metrics=metrics,
        prepare=load,
        reached=reached,
    ).run(stop)
