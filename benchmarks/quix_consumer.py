"""The same work under Quix Streams: decode, features, models, SQLite; no alerts, no dead letters.

usage: python -m benchmarks.quix_consumer BROKERS TOPIC GROUP STORE   (see quix_environment.py)

Quix gets what is best for it: our decoder and columns in place of its own row by row, all
partitions in one write, the same batch size and fetch settings as our consumer.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before the numeric libraries, as our consumer does
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from quixstreams import Application
from quixstreams.sinks import BaseSink

from consumer.decoding import Decoder, Record
from consumer.roster import Roster
from consumer.sink import rows_of
from consumer.stages.predict import predict
from consumer.stages.rules import RuleBook
from fleetpulse.alerts import Status
from fleetpulse.clock import SystemClock
from fleetpulse.stores import open_store
from fleetpulse.stores.protocols import Scored, Store
from model.predictor import load_predictor

BATCH_ROWS = 10_000


class ScoringSink(BaseSink):  # type: ignore[misc]  # without types
    """Takes records one by one, as Quix hands them on; scores and stores them at a checkpoint."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        roster, clock, predictor = Roster(), SystemClock(), load_predictor()
        self._store, self._clock = store, clock
        self._decoder = Decoder(roster, clock)
        rules = RuleBook(store.rules, roster, clock, lambda: predictor.thresholds)
        self._score = predict(predictor, rules)
        self._threshold = min(predictor.thresholds.values())
        self._waiting: list[Record] = []

    def add(
        self,
        value: Any,
        key: Any,
        timestamp: int,
        headers: Any,
        topic: str,
        partition: int,
        offset: int,
    ) -> None:
        self._waiting.append(((topic, partition), offset, key, value, False))

    def flush(self) -> None:
        records, self._waiting = self._waiting, []
        batch = self._score(self._decoder.decode(records, "quix"))
        soon = batch.probability >= self._threshold
        status = [Status.SOON if it_is else Status.OK for it_is in soon.tolist()]
        rows = rows_of(replace(batch, status=status), np.arange(len(batch)))
        self._store.save(
            Scored(rows=rows, new_devices=batch.new_devices, stored_at=self._clock.now_ms())
        )


def main(brokers: str, topic: str, group: str, store: str) -> None:
    application = Application(
        broker_address=brokers,
        consumer_group=group,
        auto_offset_reset="earliest",
        commit_every=BATCH_ROWS,
        consumer_extra_config={
            "fetch.queue.backoff.ms": 10,
            "queued.max.messages.kbytes": 32_768,
        },
        auto_create_topics=False,
        loglevel="WARNING",
    )
    readings = application.topic(topic, value_deserializer="bytes", key_deserializer="bytes")
    application.dataframe(readings).sink(ScoringSink(open_store(store)))
    application.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
