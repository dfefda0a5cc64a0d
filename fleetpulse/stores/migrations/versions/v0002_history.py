"""Rollups, the keys of the API, and impossible values found without a search."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

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
    _make_rollups("minutes", partition_by="RANGE (measured_at)")
    _make_rollups("hours", partition_by=None)
    if op.get_bind().dialect.name == "postgresql":  # the days between are made when needed
        op.execute(
            "CREATE TABLE minutes_before PARTITION OF minutes"
            f" FOR VALUES FROM (MINVALUE) TO ({BEFORE})"
        )
        op.execute(
            "CREATE TABLE minutes_after PARTITION OF minutes"
            f" FOR VALUES FROM ({AFTER}) TO (MAXVALUE)"
        )
    op.create_table(
        "api_keys",
        sa.Column("key_id", TEXT, primary_key=True),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("scopes", sa.Text),
        sa.Column("device_id", TEXT),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("revoked_at", sa.BigInteger),
    )
    op.create_index(
        "readings_rejected",
        "readings",
        ["device_id", "measured_at", "rejected"],
        sqlite_where=sa.text("rejected > 0"),
        postgresql_where=sa.text("rejected > 0"),
    )
    # A fleetpulse from before there were migrations looks here, and refuses what it cannot read.
    op.execute("UPDATE schema_version SET version = 2")


def _make_rollups(name: str, partition_by: str | None) -> None:
    op.create_table(
        name,
        sa.Column("device_id", TEXT, primary_key=True),
        sa.Column("measured_at", sa.BigInteger, primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("probability", sa.Double),
        *(column for channel in CHANNELS for column in _spread(channel)),
        sqlite_with_rowid=False,
        postgresql_partition_by=partition_by,
    )


def _spread(channel: str) -> list[sa.Column[float]]:
    parts = ("min", "max", "mean", "last")
    values = [sa.Column(f"{channel}_{part}", sa.Double) for part in parts]
    return [sa.Column(f"{channel}_count", sa.Integer), *values]
