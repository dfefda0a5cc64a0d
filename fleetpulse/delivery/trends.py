"""When a disk will be full, at the pace of its last day."""

from __future__ import annotations

from statistics import StatisticsError, linear_regression

from fleetpulse.alerts import AlertEvent, State
from fleetpulse.delivery.words import duration
from fleetpulse.stores.protocols import Resolution, Store

RULE = "disk"
_CHANNEL = "disk_pct"
_HOUR_MS = 3_600_000
_SPAN_HOURS = 24
_LEAST_HOURS = 3  # of rollups: a download of minutes is no pace
_LONGEST_HOURS = 30 * 24  # further ahead nobody knows
_FULL_PCT = 100.0


def hours_until_full(store: Store, device_id: str, now_ms: int) -> float | None:
    """Hours, by a straight line through the hourly values of the last day.

    None: it does not fill up, not within 30 days, or too little is known. Raises StoreError.
    """
    hours = store.readings.rollups(
        device_id,
        Resolution.HOUR,
        since=now_ms - _SPAN_HOURS * _HOUR_MS,
        until=now_ms + 1,
        limit=_SPAN_HOURS + 1,
    )
    points = [
        ((hour.measured_at - now_ms) / _HOUR_MS, hour.channels[_CHANNEL].last)
        for hour in hours
        if _CHANNEL in hour.channels
    ]
    if len(points) < _LEAST_HOURS:
        return None
    try:
        pct_per_hour, _ = linear_regression(*zip(*points, strict=True))
    except StatisticsError:  # all of one moment
        return None
    if pct_per_hour <= 0:
        return None
    left = (_FULL_PCT - points[-1][1]) / pct_per_hour
    return left if left <= _LONGEST_HOURS else None


def full_line(store: Store, device_id: str, now_ms: int) -> list[str]:
    """The same in a sentence, if there is something to say. Raises StoreError."""
    hours = hours_until_full(store, device_id, now_ms)
    if hours is None:
        return []
    if hours < 1:
        return ["At the pace of the last day the disk is full within the hour."]
    return [f"At the pace of the last day the disk is full in {duration(3600 * round(hours))}."]


def about_event(store: Store, event: AlertEvent) -> list[str]:
    """What to add to the message of an event: when the disk that is nearly full will be full."""
    if event.rule != RULE or event.state is not State.STRESSED:
        return []
    return full_line(store, event.device_id, event.at)
