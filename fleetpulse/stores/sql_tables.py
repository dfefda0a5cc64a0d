"""The tables of the SQL store: one column for each field of what is kept."""

from __future__ import annotations

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
)

from fleetpulse.telemetry import CHANNELS

SCHEMA_VERSION = 1


class Causes(TypeDecorator[list[str]]):
    """A list of words as JSON text; an empty one is NULL, as most are."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: list[str] | None, dialect: Dialect) -> str | None:
        return causes_text(value) if value else None

    def process_result_value(self, value: str | None, dialect: Dialect) -> list[str]:
        return [] if value is None else msgspec.json.decode(value, type=list[str])


def causes_text(causes: object) -> str:
    """Causes as they are stored."""
    return msgspec.json.encode(causes).decode()


metadata = MetaData()

schema_version = Table("schema_version", metadata, Column("version", Integer, nullable=False))

# Clustered by device and time: pages, charts and the newest reading of a device are then one short
# walk. Appending in order of arrival writes faster, and makes every question a search.
readings = Table(
    "readings",
    metadata,
    Column("device_id", Text, primary_key=True),
    Column("measured_at", BigInteger, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    *(Column(channel.name, Double) for channel in CHANNELS),
    Column("rejected", Integer, nullable=False),
    Column("probability", Double),
    Column("expected_s", Double),
    Column("status", Text, nullable=False),
    Column("causes", Causes),
    Column("model_version", Text),
    sqlite_with_rowid=False,
)

devices = Table(
    "devices",
    metadata,
    Column("device_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("first_seen_at", BigInteger, nullable=False),
    Column("clock_ahead_ms", BigInteger),
    Column("clock_ahead_at", BigInteger),
    sqlite_with_rowid=False,
)

alert_states = Table(
    "alert_states",
    metadata,
    Column("device_id", Text, primary_key=True),
    Column("rule", Text, primary_key=True),
    Column("level", Text, nullable=False),
    Column("episode", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("judged_log", Text),
    Column("judged_offset", BigInteger),
    sqlite_with_rowid=False,
)

alert_events = Table(
    "alert_events",
    metadata,
    Column("event_id", Text, primary_key=True),
    Column("alert_id", Text, nullable=False),
    Column("device_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("episode", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("previous_state", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("probability", Double),
    Column("expected_s", Double),
    Column("value", Double),
    Column("limit", Double),
    Column("causes", Causes),
    Column("model_version", Text),
    Column("severity", Text, nullable=False),
    Column("stored_at", BigInteger, nullable=False),
    Index("alert_events_by_alert", "alert_id"),
    Index("alert_events_by_time", "at", "event_id"),
    Index("alert_events_by_device", "device_id", "at", "event_id"),
    Index("alert_events_outbox", "stored_at", "event_id"),
)

alerts = Table(
    "alerts",
    metadata,
    Column("alert_id", Text, primary_key=True),
    Column("device_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("episode", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("closed_at", BigInteger),
    Column("stressed_at", BigInteger),
    Column("probability", Double),
    Column("expected_s", Double),
    Column("value", Double),
    Column("limit", Double),
    Column("causes", Causes),
    Column("model_version", Text),
    Index("alerts_by_time", "opened_at", "alert_id"),
    Index("alerts_by_device", "device_id", "opened_at", "alert_id"),
)
# Few alerts are open at a time, however many there have been.
Index(
    "alerts_open",
    alerts.c.opened_at,
    alerts.c.alert_id,
    sqlite_where=alerts.c.closed_at.is_(None),
    postgresql_where=alerts.c.closed_at.is_(None),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("event_id", Text, primary_key=True),
    Column("target", Text, primary_key=True),
    Column("due_at", BigInteger, nullable=False),
    Column("progress", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("sent_at", BigInteger),
    Column("message_id", Text),
    Column("error", Text),
    Index("deliveries_due", "progress", "due_at", "event_id", "target"),
)

delivery_positions = Table(
    "delivery_positions",
    metadata,
    Column("reader", Text, primary_key=True),
    Column("upto", BigInteger, nullable=False),
)

chats = Table(
    "chats",
    metadata,
    Column("chat_id", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("subscribed_at", BigInteger, nullable=False),
    Column("active", Boolean, nullable=False),
)

rule_changes = Table(
    "rule_changes",
    metadata,
    Column("device_id", Text, primary_key=True),
    Column("rule", Text, primary_key=True),
    Column("limit", Double),
    Column("hold_s", Double),
    Column("threshold", Double),
    Column("severity", Text),
    Column("enabled", Boolean),
    Column("changed_at", BigInteger, nullable=False),
    Index("rule_changes_by_time", "changed_at", "device_id", "rule"),
)

heartbeats = Table(
    "heartbeats",
    metadata,
    Column("process", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),
)
