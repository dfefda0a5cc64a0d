"""Models that are signed: what nobody with the key has published is not believed."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from fleetpulse.errors import ModelError
from fleetpulse.secrets import Secret
from model.registry import ModelRegistry, open_registry
from tests.contracts.model_registry import CONTENT, a_card

KEY = Secret("a long secret")
NOT_SIGNED = "not signed with FLEETPULSE_MODEL_KEY"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


def registry(folder: Path, key: Secret | None = KEY) -> ModelRegistry:
    return open_registry(f"dir:{folder}", key=key)


def change(path: Path, **fields: object) -> None:
    """Change a document as somebody without the key would."""
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def promoted(folder: Path, key: Secret | None = KEY, version: str = "1") -> ModelRegistry:
    """A registry in which a model is in use."""
    made = registry(folder, key)
    made.publish(a_card(version), CONTENT)
    made.promote({"heat": version})
    return made


def test_what_was_signed_is_believed(folder: Path) -> None:
    promoted(folder)

    (card,) = registry(folder).current().values()

    assert card.version == "1"
    assert registry(folder).cards() == [card]
    assert registry(folder).read(card) == CONTENT


def test_what_is_signed_may_be_read_without_a_key(folder: Path) -> None:
    promoted(folder)

    assert registry(folder, None).current()["heat"].version == "1"


@pytest.mark.parametrize("key", [None, Secret("another secret")], ids=["none", "another"])
def test_what_was_published_with_another_key_is_refused(folder: Path, key: Secret | None) -> None:
    promoted(folder, key)

    with pytest.raises(ModelError, match=NOT_SIGNED):
        registry(folder).current()


def test_a_card_that_was_changed_and_promoted_without_the_key_is_refused(folder: Path) -> None:
    promoted(folder)
    change(folder / "heat/1/heat.json", threshold=0.99)
    registry(folder, None).promote({"heat": "1"})

    with pytest.raises(ModelError, match=NOT_SIGNED):
        registry(folder).current()


def test_an_old_promotion_under_a_new_number_is_refused(folder: Path) -> None:
    promoted(folder)
    change(folder / "current.json", number=7)

    with pytest.raises(ModelError, match=NOT_SIGNED):
        registry(folder).promotion()


def test_a_card_of_one_model_does_not_sign_another(folder: Path) -> None:
    promoted(folder)
    signature = json.loads((folder / "heat/1/heat.json").read_text())["signature"]
    registry(folder, None).publish(a_card("2"), CONTENT)
    change(folder / "heat/2/heat.json", signature=signature)

    with pytest.raises(ModelError, match=NOT_SIGNED):
        registry(folder).promote({"heat": "2"})


def test_models_from_before_there_was_a_key_are_signed_by_publishing_them_again(
    folder: Path,
) -> None:
    promoted(folder, None)

    promoted(folder)

    assert registry(folder).current()["heat"].signature
    assert registry(folder).promotion().number == 2


def test_a_signature_is_no_excuse_for_another_card(folder: Path) -> None:
    promoted(folder, None)
    changed = msgspec.structs.replace(a_card("1"), threshold=0.9)

    with pytest.raises(ModelError, match="what is published never changes"):
        registry(folder).publish(changed, CONTENT)


def test_the_shipped_models_need_no_key() -> None:
    assert open_registry(None, key=KEY).current().keys() == {"heat", "overload"}
    assert not any(card.signature for card in open_registry().cards())


def test_the_key_is_never_shown(folder: Path) -> None:
    promoted(folder, None)

    with pytest.raises(ModelError) as refused:
        registry(folder).current()

    assert KEY.get_secret_value() not in str(refused.value)
