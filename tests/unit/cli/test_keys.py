"""`fleetpulse keys`: shown once, listed without secrets, and ended."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fleetpulse.address import API_FILE, address_left
from fleetpulse.cli.keys import address_of, length_ms, main
from fleetpulse.clock import SystemClock
from fleetpulse.keys import Purpose, find
from fleetpulse.settings import ApiSettings
from fleetpulse.stores import open_store
from fleetpulse.stores.protocols import ApiKey


@pytest.fixture(autouse=True)
def a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEETPULSE_STORE", f"sqlite:///{tmp_path / 'keys.db'}")


def found(tmp_path: Path, text: str, purpose: Purpose = Purpose.KEY) -> ApiKey | None:
    """The key with that text in the store."""
    store = open_store(f"sqlite:///{tmp_path / 'keys.db'}")
    try:
        return find(store.keys, text, purpose, now_ms=SystemClock().now_ms())
    finally:
        store.close()


def test_a_key_that_is_made_is_shown_once_and_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["create", "display", "--scope", "read", "--expires", "30d"]) == 0

    text = capsys.readouterr().out.strip()
    key = found(tmp_path, text)
    assert key is not None
    assert (key.name, key.scopes) == ("display", ["read"])
    assert key.expires_at == key.created_at + 30 * 24 * 3_600_000

    assert main(["list", "--all"]) == 0
    listed = capsys.readouterr().out
    assert key.key_id in listed
    assert text.split("_")[2] not in listed
    assert key.digest not in listed


def test_a_revoked_key_opens_nothing_and_is_listed_only_when_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["create", "display", "--scope", "read"])
    text = capsys.readouterr().out.strip()
    key_id = text.split("_")[1]

    assert main(["revoke", key_id]) == 0
    assert found(tmp_path, text) is None
    assert main(["revoke", key_id]) == 1
    assert "revoked before" in capsys.readouterr().err

    main(["list"])
    assert key_id not in capsys.readouterr().out
    main(["list", "--all"])
    assert "revoked" in capsys.readouterr().out


def test_what_is_no_key_cannot_be_revoked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["revoke", "k2345678"]) == 1
    assert "is no key" in capsys.readouterr().err


def test_a_link_names_the_address_and_holds_a_code_for_ten_minutes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["link", "--address", "https://fleet.example"]) == 0

    given = re.fullmatch(
        r"https://fleet\.example/login\?code=(fp_\S+)", capsys.readouterr().out.strip()
    )
    assert given is not None
    key = found(tmp_path, given[1], Purpose.LINK)
    assert key is not None
    assert key.scopes == ["act"]
    assert key.expires_at == key.created_at + 600_000


def linked(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The address that a link leads to."""
    assert main(["link", *words]) == 0
    return capsys.readouterr().out.partition("/login?code=")[0]


def test_a_link_leads_to_the_running_stack_whatever_its_port(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEETPULSE_DATA", str(tmp_path))
    monkeypatch.setenv("FLEETPULSE_PORT", "8001")

    with address_left(tmp_path / API_FILE, "http://127.0.0.1:8123"):
        assert linked(capsys) == "http://127.0.0.1:8123"
        assert linked(capsys, "--address", "https://fleet.example") == "https://fleet.example"

    assert linked(capsys) == "http://127.0.0.1:8001"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["create", "x"],
        ["create", "x", "--scope", "all"],
        ["create", "x", "--scope", "ingest"],
        ["create", "x", "--scope", "admin", "--device", "pi-1"],
        ["create", "x", "--scope", "read", "--expires", "soon"],
        ["create", "", "--scope", "read"],
        ["revoke"],
    ],
)
def test_what_makes_no_sense_is_said_and_ends_with_2(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)

    assert end.value.code == 2
    assert "usage: fleetpulse keys" in capsys.readouterr().err


def test_a_store_that_cannot_be_used_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other.db").write_text("this is no database, and never was one " * 50)
    monkeypatch.setenv("FLEETPULSE_STORE", f"sqlite:///{tmp_path / 'other.db'}")

    assert main(["list"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(("text", "ms"), [("1m", 60_000), ("12h", 43_200_000), ("1w", 604_800_000)])
def test_a_length_of_time_has_a_unit(text: str, ms: int) -> None:
    assert length_ms(text) == ms


@pytest.mark.parametrize(
    ("host", "allowed", "address"),
    [
        ("127.0.0.1", "", "http://127.0.0.1:8000"),
        ("0.0.0.0", "", "http://127.0.0.1:8000"),  # noqa: S104
        ("::1", "", "http://[::1]:8000"),
        ("0.0.0.0", "fleet.lan, other", "http://fleet.lan:8000"),  # noqa: S104
    ],
)
def test_a_link_leads_to_where_the_api_is_found(host: str, allowed: str, address: str) -> None:
    assert address_of(ApiSettings(host=host, allowed_hosts=allowed)) == address
