"""A finished batch into the store, and its events to whoever listens."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import msgspec
import numpy as np
from confluent_kafka import KafkaException, Producer
from prometheus_client import Histogram

from consumer.batch import Batch
from fleetpulse.alerts import AlertEvent
from fleetpulse.clock import Clock
from fleetpulse.kafka import ALERTS_TOPIC
from fleetpulse.stores.protocols import Resolution, Rows, Scored, Store

log = logging.getLogger(__name__)


class StoreSink:
    """Writes batches; the same batch may come twice."""

    def __init__(self, store: Store, clock: Clock, announce: Producer, seconds: Histogram) -> None:
        self._store, self._clock, self._announce = store, clock, announce
        self._seconds = seconds  # what a write takes

    def write(self, batch: Batch) -> None:
        """Save readings, states and events at once, roll up what is over, publish the events.

        Raises StoreBusy or StoreError; then nothing was published.
        """
        with self._seconds.time():
            self._save(batch)
        self._publish(batch.events)

    def _save(self, batch: Batch) -> None:
        fresh = np.flatnonzero(~batch.replayed)
        if len(fresh) or batch.events or batch.new_devices:
            self._store.save(
                Scored(
                    rows=rows_of(batch, fresh),
                    new_devices=batch.new_devices,
                    states=batch.states,
                    events=batch.events,
                    stored_at=self._clock.now_ms(),
                )
            )
        for resolution in (Resolution.MINUTE, Resolution.HOUR):  # hours are made of minutes
            if buckets := batch.closed.get(resolution):
                self._store.roll(resolution, buckets)
        if newest := {clock.device_id: clock for clock in batch.clocks_ahead}:
            self._store.devices.clocks_ahead(list(newest.values()))

    def _publish(self, events: Sequence[AlertEvent]) -> None:
        """Tell other programs; the store is what alerts rely on, so a failure is only logged."""
        for event in events:
            try:
                self._announce.produce(
                    ALERTS_TOPIC, key=event.device_id, value=msgspec.json.encode(event)
                )
            except (KafkaException, BufferError) as problem:
                log.warning(
                    "an event is stored but not published",
                    extra={"event_id": event.event_id, "problem": str(problem)},
                )
        self._announce.poll(0)


def rows_of(batch: Batch, rows: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Rows:
    """The given rows of a batch, as the store takes them."""
    everything = len(rows) == len(batch)
    numbers = rows.tolist()
    before = (
        batch.stored_before if len(batch.stored_before) else np.zeros(len(batch), dtype=np.bool_)
    )
    place = {row: index for index, row in enumerate(numbers)} if batch.causes else {}
    return Rows(
        device_ids=batch.device_ids if everything else [batch.device_ids[row] for row in numbers],
        measured_at=batch.measured_at[rows].tolist(),
        seq=batch.seq[rows].tolist(),
        channels=batch.values[rows].T.tolist(),
        rejected=batch.rejected[rows].tolist(),
        probability=batch.probability[rows].tolist(),
        expected_s=batch.expected_s[rows].tolist(),
        status=batch.status if everything else [batch.status[row] for row in numbers],
        causes={place[row]: causes for row, causes in batch.causes.items() if row in place},
        model_version=batch.model_version,
        stored_before={row for row, known in enumerate(before[rows].tolist()) if known},
    )
