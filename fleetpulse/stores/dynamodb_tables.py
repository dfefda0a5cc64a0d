"""The three tables of a DynamoDB store, made by whichever process comes first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fleetpulse.errors import StoreError
from fleetpulse.stores.dynamodb_client import Absent, Dynamo, Failed, NotAllowed, Taken
from fleetpulse.stores.dynamodb_values import attributes, fields, key

READINGS, ROLLUPS, RECORDS = "readings", "rollups", "records"
EXPIRES_AT = "expires_at"  # Unix seconds, as time to live counts
BY_DEVICE, BY_TIME, WAITING, REJECTED = "by_device", "by_time", "waiting", "rejected"

FORMAT = 1  # of the keys and items; see docs/decisions/0005-dynamodb.md
ABOUT = key("about", "store")
CREATION_S = 60.0
CREATION_POLL_S = 0.5


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table: its key, its indexes, and what becomes of old items."""

    name: str
    keys: tuple[tuple[str, str], ...]  # attribute and type; partition, then sort key
    indexes: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    expires: bool = False
    recoverable: bool = False  # to any moment of the last 35 days

    def definition(self, full_name: str) -> dict[str, Any]:
        """What CreateTable is told."""
        named = dict(self.keys + tuple(part for _, parts in self.indexes for part in parts))
        definition: dict[str, Any] = {
            "TableName": full_name,
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": _schema(self.keys),
            "AttributeDefinitions": [
                {"AttributeName": name, "AttributeType": kind} for name, kind in named.items()
            ],
        }
        if self.indexes:
            definition["GlobalSecondaryIndexes"] = [
                {
                    "IndexName": name,
                    "KeySchema": _schema(keys),
                    "Projection": {"ProjectionType": "ALL"},
                }
                for name, keys in self.indexes
            ]
        return definition


# Indexes are sparse: an item is in one when it has its two attributes.
TABLES: tuple[Table, ...] = (
    Table(
        name=READINGS,
        keys=(("device", "S"), ("place", "B")),
        indexes=((REJECTED, (("r_pk", "S"), ("r_sk", "S"))),),
        expires=True,
    ),
    Table(
        name=ROLLUPS,
        keys=(("pk", "S"), ("begins_at", "N")),
        expires=True,
        recoverable=True,
    ),
    Table(
        name=RECORDS,
        keys=(("pk", "S"), ("sk", "S")),
        indexes=(
            (BY_DEVICE, (("d_pk", "S"), ("d_sk", "S"))),
            (BY_TIME, (("t_pk", "S"), ("t_sk", "S"))),
            (WAITING, (("w_pk", "S"), ("w_sk", "S"))),
        ),
        recoverable=True,
    ),
)


def prepare(dynamo: Dynamo) -> None:
    """Make what is missing, and return once all of it can be used.

    Several processes may do this at once. Raises StoreError for an account that may not, and for
    a store of another layout or format.
    """
    for table in TABLES:
        if not _is_there(dynamo, table):
            _create(dynamo, table)
    for table in TABLES:
        _wait_until_active(dynamo, table)
        _keep_as_told(dynamo, table)
    _refuse_others(dynamo)


def check(dynamo: Dynamo) -> None:
    """Return if the store answers, and is ours; raises StoreError."""
    if dynamo.get(dynamo.table(RECORDS), ABOUT) is None:
        raise StoreError(
            f"The store {dynamo.address.prefix} is empty: restart fleetpulse to make it anew, or"
            " restore its tables."
        )


def _status(dynamo: Dynamo, table: Table) -> str | None:
    try:
        found = dynamo.call("describe_table", TableName=dynamo.table(table.name))
    except Absent:
        return None
    return str(found["Table"]["TableStatus"])


def _is_there(dynamo: Dynamo, table: Table) -> bool:
    return _status(dynamo, table) is not None


def _create(dynamo: Dynamo, table: Table) -> None:
    full_name = dynamo.table(table.name)
    try:
        dynamo.call("create_table", **table.definition(full_name))
    except NotAllowed as error:
        raise StoreError(
            f"There is no DynamoDB table {full_name}, and this account may not make it: allow"
            " dynamodb:CreateTable, or make the tables that docs/dynamodb.md describes."
        ) from error
    except Failed as error:
        if error.code != "ResourceInUseException":  # another process was faster
            raise


def _wait_until_active(dynamo: Dynamo, table: Table) -> None:
    waited = 0.0
    while _status(dynamo, table) != "ACTIVE":
        if waited >= CREATION_S:
            raise StoreError(
                f"The DynamoDB table {dynamo.table(table.name)} is not ready after"
                f" {CREATION_S:.0f} s: look at it in the AWS console, and start again."
            )
        dynamo.pause(CREATION_POLL_S)
        waited += CREATION_POLL_S


def _keep_as_told(dynamo: Dynamo, table: Table) -> None:
    """Have old items deleted and backups kept; where it is so already, nothing happens."""
    if table.expires and not _expires(dynamo, table):
        _unless_done(
            dynamo,
            "update_time_to_live",
            TableName=dynamo.table(table.name),
            TimeToLiveSpecification={"Enabled": True, "AttributeName": EXPIRES_AT},
        )
    if table.recoverable:
        _recoverable(dynamo, table)


def _expires(dynamo: Dynamo, table: Table) -> bool:
    found = dynamo.call("describe_time_to_live", TableName=dynamo.table(table.name))
    status = found["TimeToLiveDescription"].get("TimeToLiveStatus")
    return status in ("ENABLED", "ENABLING")


def _recoverable(dynamo: Dynamo, table: Table) -> None:
    name = dynamo.table(table.name)
    try:
        found = dynamo.call("describe_continuous_backups", TableName=name)
    except (Failed, NotAllowed):  # DynamoDB Local has no backups; an account may do without
        return
    described = found["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    if described.get("PointInTimeRecoveryStatus") != "ENABLED":
        _unless_done(
            dynamo,
            "update_continuous_backups",
            TableName=name,
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
        )


def _unless_done(dynamo: Dynamo, operation: str, **parameters: Any) -> None:
    """Change a table, which another process may be doing at the same moment."""
    try:
        dynamo.call(operation, **parameters)
    except Failed as error:
        if error.code not in (
            "ValidationException",  # time to live is enabled already
            "ResourceInUseException",
            "ContinuousBackupsUnavailableException",  # it is being enabled
        ):
            raise


def _refuse_others(dynamo: Dynamo) -> None:
    """Say what the store is if it is new; else see that it is what this process takes it for."""
    ours = {"layout": dynamo.address.layout, "format": FORMAT}
    table = dynamo.table(RECORDS)
    try:
        dynamo.call(
            "put_item",
            TableName=table,
            Item=ABOUT | attributes(ours),
            ConditionExpression="attribute_not_exists(pk)",
        )
    except Taken:
        found = fields(dynamo.get(table, ABOUT) or {})
        theirs = {name: found.get(name) for name in ours}
        if theirs != ours:
            raise StoreError(
                f"The store {dynamo.address.prefix} has layout {theirs['layout']} and format"
                f" {theirs['format']}, not {ours['layout']} and {ours['format']}: correct the"
                " address, or name another prefix."
            ) from None


def _schema(keys: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    kinds = ("HASH", "RANGE")
    return [
        {"AttributeName": name, "KeyType": kind}
        for (name, _), kind in zip(keys, kinds, strict=True)
    ]
