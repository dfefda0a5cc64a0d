"""The memory store keeps every promise."""

from __future__ import annotations

import pytest

from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Store
from tests.contracts.store import PrunedStoreContract


class TestMemoryStore(PrunedStoreContract):
    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()
