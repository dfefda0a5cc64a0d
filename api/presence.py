"""What can be said of a device now: its newest reading, if that is not too old to say anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from api.snoozed import Snoozed
from fleetpulse.alerts import STATUS_ORDER, Status
from fleetpulse.presence import is_ahead, status_now
from fleetpulse.stores.protocols import Alert, Device, Store, StoredReading

DAY_MS = 24 * 3600 * 1000


def device_view(
    device: Device,
    latest: StoredReading | None,
    open_alerts: Sequence[Alert],
    *,
    snooze: Mapping[str, Any] | None,
    now_ms: int,
    stale_after_ms: int,
) -> dict[str, Any]:
    """A device as the API shows it. What a stale reading predicted is no longer shown."""
    status = status_now(latest, now_ms, stale_after_ms)
    fresh = latest if status is not Status.UNKNOWN else None
    age_ms = None if latest is None else now_ms - latest.measured_at
    clock = clock_trouble(device, latest, now_ms=now_ms, stale_after_ms=stale_after_ms)
    return {
        "device_id": device.device_id,
        "kind": device.kind,
        "status": status,
        "probability": fresh.probability if fresh else None,
        "expected_s": fresh.expected_s if fresh else None,
        "causes": fresh.causes if fresh else [],
        "first_seen_at": device.first_seen_at,
        "last_seen_at": latest.measured_at if latest else None,
        "age_s": None if age_ms is None else age_ms / 1000,
        "open_alerts": [open_alert_view(alert) for alert in open_alerts],
        "snooze": snooze,
        "clock_ahead_ms": clock.ahead_ms if clock else None,
        "clock_note": clock.note if clock else None,
        "latest": None if latest is None else msgspec.to_builtins(latest),
    }


def open_alert_view(alert: Alert) -> dict[str, Any]:
    """What a device says of one of its open alerts."""
    return {
        "alert_id": alert.alert_id,
        "rule": alert.rule,
        "state": alert.state,
        "severity": alert.severity,
        "opened_at": alert.opened_at,
    }


@dataclass(frozen=True, slots=True)
class ClockTrouble:
    """A device's clock that is ahead, or was set back, and what comes of it."""

    ahead_ms: int  # negative: how far back it was set
    consequence: str

    @property
    def note(self) -> str:
        """What its owner should do about it."""
        off = span(abs(self.ahead_ms) / 1000)
        state = f"was set back by {off}" if self.ahead_ms < 0 else f"is {off} ahead"
        return (
            f"This device's clock {state}, so {self.consequence}: set its clock (or turn on NTP)."
        )


def clock_trouble(
    device: Device, latest: StoredReading | None, *, now_ms: int, stale_after_ms: int
) -> ClockTrouble | None:
    """What is wrong with the device's clock; None if nothing is, or it has been put right since."""
    if latest is not None and is_ahead(latest.measured_at, now_ms, stale_after_ms):
        return ClockTrouble(latest.measured_at - now_ms, "nothing is known of it now")
    if device.clock_ahead_ms is None or device.clock_ahead_at is None:
        return None
    if latest is not None and latest.measured_at > device.clock_ahead_at:
        return None
    if device.clock_ahead_ms < 0:
        return ClockTrouble(device.clock_ahead_ms, "its readings are filed under the past")
    return ClockTrouble(device.clock_ahead_ms, "its readings are refused")


def span(seconds: float) -> str:
    """A length of time in the two largest units that fit: "6 min 52 s"."""
    left, parts = round(seconds), []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        amount, left = divmod(left, size)
        if amount:
            parts.append(f"{amount} {unit}")
    return " ".join(parts[:2]) or "0 s"


def worst_first(devices: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Device views by status, then probability, then name.

    Probabilities count in steps of a tenth, so that devices do not change places at every reading.
    """
    return sorted(
        devices,
        key=lambda view: (
            -STATUS_ORDER.index(view["status"]),
            -round(10 * (view["probability"] or 0.0)),
            view["device_id"],
        ),
    )


def by_device(alerts: Iterable[Alert]) -> dict[str, list[Alert]]:
    """The alerts of each device, in their order."""
    found: dict[str, list[Alert]] = {}
    for alert in alerts:
        found.setdefault(alert.device_id, []).append(alert)
    return found


def views_of(
    store: Store,
    devices: Sequence[Device],
    alerts: Mapping[str, Sequence[Alert]],
    *,
    now_ms: int,
    stale_after_ms: int,
) -> list[dict[str, Any]]:
    """Several devices as the API shows them, in their order; alerts: the open ones of each."""
    latest = store.readings.latest_of([device.device_id for device in devices])
    snoozed = Snoozed(store, now_ms)
    return [
        device_view(
            device,
            latest.get(device.device_id),
            alerts.get(device.device_id, ()),
            snooze=snoozed.of(device),
            now_ms=now_ms,
            stale_after_ms=stale_after_ms,
        )
        for device in devices
    ]
