"""Which Bot API the bot talks to, and which chats it listens to."""

from __future__ import annotations

import pytest

from bot.addressing import address_of, listed_chats
from bot.simulator import LOCAL_CHAT_ID, LOCAL_TOKEN
from fleetpulse.errors import SettingsError
from fleetpulse.settings import BotSettings, load


def test_without_a_token_the_bot_serves_the_local_chat() -> None:
    settings = load(BotSettings, port=8123)

    address = address_of(settings)

    assert (address.root, address.token) == ("http://127.0.0.1:8123/telegram", LOCAL_TOKEN)
    assert address.is_local
    assert listed_chats(settings) == {LOCAL_CHAT_ID}


def test_with_a_token_it_talks_to_telegram_and_only_to_listed_chats(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TELEGRAM_TOKEN", "12:secret")
    monkeypatch.setenv("FLEETPULSE_TELEGRAM_CHATS", "42, -1007,")

    settings = load(BotSettings)

    assert address_of(settings).root == "https://api.telegram.org"
    assert not address_of(settings).is_local
    assert listed_chats(settings) == {42, -1007}


def test_a_token_and_no_chats_lists_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEGRAM_TOKEN", "12:secret")

    assert not listed_chats(load(BotSettings))


def test_another_bot_api_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEETPULSE_TELEGRAM_API", "http://localhost:9000/")

    assert address_of(load(BotSettings)).root == "http://localhost:9000"


@pytest.mark.parametrize("root", ["api.telegram.org", "ftp://here", "http://"])
def test_what_is_no_address_is_refused(monkeypatch: pytest.MonkeyPatch, root: str) -> None:
    monkeypatch.setenv("FLEETPULSE_TELEGRAM_API", root)

    with pytest.raises(SettingsError, match="FLEETPULSE_TELEGRAM_API must begin"):
        address_of(load(BotSettings))


def test_chats_that_are_no_numbers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEETPULSE_TELEGRAM_CHATS", "42,@ada")

    with pytest.raises(SettingsError, match="FLEETPULSE_TELEGRAM_CHATS must be whole numbers"):
        listed_chats(load(BotSettings))


def test_the_token_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEGRAM_TOKEN", "12:secret")

    assert "secret" not in repr(address_of(load(BotSettings)))
