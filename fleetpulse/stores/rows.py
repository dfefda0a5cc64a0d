"""Rows as readings, for stores that keep one by one."""

from __future__ import annotations

import math

from fleetpulse.stores.protocols import Rows, StoredReading
from fleetpulse.telemetry import CHANNEL_NAMES


def readings_of(rows: Rows) -> list[StoredReading]:
    """Every row as it is read back. Raises ValueError for columns of different lengths."""
    columns = zip(
        rows.device_ids,
        rows.measured_at,
        rows.seq,
        rows.rejected,
        rows.probability,
        rows.expected_s,
        rows.status,
        zip(*rows.channels, strict=True),
        strict=True,
    )
    return [
        StoredReading(
            device_id=device_id,
            measured_at=measured_at,
            seq=seq,
            rejected=rejected,
            probability=_known(probability),
            expected_s=_known(expected_s),
            status=status,
            causes=list(rows.causes.get(row, ())),
            model_version=rows.model_version,
            **dict(zip(CHANNEL_NAMES, map(_known, channels), strict=True)),
        )
        for row, (
            device_id,
            measured_at,
            seq,
            rejected,
            probability,
            expected_s,
            status,
            channels,
        ) in enumerate(columns)
    ]


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
