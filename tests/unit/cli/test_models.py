"""`fleetpulse models`: publish, promote, go back, and say plainly what cannot be done."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetpulse.cli.models import main
from model.registry import FolderRegistry, open_registry
from model.registry_cards import encoded
from tests.contracts.model_registry import CONTENT, a_card

RULES = ("heat", "overload")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty registry, named by the settings."""
    folder = tmp_path / "registry"
    folder.mkdir()
    monkeypatch.setenv("FLEETPULSE_MODELS", f"dir:{folder}")
    return folder


def made(folder: Path, version: str) -> Path:
    """A folder as `fleetpulse train` writes it."""
    folder.mkdir()
    for rule in RULES:
        card = a_card(version, name=rule)
        (folder / card.file).write_bytes(CONTENT)
        (folder / f"{rule}.json").write_bytes(encoded(card))
    return folder


def in_use(place: Path) -> dict[str, str]:
    cards = FolderRegistry(place).current()
    return {rule: card.version for rule, card in cards.items()}


def test_what_is_published_is_listed_and_used_once_it_is_promoted(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["publish", str(made(tmp_path / "made", "1"))]) == 0
    assert in_use(place) == {}

    assert main(["promote", "heat=1", "overload=1"]) == 0
    assert in_use(place) == {"heat": "1", "overload": "1"}

    main(["publish", str(made(tmp_path / "newer", "2"))])
    assert main(["promote", "heat=2"]) == 0
    assert in_use(place) == {"heat": "2", "overload": "1"}

    capsys.readouterr()
    assert main(["list"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["RULE", "VERSION", "MADE", "SIZE", "THRESHOLD", "SOURCES"]
    used = [row.split()[:2] for row in rows if row.endswith("in use")]
    assert used == [["heat", "2"], ["overload", "1"]]


def test_a_promotion_that_would_leave_a_rule_without_a_model_is_refused(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["publish", str(made(tmp_path / "made", "1"))])

    assert main(["promote", "heat=1"]) == 1

    assert "nothing is promoted for overload" in capsys.readouterr().err
    assert in_use(place) == {}


@pytest.mark.parametrize(
    "words", [["publish", "made"], ["promote", "heat=1"], ["rollback"], ["shadow", "heat=1"]]
)
def test_the_shipped_models_stay_as_they_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    monkeypatch.delenv("FLEETPULSE_MODELS", raising=False)

    assert main(words) == 2

    assert "the models that are shipped stay as they are" in capsys.readouterr().err


def test_rolling_back_and_forth(place: Path, tmp_path: Path) -> None:
    for version in ("1", "2"):
        assert main(["publish", str(made(tmp_path / version, version)), "--promote"]) == 0

    assert main(["rollback", "heat"]) == 0
    assert in_use(place) == {"heat": "1", "overload": "2"}

    assert main(["rollback"]) == 0
    assert in_use(place) == {"heat": "2", "overload": "1"}


def test_another_registry_can_be_named(place: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()

    main(["--models", f"dir:{other}", "publish", str(made(tmp_path / "made", "1")), "--promote"])

    assert in_use(other) == {"heat": "1", "overload": "1"}
    assert in_use(place) == {}


def test_the_shipped_models_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FLEETPULSE_MODELS", raising=False)

    assert main(["list"]) == 0

    shipped = open_registry().current()["heat"].version
    assert f"{shipped} " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["promote", "heat=7"], "There is no version 7 of heat"),
        (["rollback"], "Nothing was in use before for any rule"),
        (["rollback", "heat"], "Nothing was in use before for heat"),
        (["publish", "nowhere"], "nowhere does not exist"),
        (["--models", "ftp://x", "list"], "must look like dir:FOLDER"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    place: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(words) in (1, 2)

    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_model_that_was_changed_on_the_way_is_not_published(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made(tmp_path / "made", "1")
    (folder / "heat.skops").write_bytes(b"another")

    assert main(["publish", str(folder), "--promote"]) == 1

    assert "another digest" in capsys.readouterr().err
    assert in_use(place) == {}


@pytest.mark.parametrize("text", ["heat", "=1", "heat="])
def test_a_version_is_named_with_its_rule(text: str) -> None:
    with pytest.raises(SystemExit) as end:
        main(["promote", text])

    assert end.value.code == 2


def test_a_candidate_scores_in_the_shadow_until_it_is_promoted_or_stopped(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["publish", str(made(tmp_path / "1", "1")), "--promote"]) == 0
    assert main(["publish", str(made(tmp_path / "2", "2"))]) == 0

    assert main(["shadow", "heat=2", "overload=2"]) == 0
    assert in_use(place) == {"heat": "1", "overload": "1"}
    assert shadowed(place) == {"heat": "2", "overload": "2"}
    capsys.readouterr()
    assert main(["list"]) == 0
    assert capsys.readouterr().out.count("in the shadow") == 2

    assert main(["promote", "heat=2"]) == 0
    assert shadowed(place) == {"overload": "2"}
    assert main(["shadow", "--stop"]) == 0
    assert shadowed(place) == {}


def shadowed(place: Path) -> dict[str, str]:
    choices = FolderRegistry(place).promotion().shadow
    return {rule: choice.version for rule, choice in choices.items()}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["shadow"], "Name a candidate"),
        (["shadow", "heat=9"], "There is no version 9 of heat"),
    ],
)
def test_a_candidate_that_is_not_there_is_one_sentence(
    place: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    complaint: str,
) -> None:
    assert main(["publish", str(made(tmp_path / "1", "1")), "--promote"]) == 0

    assert main(words) == 1

    assert complaint in capsys.readouterr().err


def test_nothing_is_shadowed_where_nothing_is_in_use(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["publish", str(made(tmp_path / "1", "1"))]) == 0

    assert main(["shadow", "heat=1"]) == 1

    assert "promote models first" in capsys.readouterr().err
