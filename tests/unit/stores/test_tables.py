"""Every field of what is kept has its column, and every channel its field."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import Table

from fleetpulse.alerts import AlertEvent, RuleChange
from fleetpulse.stores import sql_tables
from fleetpulse.stores.protocols import (
    Alert,
    ApiKey,
    Chat,
    Delivery,
    Device,
    Heartbeat,
    StoredReading,
)
from fleetpulse.telemetry import CHANNEL_NAMES, Reading


def fields_of(kind: type[msgspec.Struct]) -> list[str]:
    return [field.name for field in msgspec.structs.fields(kind)]


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        (StoredReading, sql_tables.readings),
        (Device, sql_tables.devices),
        (Alert, sql_tables.alerts),
        (Delivery, sql_tables.deliveries),
        (Chat, sql_tables.chats),
        (RuleChange, sql_tables.rule_changes),
        (ApiKey, sql_tables.api_keys),
        (Heartbeat, sql_tables.heartbeats),
    ],
)
def test_a_table_has_the_fields_of_its_struct_in_order(
    kind: type[msgspec.Struct], table: Table
) -> None:
    assert [str(column.name) for column in table.columns] == fields_of(kind)


def test_an_event_has_its_alert_and_its_moment_besides() -> None:
    columns = {str(column.name) for column in sql_tables.alert_events.columns}

    assert columns == {*fields_of(AlertEvent), "alert_id", "stored_at"}


@pytest.mark.parametrize("kind", [StoredReading, Reading])
def test_every_channel_is_a_field_of_a_reading(kind: type[msgspec.Struct]) -> None:
    channels = [name for name in fields_of(kind) if name in CHANNEL_NAMES]

    assert tuple(channels) == CHANNEL_NAMES
