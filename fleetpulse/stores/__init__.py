"""Where readings, devices, alerts, deliveries, chats and rules live.

`protocols` says what a store promises, `open_store(url)` opens one.
"""

from __future__ import annotations

from fleetpulse.errors import SettingsError
from fleetpulse.stores.protocols import Store


def open_store(url: str) -> Store:
    """The store at `url`, its tables made or migrated.

    url: `sqlite:///path` or `memory:`. Backends are imported late, so that an agent or an API on
    one of them does not carry the others. Raises SettingsError for an address that is not one.
    """
    scheme = url.partition(":")[0]
    if scheme == "memory":
        from fleetpulse.stores.memory import MemoryStore

        return MemoryStore()
    if scheme == "sqlite":
        from fleetpulse.stores.sql import SqlStore

        return SqlStore(url)
    raise SettingsError(f"FLEETPULSE_STORE begins with {scheme!r}; use sqlite:///FILE or memory:")
