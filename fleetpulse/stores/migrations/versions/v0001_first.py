"""The tables of version 1, the last one before there were migrations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
CHANNELS = (
    "temperature_c",
    "power_w",
    "load_pct",
    "voltage_v",
    "fan_cfm",
    "clock_ghz",
    "requested_clock_ghz",
    "load_1m",
    "throttled",
    "undervoltage",
    "memory_pct",
    "disk_pct",
)
BEFORE = 1_577_836_800_000  # 2020: clocks that were never set
AFTER = 4_102_444_800_000  # 2100


def upgrade() -> None:
    """Make them."""
    _make_readings()
    _make_events()
    _make_alerts()
    _make_delivery()
    _make_settings()


def _make_readings() -> None:
    version = op.create_table("schema_version", sa.Column("version", sa.Integer, nullable=False))
    op.bulk_insert(version, [{"version": 1}])
    op.create_table(
        "readings",
        sa.Column("device_id", TEXT, primary_key=True),
        sa.Column("measured_at", sa.BigInteger, primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True),
        *(sa.Column(name, sa.Double) for name in CHANNELS),
        sa.Column("rejected", sa.Integer, nullable=False),
        sa.Column("probability", sa.Double),
        sa.Column("expected_s", sa.Double),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("causes", sa.Text),
        sa.Column("model_version", TEXT),
        sqlite_with_rowid=False,
        postgresql_partition_by="RANGE (measured_at)",
    )
    if op.get_bind().dialect.name == "postgresql":  # the days between are made when needed
        op.execute(
            "CREATE TABLE readings_before PARTITION OF readings"
            f" FOR VALUES FROM (MINVALUE) TO ({BEFORE})"
        )
        op.execute(
            "CREATE TABLE readings_after PARTITION OF readings"
            f" FOR VALUES FROM ({AFTER}) TO (MAXVALUE)"
        )
    op.create_table(
        "devices",
        sa.Column("device_id", TEXT, primary_key=True),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("first_seen_at", sa.BigInteger, nullable=False),
        sa.Column("clock_ahead_ms", sa.BigInteger),
        sa.Column("clock_ahead_at", sa.BigInteger),
        sqlite_with_rowid=False,
    )


def _make_events() -> None:
    op.create_table(
        "alert_states",
        sa.Column("device_id", TEXT, primary_key=True),
        sa.Column("rule", TEXT, primary_key=True),
        sa.Column("level", TEXT, nullable=False),
        sa.Column("episode", sa.BigInteger, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("judged_log", TEXT),
        sa.Column("judged_offset", sa.BigInteger),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "alert_events",
        sa.Column("event_id", TEXT, primary_key=True),
        sa.Column("alert_id", TEXT, nullable=False),
        sa.Column("device_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("rule", TEXT, nullable=False),
        sa.Column("episode", sa.BigInteger, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("previous_state", TEXT, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("probability", sa.Double),
        sa.Column("expected_s", sa.Double),
        sa.Column("value", sa.Double),
        sa.Column("limit", sa.Double),
        sa.Column("causes", sa.Text),
        sa.Column("model_version", TEXT),
        sa.Column("severity", TEXT, nullable=False),
        sa.Column("stored_at", sa.BigInteger, nullable=False),
        sa.Index("alert_events_by_alert", "alert_id"),
        sa.Index("alert_events_by_time", "at", "event_id"),
        sa.Index("alert_events_by_device", "device_id", "at", "event_id"),
        sa.Index("alert_events_outbox", "stored_at", "event_id"),
    )


def _make_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("alert_id", TEXT, primary_key=True),
        sa.Column("device_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("rule", TEXT, nullable=False),
        sa.Column("episode", sa.BigInteger, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("severity", TEXT, nullable=False),
        sa.Column("opened_at", sa.BigInteger, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.Column("closed_at", sa.BigInteger),
        sa.Column("stressed_at", sa.BigInteger),
        sa.Column("probability", sa.Double),
        sa.Column("expected_s", sa.Double),
        sa.Column("value", sa.Double),
        sa.Column("limit", sa.Double),
        sa.Column("causes", sa.Text),
        sa.Column("model_version", TEXT),
        sa.Index("alerts_by_time", "opened_at", "alert_id"),
        sa.Index("alerts_by_device", "device_id", "opened_at", "alert_id"),
    )
    op.create_index(
        "alerts_open",
        "alerts",
        ["opened_at", "alert_id"],
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )


def _make_delivery() -> None:
    op.create_table(
        "deliveries",
        sa.Column("event_id", TEXT, primary_key=True),
        sa.Column("target", TEXT, primary_key=True),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("progress", TEXT, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("sent_at", sa.BigInteger),
        sa.Column("message_id", TEXT),
        sa.Column("error", TEXT),
        sa.Index("deliveries_due", "progress", "due_at", "event_id", "target"),
    )
    op.create_table(
        "delivery_positions",
        sa.Column("reader", TEXT, primary_key=True),
        sa.Column("upto", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "chats",
        sa.Column("chat_id", TEXT, primary_key=True),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("subscribed_at", sa.BigInteger, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
    )


def _make_settings() -> None:
    op.create_table(
        "rule_changes",
        sa.Column("device_id", TEXT, primary_key=True),
        sa.Column("rule", TEXT, primary_key=True),
        sa.Column("limit", sa.Double),
        sa.Column("hold_s", sa.Double),
        sa.Column("threshold", sa.Double),
        sa.Column("severity", TEXT),
        sa.Column("enabled", sa.Boolean),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.Index("rule_changes_by_time", "changed_at", "device_id", "rule"),
    )
    op.create_table(
        "heartbeats",
        sa.Column("process", TEXT, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("detail", TEXT, nullable=False),
    )
