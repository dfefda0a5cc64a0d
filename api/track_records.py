"""How often warnings were right, as the API shows it."""

from __future__ import annotations

import threading
from typing import Any

import msgspec
from flask_restx import Model, fields

from api.fields import count, number
from fleetpulse.clock import Clock
from fleetpulse.stores.protocols import Store
from fleetpulse.track_record import SPANS_DAYS, ModelName, Past, past

KEPT_MS = 30_000  # a fleet's month is some ten thousand alerts to read

TRACK_RECORD = Model(
    "TrackRecord",
    {
        "days": fields.Integer(
            description="How many days back", example=7, enum=list(SPANS_DAYS), required=True
        ),
        "true": count("Warnings that stress followed within the horizon", 12),
        "false": count("Warnings that it did not follow", 3),
        "missed": count("Stresses without a warning before", 1),
        "waiting": count("Warnings whose horizon is not over", 0),
        "precision": number("Of the warnings, the true ones: 0 to 1; null: none", 0.8),
        "recall": number("Of the stresses, those warned of: 0 to 1; null: none", 0.92),
        "median_lead_s": number("Seconds from a true warning to the stress, median", 61.0),
        "confirmed": count("Warnings that an owner called right", 2),
        "disputed": count("Warnings that an owner called false alarms", 1),
    },
)


def track_record_field() -> fields.Raw:
    """The field that holds a record for each span."""
    return fields.List(
        fields.Nested(TRACK_RECORD),
        required=True,
        description="How often its warnings were right; owners' verdicts count more than outcomes",
    )


class TrackRecords:
    """The past of the fleet, read from the store now and then, and that of one device."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._lock = threading.Lock()
        self._fleet: Past | None = None

    def past(self, device_id: str | None = None) -> Past:
        """The alerts of one device now, or of the fleet half a minute ago. Raises StoreError."""
        now_ms = self._clock.now_ms()
        if device_id is not None:
            return past(self._store, now_ms, device_id)
        with self._lock:
            if self._fleet is None or not 0 <= now_ms - self._fleet.now_ms < KEPT_MS:
                self._fleet = past(self._store, now_ms)
            return self._fleet


def track_record_view(of: Past, model: ModelName | None = None) -> list[dict[str, Any]]:
    """The record of each span, the shortest first."""
    return [
        {"days": days, **msgspec.structs.asdict(record)}
        for days, record in of.records(model).items()
    ]
