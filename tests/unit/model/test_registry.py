"""Models in a folder: which one it gives, and the promises of every registry."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from model.registry import FolderRegistry, ModelRegistry, open_registry
from tests.contracts.model_registry import RegistryContract
from tests.unit.api.builders import CARD


def test_of_the_models_of_one_day_the_newest_is_the_one_to_use(tmp_path: Path) -> None:
    morning = msgspec.structs.replace(
        CARD, version="2026-11-22.ffff0000", made_at="2026-11-22T08:00:00+00:00"
    )
    noon = msgspec.structs.replace(
        CARD, version="2026-11-22.0000ffff", made_at="2026-11-22T12:00:00+00:00"
    )
    for card in (morning, noon):
        (tmp_path / f"{card.version}.json").write_bytes(msgspec.json.encode(card))

    assert FolderRegistry(tmp_path).current() == {"heat": noon}


class TestFolderRegistry(RegistryContract):
    @pytest.fixture
    def registry(self, tmp_path: Path) -> ModelRegistry:
        return open_registry(f"dir:{tmp_path}")
