"""Values for tests: each builder states what matters, the rest is ordinary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fleetpulse.alerts import (
    AlertEvent,
    AlertState,
    RuleChange,
    Severity,
    State,
    Status,
    event_id,
)
from fleetpulse.stores.protocols import (
    ApiKey,
    Chat,
    Delivery,
    Device,
    Heartbeat,
    Opinion,
    Rows,
    Scope,
    Scored,
    StoredReading,
    Verdict,
)
from fleetpulse.telemetry import CHANNEL_NAMES

NOON = 1_795_348_800_000  # Unix ms
SECOND = 1_000
NAN = float("nan")


def a_reading(
    device_id: str = "pi-1", at: int = NOON, seq: int = 1, **fields: Any
) -> StoredReading:
    """A reading with its prediction, as it is read back."""
    known: dict[str, Any] = {"temperature_c": 51.5, "load_pct": 20.0, "status": Status.OK}
    return StoredReading(device_id=device_id, measured_at=at, seq=seq, **{**known, **fields})


def rows(*readings: StoredReading) -> Rows:
    """These readings as a consumer saves them, in this order; of one model version."""
    versions = {reading.model_version for reading in readings}
    if len(versions) > 1:
        raise ValueError(f"rows have one model version, not {versions}")
    return Rows(
        device_ids=[reading.device_id for reading in readings],
        measured_at=[reading.measured_at for reading in readings],
        seq=[reading.seq for reading in readings],
        channels=[
            [_column_value(getattr(reading, name)) for reading in readings]
            for name in CHANNEL_NAMES
        ],
        rejected=[reading.rejected for reading in readings],
        probability=[_column_value(reading.probability) for reading in readings],
        expected_s=[_column_value(reading.expected_s) for reading in readings],
        status=[reading.status for reading in readings],
        causes={row: reading.causes for row, reading in enumerate(readings) if reading.causes},
        model_version=versions.pop() if versions else None,
    )


def _column_value(value: float | None) -> float:
    return NAN if value is None else value


def scored(*readings: StoredReading, **parts: Any) -> Scored:
    """What a consumer saves at once: these readings, and the other parts as they are named."""
    return Scored(rows=rows(*readings), **parts)


def told(*events: AlertEvent, stored_at: int = NOON) -> Scored:
    """What a consumer saves when only events came of it."""
    return scored(events=events, stored_at=stored_at)


def a_device(device_id: str = "pi-1", **fields: Any) -> Device:
    """A machine that first spoke at noon."""
    known: dict[str, Any] = {"kind": "raspberry", "first_seen_at": NOON}
    return Device(device_id=device_id, **{**known, **fields})


def an_event(
    state: State = State.SOON,
    *,
    device_id: str = "pi-1",
    rule: str = "heat",
    episode: int = 1,
    at: int = NOON,
    **fields: Any,
) -> AlertEvent:
    """A change of state, named as the consumer names it."""
    known: dict[str, Any] = {
        "event_id": event_id(device_id, rule, episode, state),
        "kind": "raspberry",
        "previous_state": State.OK,
    }
    return AlertEvent(
        device_id=device_id, rule=rule, episode=episode, state=state, at=at, **{**known, **fields}
    )


def an_episode(device_id: str = "pi-1", *, episode: int = 1, at: int = NOON) -> list[AlertEvent]:
    """Soon, stressed a minute later, recovered three minutes after that."""
    return [
        an_event(
            device_id=device_id,
            episode=episode,
            at=at,
            probability=0.87,
            expected_s=60.0,
            value=74.0,
            limit=80.0,
            causes=["temperature rises by 6 °C a minute"],
            model_version="heat-1",
        ),
        an_event(
            State.STRESSED,
            device_id=device_id,
            episode=episode,
            at=at + 60 * SECOND,
            previous_state=State.SOON,
            value=80.5,
            limit=80.0,
            severity=Severity.CRITICAL,
        ),
        an_event(
            State.RECOVERED,
            device_id=device_id,
            episode=episode,
            at=at + 240 * SECOND,
            previous_state=State.STRESSED,
            value=71.0,
            limit=80.0,
            severity=Severity.INFO,
        ),
    ]


def a_state(device_id: str = "pi-1", rule: str = "heat", **fields: Any) -> AlertState:
    """Where one rule of one device stands: all is well."""
    return AlertState(device_id=device_id, rule=rule, **fields)


def a_delivery(event: str = "pi-1:heat:1:soon", **fields: Any) -> Delivery:
    """One event for one Telegram chat, due at noon."""
    known: dict[str, Any] = {"target": "telegram:42", "due_at": NOON}
    return Delivery(event_id=event, **{**known, **fields})


def a_chat(chat_id: str = "telegram:42", **fields: Any) -> Chat:
    """Somebody who is told."""
    known: dict[str, Any] = {"title": "Ada", "subscribed_at": NOON}
    return Chat(chat_id=chat_id, **{**known, **fields})


def a_change(device_id: str = "pi-1", rule: str = "heat", **fields: Any) -> RuleChange:
    """An owner's change of one rule, made at noon."""
    known: dict[str, Any] = {"changed_at": NOON}
    return RuleChange(device_id=device_id, rule=rule, **{**known, **fields})


def a_key(key_id: str = "k1", **fields: Any) -> ApiKey:
    """A key that may read, made at noon."""
    known: dict[str, Any] = {"digest": "ab" * 32, "name": "Ada", "scopes": [Scope.READ]}
    return ApiKey(key_id=key_id, created_at=fields.pop("created_at", NOON), **{**known, **fields})


def a_verdict(alert_id: str = "pi-1:heat:1", **fields: Any) -> Verdict:
    """What an owner said of an alert at noon."""
    known: dict[str, Any] = {"opinion": Opinion.RIGHT, "said_at": NOON, "said_by": "telegram:42"}
    return Verdict(alert_id=alert_id, **{**known, **fields})


def a_heartbeat(process: str = "consumer", **fields: Any) -> Heartbeat:
    """A process that was alive at noon."""
    known: dict[str, Any] = {"at": NOON}
    return Heartbeat(process=process, **{**known, **fields})


def ids(readings: Sequence[StoredReading]) -> list[tuple[str, int, int]]:
    """What names each reading: device, time and number."""
    return [(reading.device_id, reading.measured_at, reading.seq) for reading in readings]
