"""Devices, readings and events that state only what matters to a test."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from werkzeug.test import TestResponse

from api.publish import Record
from fleetpulse.alerts import AlertEvent, Severity, State, Status, event_id
from fleetpulse.clock import ManualClock
from fleetpulse.errors import BrokerError
from fleetpulse.stores.protocols import Device, Rows, Scored, Store
from fleetpulse.telemetry import CHANNEL_NAMES
from model.registry import ModelCard, Source

NOON = ManualClock().now_ms()

CARD = ModelCard(
    name="heat",
    version="2026-11-22-5f2c",
    made_at="2026-11-22T10:00:00Z",
    file="heat.skops",
    sha256="ab" * 32,
    size_bytes=1000,
    horizon_s=120.0,
    threshold=0.6,
    features=["temperature_c"],
    libraries={"scikit-learn": "1.9.0"},
    sources=[Source(name="s", citation="c", licence="l", machines=1, rows=2)],
    metrics={"average_precision": 0.9},
    parameters={"max_iter": 100},
    question="Will it be hot?",
    limits="Not for toasters.",
)


def document(answer: TestResponse) -> Any:
    """The JSON in an answer."""
    return answer.json


class FakeRegistry:
    """A registry of these cards."""

    def __init__(self, cards: Sequence[ModelCard]) -> None:
        self._cards = cards

    def cards(self) -> Sequence[ModelCard]:
        return self._cards

    def shadowing(self) -> dict[str, ModelCard]:
        return {}

    def current(self) -> Mapping[str, ModelCard]:
        return {card.name: card for card in self._cards}

    def read(self, card: ModelCard) -> bytes:
        return b""


class FakePublisher:
    """Keeps what is published; fails while it is told to be down."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.is_down = False

    def publish(self, records: Sequence[Record]) -> None:
        if self.is_down:
            raise BrokerError("Kafka is away.")
        self.records += records

    def close(self) -> None:
        """There is nothing to give back."""


def save_reading(
    store: Store,
    device_id: str = "pi-1",
    *,
    kind: str = "raspberry",
    at: int = NOON,
    seq: int = 1,
    status: Status = Status.OK,
    probability: float = 0.1,
    expected_s: float = math.nan,
    causes: Sequence[str] = (),
    rejected: int = 0,
    **channels: float,
) -> None:
    """Store one reading of a device, and the device if it is new."""
    rows = Rows(
        device_ids=[device_id],
        measured_at=[at],
        seq=[seq],
        channels=[[channels.get(name, math.nan)] for name in CHANNEL_NAMES],
        rejected=[rejected],
        probability=[probability],
        expected_s=[expected_s],
        status=[status],
        causes={0: list(causes)} if causes else {},
        model_version="2026-11-22-5f2c",
    )
    device = Device(device_id=device_id, kind=kind, first_seen_at=at)
    store.save(Scored(rows=rows, new_devices=[device]))


def save_event(
    store: Store,
    device_id: str = "pi-1",
    *,
    rule: str = "heat",
    episode: int = 1,
    state: State = State.SOON,
    at: int = NOON,
    severity: Severity = Severity.WARNING,
    model_version: str | None = None,
    value: float | None = None,
) -> None:
    """Store one alert event."""
    event = AlertEvent(
        event_id=event_id(device_id, rule, episode, state),
        device_id=device_id,
        kind="raspberry",
        rule=rule,
        episode=episode,
        state=state,
        previous_state=State.OK,
        at=at,
        severity=severity,
        causes=["it is getting hot"],
        model_version=model_version,
        value=value,
    )
    store.save(Scored(rows=NO_ROWS, events=[event], stored_at=at))


NO_ROWS = Rows(
    device_ids=[],
    measured_at=[],
    seq=[],
    channels=[[] for _ in CHANNEL_NAMES],
    rejected=[],
    probability=[],
    expected_s=[],
    status=[],
    causes={},
    model_version=None,
)
