"""The PostgreSQL store keeps every promise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fleetpulse.stores.protocols import Store
from fleetpulse.stores.sql import SqlStore
from tests.contracts.store import PrunedStoreContract
from tests.services.postgres import Postgres

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def empty(postgres: Postgres) -> Iterator[str]:
    """A database with the tables, which is only copied."""
    with postgres.database() as name:
        SqlStore(postgres.url(name)).close()
        yield name


class TestPostgresStore(PrunedStoreContract):
    @pytest.fixture
    def store(self, postgres: Postgres, empty: str) -> Iterator[Store]:
        with postgres.database(like=empty) as name:
            store = SqlStore(postgres.url(name))
            yield store
            store.close()
