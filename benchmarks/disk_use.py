"""How much room a device takes on the disk, in SQLite and in PostgreSQL.

python -m benchmarks.disk_use [--devices 20] [--hours 24]

Readings each 5 s with 10 channels and a prediction, and their minutes and hours. The file of
SQLite, or the tables of PostgreSQL with their indexes, are weighed before and after each kind.
"""

from __future__ import annotations

import argparse
import itertools
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from sqlalchemy import Engine, create_engine, text

from benchmarks.store_speed import BATCH, CADENCE_MS, a_batch, closed_by
from fleetpulse.settings import Retention
from fleetpulse.stores.protocols import BUCKET_MS, Resolution, Scored
from fleetpulse.stores.sql import SqlStore
from tests.services.postgres import Postgres

HOUR_MS = BUCKET_MS[Resolution.HOUR]
DAYS = Retention()


def main(argv: Sequence[str] | None = None) -> int:
    """Print what a reading, a minute and an hour take, and a device for as long as is kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--devices", type=int, default=20)
    parser.add_argument("--hours", type=int, default=24)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "use.db"
        print("SQLite")
        measure(
            f"sqlite:///{path}",
            lambda: weight_of(path),
            devices=options.devices,
            hours=options.hours,
        )
    with tempfile.TemporaryDirectory() as folder, Postgres(Path(folder)) as server:
        print("PostgreSQL")
        url = server.url("postgres")
        engine = create_engine(url)
        measure(url, lambda: weight_in(engine), devices=options.devices, hours=options.hours)
        engine.dispose()
    return 0


def measure(url: str, weigh: Callable[[], int], *, devices: int, hours: int) -> None:
    """Save readings, then their minutes, then their hours, and weigh each."""
    store = SqlStore(url)
    names = [f"device-{number:05}" for number in range(devices)]
    batches = hours * HOUR_MS // CADENCE_MS * devices // BATCH
    weights = [weigh()]
    for batch in range(batches):
        store.save(Scored(rows=a_batch(batch, names)))
    weights.append(weigh())
    minutes = [bucket for batch in range(batches) for bucket in closed_by(batch, names)]
    for place in range(0, len(minutes), BATCH):
        store.roll(Resolution.MINUTE, minutes[place : place + BATCH])
    weights.append(weigh())
    starts = sorted({at - at % HOUR_MS for _, at in minutes})
    long = [(name, at) for at in starts for name in names]
    store.roll(Resolution.HOUR, long)
    weights.append(weigh())
    store.close()
    counts = (batches * BATCH, len(minutes), len(long))
    grown = [after - before for before, after in itertools.pairwise(weights)]
    tell(*(weight / count for weight, count in zip(grown, counts, strict=True)))


def tell(reading: float, minute: float, hour: float) -> None:
    """What that makes of a device, by the retention that is the default."""
    print(f"bytes: a reading {reading:.0f}, a minute {minute:.0f}, an hour {hour:.0f}")
    a_day = 86_400_000 / CADENCE_MS * reading
    kept = DAYS.raw_days * a_day + DAYS.minute_days * 1_440 * minute + DAYS.hour_days * 24 * hour
    print(
        f"a device: {a_day / 1e6:.2f} MB of readings a day; all that is kept: {kept / 1e6:.0f} MB"
    )


def weight_of(path: Path) -> int:
    """Bytes of a SQLite file, its log written into it first."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
    return path.stat().st_size


def weight_in(engine: Engine) -> int:
    """Bytes of the tables, with their indexes."""
    asked = text(
        "select sum(pg_total_relation_size(c.oid)) from pg_class c"
        " join pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname = 'public' and c.relkind = 'r'"
    )
    with engine.connect() as connection:
        return int(connection.execute(asked).scalar_one())


if __name__ == "__main__":
    raise SystemExit(main())
