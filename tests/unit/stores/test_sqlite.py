"""The SQLite store keeps every promise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetpulse.stores.protocols import Store
from fleetpulse.stores.sql import SqlStore
from tests.contracts.store import PrunedStoreContract


class TestSqliteStore(PrunedStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        store = SqlStore(f"sqlite:///{tmp_path}/fleet.db")
        yield store
        store.close()
