"""How fast the SQLite store takes readings, and gives the newest of each device.

python -m benchmarks.store_speed [--batches 40] [--devices 1000]
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from fleetpulse.alerts import Status
from fleetpulse.stores.protocols import Rows, Scored
from fleetpulse.stores.sql import SqlStore
from fleetpulse.telemetry import CHANNELS

BATCH = 5_000
START = 1_795_342_120_000
CADENCE_MS = 5_000


def main(argv: Sequence[str] | None = None) -> int:
    """Print rows/s of save() and the time of latest_of()."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=40)
    parser.add_argument("--devices", type=int, default=1_000)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder) / "speed.db", batches=options.batches, devices=options.devices)
    return 0


def measure(path: Path, *, batches: int, devices: int) -> None:
    """Save batches of 5,000 readings to a new store and ask it, printing the times."""
    store = SqlStore(f"sqlite:///{path}")
    names = [f"device-{number:05}" for number in range(devices)]
    seconds = []
    for batch in range(batches):
        scored = Scored(rows=a_batch(batch, names))
        began = time.perf_counter()
        store.save(scored)
        seconds.append(time.perf_counter() - began)
    rows = batches * BATCH
    print(f"save: {rows / sum(seconds):,.0f} rows/s over {rows:,} rows of {devices:,} devices")
    print(
        f"batch of {BATCH:,}: median {statistics.median(seconds) * 1000:.0f} ms,"
        f" slowest {max(seconds) * 1000:.0f} ms"
    )
    print(f"file: {path.stat().st_size / rows:.0f} bytes a row")
    asked = []
    for _ in range(10):
        began = time.perf_counter()
        found = store.readings.latest_of(names[:1000])
        asked.append(time.perf_counter() - began)
    print(f"latest_of {len(found):,} devices: median {statistics.median(asked) * 1000:.1f} ms")
    store.close()


def a_batch(batch: int, names: Sequence[str]) -> Rows:
    """The batch-th 5,000 readings in the order of arrival, two channels of them missing."""
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
