"""How fast the SQL stores take readings, roll them up and give the newest of each device.

python -m benchmarks.store_speed [--batches 40] [--devices 1000] [--store URL]

Without a URL: a new SQLite file, then a new PostgreSQL server of Debian's package. Each closed
minute is rolled up after the batch that closes it, as the consumer does.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from fleetpulse.alerts import Status
from fleetpulse.stores.protocols import BUCKET_MS, Bucket, Resolution, Rows, Scored
from fleetpulse.stores.sql import SqlStore
from fleetpulse.telemetry import CHANNELS
from tests.services.postgres import Postgres

BATCH = 10_000
MINUTE_MS = BUCKET_MS[Resolution.MINUTE]
START = 1_795_342_120_000 // MINUTE_MS * MINUTE_MS
CADENCE_MS = 5_000


def main(argv: Sequence[str] | None = None) -> int:
    """Print the speed of each store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=40)
    parser.add_argument("--devices", type=int, default=1_000)
    parser.add_argument("--store", help="an empty store's address")
    options = parser.parse_args(argv)
    if options.store:
        measure(options.store, batches=options.batches, devices=options.devices)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        print("SQLite")
        path = Path(folder) / "speed.db"
        measure(f"sqlite:///{path}", batches=options.batches, devices=options.devices)
    with tempfile.TemporaryDirectory() as folder, Postgres(Path(folder)) as server:
        print("PostgreSQL")
        measure(server.url("postgres"), batches=options.batches, devices=options.devices)
    return 0


def measure(url: str, *, batches: int, devices: int) -> None:
    """Save batches of 10,000 readings to a new store and ask it, printing the times."""
    store = SqlStore(url)
    names = [f"device-{number:05}" for number in range(devices)]
    saved, rolled, closed = [], [], 0
    for batch in range(batches):
        scored = Scored(rows=a_batch(batch, names))
        saved.append(seconds_of(partial(store.save, scored)))
        if buckets := closed_by(batch, names):
            closed += len(buckets)
            rolled.append(seconds_of(partial(store.roll, Resolution.MINUTE, buckets)))
    rows = batches * BATCH
    print(f"save: {rows / sum(saved):,.0f} rows/s over {rows:,} rows of {devices:,} devices")
    print(f"batch of {BATCH:,}: {said(saved)}")
    print(f"roll: {closed / sum(rolled):,.0f} minutes/s; of {len(names):,} devices: {said(rolled)}")
    print(f"both: {rows / (sum(saved) + sum(rolled)):,.0f} rows/s")
    hours = [(name, START - START % BUCKET_MS[Resolution.HOUR]) for name in names]
    print(f"hours: {seconds_of(lambda: store.roll(Resolution.HOUR, hours)) * 1000:.0f} ms")
    asked = [seconds_of(lambda: store.readings.latest_of(names[:1000])) for _ in range(10)]
    print(f"latest_of {min(devices, 1000):,} devices: {said(asked)}")
    asked = [
        seconds_of(lambda: store.readings.page(names[7], newest_first=True)) for _ in range(10)
    ]
    print(f"a page of 100 readings: {said(asked)}")
    asked = [seconds_of(store.check) for _ in range(500)]  # as each transaction that writes does
    print(f"asking for the version: median {statistics.median(asked) * 1_000_000:.0f} µs")
    store.close()


def seconds_of(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def said(seconds: Sequence[float]) -> str:
    """Times in short."""
    return (
        f"median {statistics.median(seconds) * 1000:.1f} ms, slowest {max(seconds) * 1000:.0f} ms"
    )


def closed_by(batch: int, names: Sequence[str]) -> list[Bucket]:
    """The minutes of all devices that are over with this batch."""
    ticks = [place // len(names) for place in (batch * BATCH, (batch + 1) * BATCH)]
    first, last = (tick * CADENCE_MS // MINUTE_MS for tick in ticks)
    starts = [START + minute * MINUTE_MS for minute in range(first, last)]
    return [(name, start) for start in starts for name in names]


def a_batch(batch: int, names: Sequence[str]) -> Rows:
    """The batch-th 10,000 readings in the order of arrival, two channels of them missing."""
    chance = random.Random(batch)
    places = range(batch * BATCH, (batch + 1) * BATCH)
    ticks = [place // len(names) for place in places]
    return Rows(
        device_ids=[names[place % len(names)] for place in places],
        measured_at=[START + tick * CADENCE_MS for tick in ticks],
        seq=ticks,
        channels=[
            [float("nan") if column in (3, 4) else chance.random() * 100 for _ in places]
            for column in range(len(CHANNELS))
        ],
        rejected=[0] * BATCH,
        probability=[chance.random() for _ in places],
        expected_s=[float("nan")] * BATCH,
        status=[Status.OK] * BATCH,
        causes={},
        model_version="heat-2026-11-22",
    )


if __name__ == "__main__":
    raise SystemExit(main())
