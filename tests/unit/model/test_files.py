"""A model file is data: whatever else it is gets one sentence, and is never run."""

from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LinearRegression

from fleetpulse.errors import ModelError
from model.features import FEATURES
from model.files import dump, load
from model.predictor import load_predictor
from model.registry import SHIPPED, FolderRegistry, ModelCard, open_registry

HEAT = tuple(feature.name for feature in FEATURES["heat"])


class Trap:
    """What an attacker would pickle."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('the pickle was run')",))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped models."""
    for path in SHIPPED.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def put(folder: Path, content: bytes) -> None:
    """Put a file in place of the heat model, its card agreeing with it."""
    (folder / "heat.skops").write_bytes(content)
    card = msgspec.json.decode((folder / "heat.json").read_bytes(), type=ModelCard)
    changed = msgspec.structs.replace(card, sha256=hashlib.sha256(content).hexdigest())
    (folder / "heat.json").write_bytes(msgspec.json.encode(changed))


def refusal(folder: Path) -> str:
    with pytest.raises(ModelError) as refused:
        load_predictor(f"dir:{folder}")
    return str(refused.value)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "heat.skops").unlink()

    assert "heat.skops does not exist" in refusal(folder)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert "nowhere does not exist" in refusal(tmp_path / "nowhere")


def test_a_folder_without_models_says_how_to_make_them(tmp_path: Path) -> None:
    assert refusal(tmp_path) == (
        "There is no model for heat and overload: make one with `fleetpulse train`."
    )


def test_a_changed_file_is_refused(folder: Path) -> None:
    content = bytearray((folder / "heat.skops").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "heat.skops").write_bytes(bytes(content))

    assert "is not the one that its card describes" in refusal(folder)


@pytest.mark.parametrize("length", [0, 100, 50_000])
def test_a_torn_file_is_refused(folder: Path, length: int) -> None:
    put(folder, (folder / "heat.skops").read_bytes()[:length])

    assert "is not a skops file, or is damaged" in refusal(folder)


def test_a_pickle_is_refused_and_not_run(folder: Path) -> None:
    put(folder, pickle.dumps(Trap()))

    assert "is not a skops file" in refusal(folder)


def test_types_that_no_model_needs_are_refused_before_the_file_is_opened(folder: Path) -> None:
    put(folder, skops.io.dumps({"chance": Path}))

    assert "holds types that no model needs" in refusal(folder)


def test_a_small_file_that_unpacks_into_gigabytes_is_not_opened(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.files._MOST_BYTES_UNPACKED", 1000)

    assert "would unpack into" in refusal(folder)


def test_a_model_that_cannot_score_is_refused_before_it_serves(folder: Path) -> None:
    content = open_registry().read(open_registry().current()["heat"])
    broken = replace(load(content, "heat.skops", HEAT), typical=np.zeros(3))
    put(folder, dump(broken))

    assert "heat.skops cannot score" in refusal(folder)


def test_another_model_is_refused(folder: Path) -> None:
    put(folder, skops.io.dumps(LinearRegression()))

    assert "heat.skops is not one of fleetpulse" in refusal(folder)


def test_a_model_for_other_features_is_refused(folder: Path) -> None:
    put(folder, (folder / "overload.skops").read_bytes())

    assert "was made for other features" in refusal(folder)


def test_a_model_of_another_scikit_learn_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sklearn.__version__", "1.99.0")

    assert "was made with scikit-learn" in refusal(folder)


@pytest.mark.parametrize("text", ["", "{", '{"name": "heat"}', "\xff"])
def test_a_broken_card_is_named(folder: Path, text: str) -> None:
    (folder / "heat.json").write_text(text)

    assert "heat.json cannot be read" in refusal(folder)


def test_a_card_cannot_point_outside_its_folder(folder: Path) -> None:
    card = json.loads((folder / "heat.json").read_text()) | {"file": "../heat.skops"}
    (folder / "heat.json").write_text(json.dumps(card))

    assert "names a file outside its folder" in refusal(folder)


@pytest.mark.parametrize("url", ["", "folder", "dir:", "s4://bucket"])
def test_an_address_that_nobody_understands_is_refused(url: str) -> None:
    with pytest.raises(ModelError, match="must look like dir:FOLDER"):
        open_registry(url)


def test_a_model_survives_its_file_to_the_last_bit() -> None:
    content = open_registry().read(open_registry().current()["heat"])
    model = load(content, "heat.skops", HEAT)
    rows = np.random.default_rng(1).normal(50, 20, (50, len(HEAT)))

    again = load(dump(model), "heat.skops", HEAT)

    assert dump(again) == dump(model)
    np.testing.assert_array_equal(again.probability(rows), model.probability(rows))


def test_the_shipped_models_are_small_and_say_what_they_are() -> None:
    cards = open_registry().current()

    assert set(cards) == set(FEATURES)
    for card in cards.values():
        assert card.size_bytes <= 1_000_000
        assert card.sources
        assert all(source.citation and source.licence for source in card.sources)
        assert any(name.endswith(": AP") for name in card.metrics)
        assert 0 < card.threshold < 1
        assert card.libraries["scikit-learn"]


def test_cards_are_listed_by_name() -> None:
    assert [card.name for card in FolderRegistry(SHIPPED).cards()] == ["heat", "overload"]


def test_reading_cards_needs_no_numpy() -> None:
    code = (
        "import sys; from model.registry import open_registry; open_registry().cards();"
        "sys.exit(bool({'numpy', 'sklearn', 'skops'} & set(sys.modules)))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
