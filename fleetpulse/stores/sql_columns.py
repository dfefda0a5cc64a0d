"""Scored rows as the driver of a database takes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fleetpulse.alerts import Status
from fleetpulse.stores.protocols import Rows
from fleetpulse.stores.sql_tables import words_text
from fleetpulse.telemetry import CHANNELS

_STATUS_TEXT: dict[Status, str] = {status: status.value for status in Status}


def columns_of(rows: Rows) -> list[Sequence[object]]:
    """Each column of the table of readings, in its order; what is missing is still NaN.

    Raises ValueError for columns that are missing.
    """
    causes: list[str | None] = [None] * len(rows)
    for row, words in rows.causes.items():
        causes[row] = words_text(words) if words else None
    if len(rows.channels) != len(CHANNELS):
        raise ValueError(f"{len(rows.channels)} channels instead of {len(CHANNELS)}")
    return [
        rows.device_ids,
        rows.measured_at,
        rows.seq,
        *rows.channels,
        rows.rejected,
        rows.probability,
        rows.expected_s,
        [_STATUS_TEXT[status] for status in rows.status],
        causes,
        [rows.model_version] * len(rows),
    ]


def tuples_of(rows: Rows) -> Iterator[tuple[object, ...]]:
    """Each row. Raises ValueError for columns of different lengths."""
    return zip(*columns_of(rows), strict=True)
