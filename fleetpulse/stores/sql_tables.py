"""The tables of the SQL store as they are now: one column for each field of what is kept.

How a database gets there from an older one is in `migrations/`; a test holds that both agree.
"""

from __future__ import annotations

import math
from typing import Any

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
    String,
    Table,
    Text,
    TypeDecorator,
)

from fleetpulse.stores.protocols import Spread
from fleetpulse.telemetry import CHANNELS

REVISION = "0004"  # the newest of migrations/versions
PARTITIONED = "RANGE (measured_at)"  # on PostgreSQL, a table for each day

# By code point everywhere, so that all databases agree on the order.
_Text = Text().with_variant(Text(collation="C"), "postgresql")


class Words(TypeDecorator[list[str]]):
    """A list of words as JSON text; an empty one is NULL, as most are."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: list[str] | None, dialect: Dialect) -> str | None:
        return words_text(value) if value else None

    def process_result_value(self, value: str | None, dialect: Dialect) -> list[str]:
        return [] if value is None else msgspec.json.decode(value, type=list[str])


class Number(TypeDecorator[float]):
    """A number; NaN is NULL, as SQLite has it anyway and PostgreSQL has not."""

    impl = Double
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | None:
        return None if value is None or math.isnan(value) else value


SPREAD = tuple(field.name for field in msgspec.structs.fields(Spread))


def words_text(words: object) -> str:
    """Words as they are stored."""
    return msgspec.json.encode(words).decode()


metadata = MetaData()

fleetpulse_version = Table(
    "fleetpulse_version", metadata, Column("version_num", String(32), primary_key=True)
)

# What fleetpulse looked at before there were migrations: it refuses what is newer by this.
schema_version = Table("schema_version", metadata, Column("version", Integer, nullable=False))

# Clustered by device and time: pages, charts and the newest reading of a device are then one short
# walk. Appending in order of arrival writes faster, and makes every question a search.
readings = Table(
    "readings",
    metadata,
    Column("device_id", _Text, primary_key=True),
    Column("measured_at", BigInteger, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    *(Column(channel.name, Double) for channel in CHANNELS),
    Column("rejected", Integer, nullable=False),
    Column("probability", Double),
    Column("expected_s", Double),
    Column("status", _Text, nullable=False),
    Column("causes", Words),
    Column("model_version", _Text),
    sqlite_with_rowid=False,
    postgresql_partition_by=PARTITIONED,
)
# Few readings have impossible values, and those are asked for over a whole day.
Index(
    "readings_rejected",
    readings.c.device_id,
    readings.c.measured_at,
    readings.c.rejected,
    sqlite_where=readings.c.rejected > 0,
    postgresql_where=readings.c.rejected > 0,
)


def _rollups(name: str, **options: Any) -> Table:
    """A table of rollups: five columns for each channel, null where no reading has it."""
    return Table(
        name,
        metadata,
        Column("device_id", _Text, primary_key=True),
        Column("measured_at", BigInteger, primary_key=True),
        Column("count", Integer, nullable=False),
        Column("probability", Double),
        *(
            Column(f"{channel.name}_{part}", Integer if part == "count" else Double)
            for channel in CHANNELS
            for part in SPREAD
        ),
        sqlite_with_rowid=False,
        **options,
    )


minutes = _rollups("minutes", postgresql_partition_by=PARTITIONED)
hours = _rollups("hours")

devices = Table(
    "devices",
    metadata,
    Column("device_id", _Text, primary_key=True),
    Column("kind", _Text, nullable=False),
    Column("first_seen_at", BigInteger, nullable=False),
    Column("clock_ahead_ms", BigInteger),
    Column("clock_ahead_at", BigInteger),
    sqlite_with_rowid=False,
)

alert_states = Table(
    "alert_states",
    metadata,
    Column("device_id", _Text, primary_key=True),
    Column("rule", _Text, primary_key=True),
    Column("level", _Text, nullable=False),
    Column("episode", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("judged_log", _Text),
    Column("judged_offset", BigInteger),
    sqlite_with_rowid=False,
)

alert_events = Table(
    "alert_events",
    metadata,
    Column("event_id", _Text, primary_key=True),
    Column("alert_id", _Text, nullable=False),
    Column("device_id", _Text, nullable=False),
    Column("kind", _Text, nullable=False),
    Column("rule", _Text, nullable=False),
    Column("episode", BigInteger, nullable=False),
    Column("state", _Text, nullable=False),
    Column("previous_state", _Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("probability", Number),
    Column("expected_s", Number),
    Column("value", Number),
    Column("limit", Number),
    Column("causes", Words),
    Column("model_version", _Text),
    Column("severity", _Text, nullable=False),
    Column("stored_at", BigInteger, nullable=False),
    Column("said_by", _Text),
    Index("alert_events_by_alert", "alert_id"),
    Index("alert_events_by_time", "at", "event_id"),
    Index("alert_events_by_device", "device_id", "at", "event_id"),
    Index("alert_events_outbox", "stored_at", "event_id"),
)

alerts = Table(
    "alerts",
    metadata,
    Column("alert_id", _Text, primary_key=True),
    Column("device_id", _Text, nullable=False),
    Column("kind", _Text, nullable=False),
    Column("rule", _Text, nullable=False),
    Column("episode", BigInteger, nullable=False),
    Column("state", _Text, nullable=False),
    Column("severity", _Text, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("closed_at", BigInteger),
    Column("stressed_at", BigInteger),
    Column("probability", Number),
    Column("expected_s", Number),
    Column("value", Number),
    Column("limit", Number),
    Column("causes", Words),
    Column("model_version", _Text),
    Column("acknowledged_at", BigInteger),
    Column("acknowledged_by", _Text),
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

verdicts = Table(
    "verdicts",
    metadata,
    Column("alert_id", _Text, primary_key=True),
    Column("opinion", _Text, nullable=False),
    Column("said_at", BigInteger, nullable=False),
    Column("said_by", _Text, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("event_id", _Text, primary_key=True),
    Column("target", _Text, primary_key=True),
    Column("due_at", BigInteger, nullable=False),
    Column("progress", _Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("sent_at", BigInteger),
    Column("message_id", _Text),
    Column("error", _Text),
    Index("deliveries_due", "progress", "due_at", "event_id", "target"),
)

delivery_positions = Table(
    "delivery_positions",
    metadata,
    Column("reader", _Text, primary_key=True),
    Column("upto", BigInteger, nullable=False),
)

chats = Table(
    "chats",
    metadata,
    Column("chat_id", _Text, primary_key=True),
    Column("title", _Text, nullable=False),
    Column("subscribed_at", BigInteger, nullable=False),
    Column("active", Boolean, nullable=False),
)

rule_changes = Table(
    "rule_changes",
    metadata,
    Column("device_id", _Text, primary_key=True),
    Column("rule", _Text, primary_key=True),
    Column("limit", Double),
    Column("hold_s", Double),
    Column("threshold", Double),
    Column("severity", _Text),
    Column("enabled", Boolean),
    Column("changed_at", BigInteger, nullable=False),
    Index("rule_changes_by_time", "changed_at", "device_id", "rule"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", _Text, primary_key=True),
    Column("digest", _Text, nullable=False),
    Column("name", _Text, nullable=False),
    Column("scopes", Words),
    Column("device_id", _Text),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
)

heartbeats = Table(
    "heartbeats",
    metadata,
    Column("process", _Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("detail", _Text, nullable=False),
)

documents = Table(
    "documents",
    metadata,
    Column("collection", _Text, primary_key=True),
    Column("name", _Text, primary_key=True),
    Column("document", _Text, nullable=False),
)
