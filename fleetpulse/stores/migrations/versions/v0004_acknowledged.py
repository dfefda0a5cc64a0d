"""Who has acknowledged an alert; and what people decide, as documents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the columns, and make the table."""
    op.add_column("alert_events", sa.Column("said_by", TEXT))
    op.add_column("alerts", sa.Column("acknowledged_at", sa.BigInteger))
    op.add_column("alerts", sa.Column("acknowledged_by", TEXT))
    op.create_table(
        "documents",
        sa.Column("collection", TEXT, primary_key=True),
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("document", TEXT, nullable=False),
    )
