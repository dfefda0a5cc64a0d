"""What owners think of alerts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "verdicts",
        sa.Column("alert_id", TEXT, primary_key=True),
        sa.Column("opinion", TEXT, nullable=False),
        sa.Column("said_at", sa.BigInteger, nullable=False),
        sa.Column("said_by", TEXT, nullable=False),
    )
