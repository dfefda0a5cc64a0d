"""Somebody has seen an alert: an event of its own, so that every screen hears of it."""

from __future__ import annotations

from fleetpulse.alerts import AlertEvent, Severity, State, event_id
from fleetpulse.errors import UnknownAlert
from fleetpulse.stores.protocols import NO_ROWS, Alert, Scored, Store


def acknowledge(store: Store, alert_id: str, *, said_by: str, now_ms: int) -> Alert:
    """The alert as it was before; if it was open and nobody had seen it, it is seen now.

    said_by: in words, for others to read. Doing it again changes nothing. Raises UnknownAlert.
    """
    alert = store.alerts.get(alert_id)
    if alert is None:
        raise UnknownAlert(alert_id)
    if alert.closed_at is None and alert.acknowledged_at is None:
        store.save(Scored(rows=NO_ROWS, events=[_seen(alert, said_by, now_ms)], stored_at=now_ms))
    return alert


def _seen(alert: Alert, said_by: str, now_ms: int) -> AlertEvent:
    return AlertEvent(
        event_id=event_id(alert.device_id, alert.rule, alert.episode, State.ACKNOWLEDGED),
        device_id=alert.device_id,
        kind=alert.kind,
        rule=alert.rule,
        episode=alert.episode,
        state=State.ACKNOWLEDGED,
        previous_state=alert.state,
        at=now_ms,
        severity=Severity.INFO,
        said_by=said_by,
    )
