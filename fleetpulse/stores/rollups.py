"""Rollups worked out from what they are made of, for stores that do not compute."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from fleetpulse.stores.protocols import Bucket, Resolution, Rollup, Spread, StoredReading
from fleetpulse.telemetry import CHANNEL_NAMES

DAY_MS = 86_400_000


def rollup_of_readings(bucket: Bucket, readings: Iterable[StoredReading]) -> Rollup | None:
    """The minute that these readings make, whatever their order; None without readings.

    readings: all that are stored of the bucket's device and minute, each once.
    """
    in_order = sorted(readings, key=lambda reading: (reading.measured_at, reading.seq))
    if not in_order:
        return None
    values = {
        name: [value for reading in in_order if (value := getattr(reading, name)) is not None]
        for name in CHANNEL_NAMES
    }
    return Rollup(
        device_id=bucket[0],
        measured_at=bucket[1],
        resolution=Resolution.MINUTE,
        count=len(in_order),
        channels={name: _spread_of_values(found) for name, found in values.items() if found},
        probability=_worst([reading.probability for reading in in_order]),
    )


def rollup_of_rollups(bucket: Bucket, minutes: Iterable[Rollup]) -> Rollup | None:
    """The hour that these minutes make, whatever their order; None without minutes.

    minutes: all that are stored of the bucket's device and hour, each once.
    """
    in_order = sorted(minutes, key=lambda minute: minute.measured_at)
    if not in_order:
        return None
    spreads = {
        name: [minute.channels[name] for minute in in_order if name in minute.channels]
        for name in CHANNEL_NAMES
    }
    return Rollup(
        device_id=bucket[0],
        measured_at=bucket[1],
        resolution=Resolution.HOUR,
        count=sum(minute.count for minute in in_order),
        channels={name: _spread_of_spreads(found) for name, found in spreads.items() if found},
        probability=_worst([minute.probability for minute in in_order]),
    )


def day_of(moment: int) -> int:
    """Where the day (UTC) of this moment begins: what is given up goes by whole days."""
    return moment - moment % DAY_MS


def _spread_of_values(values: Sequence[float]) -> Spread:
    return Spread(
        count=len(values),
        min=min(values),
        max=max(values),
        mean=math.fsum(values) / len(values),
        last=values[-1],
    )


def _spread_of_spreads(spreads: Sequence[Spread]) -> Spread:
    count = sum(spread.count for spread in spreads)
    return Spread(
        count=count,
        min=min(spread.min for spread in spreads),
        max=max(spread.max for spread in spreads),
        mean=math.fsum(spread.mean * spread.count for spread in spreads) / count,
        last=spreads[-1].last,
    )


def _worst(probabilities: Iterable[float | None]) -> float | None:
    return max((one for one in probabilities if one is not None), default=None)
