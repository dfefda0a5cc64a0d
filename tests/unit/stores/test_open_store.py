"""An address opens the store that it names, or is refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetpulse.errors import SettingsError
from fleetpulse.stores import open_store
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.sql import SqlStore


def test_sqlite_opens_a_file(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/fleet.db")

    assert isinstance(store, SqlStore)
    assert (tmp_path / "fleet.db").exists()
    store.close()


def test_memory_opens_an_empty_store() -> None:
    store = open_store("memory:")

    assert isinstance(store, MemoryStore)
    assert store.readings.count() == 0


@pytest.mark.parametrize("url", ["", "fleet.db", "mysql://user:hunter2@host/db", "sqlite"])
def test_another_address_is_refused_without_telling_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match="sqlite:///FILE") as refused:
        open_store(url)

    assert "hunter2" not in str(refused.value)
