"""The SQL store: everything in one database, by SQLAlchemy Core."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from fleetpulse.errors import SettingsError
from fleetpulse.stores.protocols import Bucket, Resolution, Scored
from fleetpulse.stores.rollups import day_of
from fleetpulse.stores.sql_alerts import SqlAlerts
from fleetpulse.stores.sql_database import Database
from fleetpulse.stores.sql_delivery import (
    SqlChats,
    SqlDeliveries,
    SqlDocuments,
    SqlHeartbeats,
    SqlKeys,
    SqlRules,
)
from fleetpulse.stores.sql_readings import SqlDevices, SqlReadings
from fleetpulse.stores.sql_rollups import TABLES, SqlRollups
from fleetpulse.stores.sql_tables import readings


class SqlStore:
    """The store at `sqlite:///FILE` or `postgresql+psycopg://…`, its tables made or migrated.

    as_it_is: tables of another version are refused, not migrated. Raises SettingsError for an
    address that is none, StoreError for a database that cannot be used.
    """

    look_every_s = 0.3

    def __init__(self, url: str, *, as_it_is: bool = False) -> None:
        self.database = _database(url, as_it_is=as_it_is)
        self._rollups = SqlRollups(self.database)
        self.readings = SqlReadings(self.database, self._rollups)
        self.devices = SqlDevices(self.database)
        self.alerts = SqlAlerts(self.database)
        self.deliveries = SqlDeliveries(self.database)
        self.chats = SqlChats(self.database)
        self.rules = SqlRules(self.database)
        self.keys = SqlKeys(self.database)
        self.heartbeats = SqlHeartbeats(self.database)
        self.documents = SqlDocuments(self.database)

    def save(self, scored: Scored) -> None:
        self.database.make_room(readings, scored.rows.measured_at)
        with self.database.writes() as connection:
            if scored.events:  # first, so that nobody waits for a row of one who waits for a turn
                self.database.take_turns(connection, "outbox")
            self.readings.save(connection, scored.rows)
            self.devices.save(connection, scored.new_devices)
            self.alerts.save_states(connection, scored.states)
            self.alerts.save_events(connection, scored.events, scored.stored_at)

    def roll(self, resolution: Resolution, buckets: Collection[Bucket]) -> None:
        self._rollups.roll(resolution, buckets)

    def prune(self, resolution: Resolution, before: int) -> None:
        self.database.give_up(TABLES[resolution], day_of(before))

    def check(self) -> None:
        self.database.check()

    def close(self) -> None:
        self.database.close()


def _database(url: str, *, as_it_is: bool) -> Database:
    try:
        address = make_url(url)
    except ArgumentError as error:
        raise SettingsError(
            "FLEETPULSE_STORE is no address; use sqlite:///FILE"
            " or postgresql+psycopg://USER:PASSWORD@HOST/NAME."
        ) from error
    if address.get_backend_name() == "postgresql":
        from fleetpulse.stores.sql_postgres import PostgresDatabase  # late, as in open_store

        return PostgresDatabase(address, as_it_is=as_it_is)
    from fleetpulse.stores.sql_sqlite import SqliteDatabase  # late, as in open_store

    return SqliteDatabase(address, as_it_is=as_it_is)
