"""What alembic runs for each command, in the transaction of the connection it is given."""

from __future__ import annotations

from alembic import context

from fleetpulse.stores.sql_tables import fleetpulse_version, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=fleetpulse_version.name,
    transactional_ddl=True,
)
context.run_migrations()
