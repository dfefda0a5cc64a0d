"""The loop: from the source through the stages to the sink.

While one batch is being written, the next one is read and staged: writing waits for the disk,
staging for the processor. There is never more than one batch on its way into the store.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Protocol

from consumer.batch import Batch, Refused
from fleetpulse.errors import BrokerError, StoreError
from fleetpulse.metrics import ConsumerMetrics

Stage = Callable[[Batch], Batch]


class Source(Protocol):
    """Where batches come from."""

    def next_batch(self) -> Batch:
        """The next readings; of no rows when nothing came, since time passes all the same."""

    def hold_while(self, write: Callable[[], None], stop: threading.Event) -> bool:
        """Do `write` until it succeeds; False: stopped first."""

    def commit(self, batch: Batch) -> None:
        """Say that the batch is safe."""

    def before_revoke(self, settle: Callable[[], None]) -> None:
        """Have `settle` called before partitions are given away."""


class Sink(Protocol):
    """Where batches go."""

    def write(self, batch: Batch) -> None:
        """Save it; the same batch may come twice."""


class Letters(Protocol):
    """Where records go that will never be readings."""

    def deliver(self, refused: Sequence[Refused]) -> None:
        """Return once they are safe."""


def _nothing(_: str) -> None:
    """The default of `reached`."""


class Pipeline:
    """Moves batches from source to sink.

    Write, then commit: a crash in between repeats a batch and never loses one, so every sink must
    accept the same batch twice. stages: by name, in their order. prepare: fetches what the stages
    need for a batch; it may raise StoreBusy or StoreError, stages may not. reached: told the name
    of each step once it is done; tests end the process there.
    """

    def __init__(
        self,
        source: Source,
        stages: Mapping[str, Stage],
        letters: Letters,
        sink: Sink,
        *,
        metrics: ConsumerMetrics,
        prepare: Callable[[Batch], None] = lambda batch: None,
        reached: Callable[[str], None] = _nothing,
    ) -> None:
        self._source, self._prepare, self._stages = source, prepare, stages
        self._letters, self._sink, self._reached = letters, sink, reached
        self._metrics = metrics
        self._flight: _Flight | None = None
        source.before_revoke(self._settle)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; what is being written then is finished and committed."""
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="writer") as writer:
            while not stop.is_set():
                batch = self._source.next_batch()
                self._reached("read")
                if not self._source.hold_while(partial(self._prepare, batch), stop):
                    break
                batch = self._staged(batch)
                self._reached("staged")
                if not self._land(stop):
                    return
                self._flight = _Flight(batch, self._letters, self._sink, self._reached)
                self._flight.start(writer)
            self._settle()

    def _staged(self, batch: Batch) -> Batch:
        for name, stage in self._stages.items():
            with self._metrics.stage_seconds.labels(stage=name).time():
                batch = stage(batch)
        return batch

    def _land(self, stop: threading.Event) -> bool:
        """Wait until the batch in flight is safe, again and again if need be; False: stopped."""
        flight = self._flight
        if flight is None:
            return True
        if not self._source.hold_while(flight.finish, stop):
            return False
        if self._flight is flight:  # not settled meanwhile, by a rebalance during the hold
            self._commit(flight)
        return True

    def _settle(self) -> None:
        """Commit the batch in flight if it gets safe at the first try; else others repeat it."""
        if self._flight is not None:
            try:
                self._flight.finish()
            except (StoreError, BrokerError):
                return
            self._commit(self._flight)

    def _commit(self, flight: _Flight) -> None:
        self._flight = None
        self._source.commit(flight.batch)
        self._count(flight.batch)
        self._reached("committed")

    def _count(self, batch: Batch) -> None:
        if len(batch):
            self._metrics.batch_readings.observe(len(batch))
            self._metrics.rows_written.inc(int((~batch.replayed).sum()))
            self._metrics.model.info({"version": batch.model_version or "none"})
        for one in batch.refused:
            self._metrics.dead_letters.labels(one.error.cause).inc()
        for event in batch.events:
            self._metrics.alert_events.labels(event.state).inc()
        self._metrics.last_batch_at.set_to_current_time()


class _Flight:
    """A batch on its way to safety: its dead letters first, then its rows, states and events."""

    def __init__(
        self, batch: Batch, letters: Letters, sink: Sink, reached: Callable[[str], None]
    ) -> None:
        self.batch = batch
        self._letters, self._sink, self._reached = letters, sink, reached
        self._lettered = False
        self._first: Future[None] | None = None

    def start(self, writer: ThreadPoolExecutor) -> None:
        """Begin in another thread."""
        self._first = writer.submit(self._write)

    def finish(self) -> None:
        """Return once everything is safe; a call after a failure tries again.

        Raises StoreBusy, StoreError or BrokerError.
        """
        first, self._first = self._first, None
        if first is not None:
            first.result()
        else:
            self._write()

    def _write(self) -> None:
        if not self._lettered:  # a store that is busy afterwards does not repeat them
            self._letters.deliver(self.batch.refused)
            self._lettered = True
            self._reached("lettered")
        self._sink.write(self.batch)
        self._reached("written")
