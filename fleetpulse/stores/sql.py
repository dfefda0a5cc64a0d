"""The SQL store: everything in one SQLite file, by SQLAlchemy Core."""

from __future__ import annotations

from fleetpulse.stores.protocols import Scored
from fleetpulse.stores.sql_alerts import SqlAlerts
from fleetpulse.stores.sql_database import Database
from fleetpulse.stores.sql_delivery import SqlChats, SqlDeliveries, SqlHeartbeats, SqlRules
from fleetpulse.stores.sql_readings import SqlDevices, SqlReadings


class SqlStore:
    """The store at `sqlite:///FILE`, made if it is not there.

    Raises SettingsError for an address that names no file, StoreError for a file that cannot be
    used.
    """

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.readings = SqlReadings(self.database)
        self.devices = SqlDevices(self.database)
        self.alerts = SqlAlerts(self.database)
        self.deliveries = SqlDeliveries(self.database)
        self.chats = SqlChats(self.database)
        self.rules = SqlRules(self.database)
        self.heartbeats = SqlHeartbeats(self.database)

    def save(self, scored: Scored) -> None:
        with self.database.writes() as connection:
            self.readings.save(connection, scored.rows)
            self.devices.save(connection, scored.new_devices)
            self.alerts.save_states(connection, scored.states)
            self.alerts.save_events(connection, scored.events, scored.stored_at)

    def check(self) -> None:
        self.database.check()

    def close(self) -> None:
        self.database.close()
