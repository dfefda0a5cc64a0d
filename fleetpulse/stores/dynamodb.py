"""The DynamoDB store: three tables, on-demand; docs/decisions/0005-dynamodb.md says why so."""

from __future__ import annotations

from collections.abc import Collection

from fleetpulse.clock import Clock, SystemClock
from fleetpulse.secrets import AwsKeys
from fleetpulse.settings import Retention
from fleetpulse.stores import dynamodb_tables
from fleetpulse.stores.dynamodb_alerts import DynamoAlerts
from fleetpulse.stores.dynamodb_client import Address, Dynamo
from fleetpulse.stores.dynamodb_packed_readings import PackedReadings
from fleetpulse.stores.dynamodb_readings import ReadingItems
from fleetpulse.stores.dynamodb_records import (
    DynamoChats,
    DynamoDeliveries,
    DynamoDevices,
    DynamoDocuments,
    DynamoHeartbeats,
    DynamoKeys,
    DynamoRules,
    Records,
)
from fleetpulse.stores.dynamodb_rollups import DynamoRollups
from fleetpulse.stores.episodes import alert_of
from fleetpulse.stores.protocols import Bucket, Resolution, Scored

_SYSTEM_CLOCK = SystemClock()


class DynamoStore:
    """The store at `dynamodb://PREFIX?region=…&endpoint=…&layout=reading|minute`.

    Tables that are missing are made. aws: None for boto3's own chain. Raises SettingsError for an
    address or credentials that are none, StoreError for a store that cannot be used.
    """

    look_every_s = 2.0  # a bot's look is nine requests, which are billed

    def __init__(
        self,
        url: str,
        *,
        aws: AwsKeys | None,
        retention: Retention,
        clock: Clock = _SYSTEM_CLOCK,
    ) -> None:
        address = Address.of(url)
        self._dynamo = Dynamo(address, aws, clock)
        try:
            dynamodb_tables.prepare(self._dynamo)
        except BaseException:
            self.close()
            raise
        records = Records(self._dynamo)
        self._rollups = DynamoRollups(self._dynamo, retention)
        layout = PackedReadings if address.layout == "minute" else ReadingItems
        self.readings = layout(self._dynamo, retention, self._rollups)
        self.devices = DynamoDevices(records)
        self.alerts = DynamoAlerts(records)
        self.deliveries = DynamoDeliveries(records)
        self.chats = DynamoChats(records)
        self.rules = DynamoRules(records)
        self.keys = DynamoKeys(records)
        self.heartbeats = DynamoHeartbeats(records)
        self.documents = DynamoDocuments(records)

    def save(self, scored: Scored) -> None:
        # DynamoDB has no transaction over thousands of items. Whatever can be wrong with the batch
        # shows before the first write; each step can be repeated; and the states, which are what
        # stops a consumer from making an event again, come last.
        save_readings = self.readings.prepared(scored.rows)
        for event in scored.events:
            alert_of([event])
        save_readings()
        self.devices.save(scored.new_devices)
        self.alerts.save_events(scored.events, scored.stored_at)
        self.alerts.save_states(scored.states)
        self.readings.settle()

    def roll(self, resolution: Resolution, buckets: Collection[Bucket]) -> None:
        each_once = sorted(set(buckets))
        if resolution is Resolution.HOUR:
            self._rollups.roll_hours(each_once)
        else:
            self.readings.roll(each_once)

    def prune(self, resolution: Resolution, before: int) -> None:
        return  # each item carries the moment at which DynamoDB deletes it

    def check(self) -> None:
        dynamodb_tables.check(self._dynamo)

    def close(self) -> None:
        self._dynamo.close()
