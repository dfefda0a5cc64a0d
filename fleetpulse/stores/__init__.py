"""Where readings, devices, alerts, deliveries, chats and rules live.

`protocols` says what a store promises, `open_store(url)` opens one.
"""

from __future__ import annotations

from pathlib import Path

from fleetpulse.errors import SettingsError, StoreError
from fleetpulse.secrets import AwsKeys
from fleetpulse.settings import Retention
from fleetpulse.stores.protocols import Store

_DEFAULT_RETENTION = Retention()
_SQLITE_FILE = "sqlite:///"
_SQL = ("sqlite:", "postgresql+psycopg:")


def open_existing(
    url: str, *, aws: AwsKeys | None = None, retention: Retention = _DEFAULT_RETENTION
) -> Store:
    """As open_store, for who only reads: no file is made, and no older tables are migrated."""
    if url.startswith(_SQLITE_FILE) and not Path(url.removeprefix(_SQLITE_FILE)).is_file():
        raise StoreError(
            f"There is no store {url.removeprefix(_SQLITE_FILE)}: name another in FLEETPULSE_STORE."
        )
    if url.startswith(_SQL):
        from fleetpulse.stores.sql import SqlStore

        return SqlStore(url, as_it_is=True)
    return open_store(url, aws=aws, retention=retention)


def open_store(
    url: str, *, aws: AwsKeys | None = None, retention: Retention = _DEFAULT_RETENTION
) -> Store:
    """The store at `url`, its tables made or migrated.

    url: as FLEETPULSE_STORE in docs/settings.md. aws: None for boto3's own chain. retention: what
    DynamoDB needs to know as it writes; the others are pruned. Backends are imported late, so that
    an agent or an API on one of them does not carry the others. Raises SettingsError for an address
    that is not one, StoreError for a store that cannot be used.
    """
    scheme = url.partition(":")[0]
    if scheme == "memory":
        from fleetpulse.stores.memory import MemoryStore

        return MemoryStore()
    if url.startswith(_SQL):
        from fleetpulse.stores.sql import SqlStore

        return SqlStore(url)
    if scheme == "dynamodb":
        from fleetpulse.stores.dynamodb import DynamoStore

        return DynamoStore(url, aws=aws, retention=retention)
    raise SettingsError(
        "FLEETPULSE_STORE begins with no store that fleetpulse knows; use sqlite:///FILE,"
        " postgresql+psycopg://USER:PASSWORD@HOST/NAME, dynamodb://PREFIX or memory:"
    )
