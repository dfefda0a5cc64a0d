"""Settings come from the environment, are all checked at once, and keep secrets to themselves."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from fleetpulse.errors import SettingsError
from fleetpulse.settings import (
    PROCESS_SETTINGS,
    AgentSettings,
    ApiSettings,
    BotSettings,
    ConsumerSettings,
    DataSettings,
    check_all,
    load,
)


@pytest.mark.parametrize("kind", PROCESS_SETTINGS, ids=lambda kind: kind.__name__)
def test_nothing_has_to_be_set(kind: type[DataSettings]) -> None:
    assert isinstance(load(kind), kind)


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BROKER_SETTINGS", "one:9092,two:9092")
    monkeypatch.setenv("FLEETPULSE_BATCH_ROWS", "100")

    settings = load(ConsumerSettings)

    assert settings.bootstrap_servers == "one:9092,two:9092"
    assert settings.batch_rows == 100


def test_the_command_line_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEETPULSE_PORT", "8001")

    assert load(ApiSettings, port=8002).port == 8002
    assert load(ApiSettings, port=None).port == 8001


def test_an_empty_variable_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEGRAM_TOKEN", "")
    monkeypatch.setenv("FLEETPULSE_PORT", "")

    assert load(BotSettings).token is None
    assert load(BotSettings).port == 8000


def test_every_wrong_setting_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEVICE", "TOASTER")
    monkeypatch.setenv("FLEETPULSE_INTERVAL", "0")
    monkeypatch.setenv("FLEETPULSE_SPOOL_BYTES", "big")

    with pytest.raises(SettingsError) as refused:
        load(AgentSettings)

    for variable in ("DEVICE", "FLEETPULSE_INTERVAL", "FLEETPULSE_SPOOL_BYTES"):
        assert variable in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("FLEETPULSE_INTERVAL", "abc", "Expected a number, got text"),
        ("FLEETPULSE_INTERVAL", "0", "Expected a number > 0.0"),
        ("FLEETPULSE_FAN_PIN", "x", "Expected a whole number, got text"),
        ("DEVICE", "TOASTER", "Expected one of RASPBERRY, PC"),
    ],
)
def test_what_a_setting_should_be_is_said_in_words(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError) as refused:
        load(AgentSettings)

    assert f"{name}: {said}" in str(refused.value)
    assert "`" not in str(refused.value)


def test_the_local_stack_names_what_is_wrong_for_any_of_its_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FLEETPULSE_BATCH_ROWS", "0")
    monkeypatch.setenv("FLEETPULSE_INTERVAL", "abc")
    monkeypatch.setenv("KAFKA_CLUSTER_KEY", "key")

    with pytest.raises(SettingsError) as refused:
        check_all(port=99_999)

    for name in ("BATCH_ROWS", "INTERVAL", "PORT", "KAFKA_CLUSTER_SECRET"):
        assert str(refused.value).count(name) == 1


def test_what_the_command_line_got_wrong_is_named_as_well() -> None:
    with pytest.raises(SettingsError, match="FLEETPULSE_PORT"):
        load(ApiSettings, port=99_999)


def test_a_refusal_is_one_line_without_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_SASL_MECHANISM", "hunter2")

    with pytest.raises(SettingsError) as refused:
        load(ConsumerSettings)

    assert "hunter2" not in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.__context__ is None


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEGRAM_TOKEN", "123:hunter2")
    monkeypatch.setenv("KAFKA_CLUSTER_KEY", "hunter2")
    monkeypatch.setenv("KAFKA_CLUSTER_SECRET", "hunter2")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("FLEETPULSE_STORE", "postgresql+psycopg://me:hunter2@db/fleet")

    shown = f"{load(BotSettings)!r} {load(ConsumerSettings)} {load(AgentSettings)!r}"

    assert "hunter2" not in shown


def test_settings_cannot_be_changed_once_read() -> None:
    settings = load(ApiSettings)

    with pytest.raises(FrozenInstanceError):
        settings.port = 1  # type: ignore[misc]


def test_the_store_is_in_the_data_folder_unless_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert load(ApiSettings).store_url == "sqlite:///.fleetpulse/fleetpulse.db"
    assert load(ApiSettings, data=Path("/srv/fp")).store_url == "sqlite:////srv/fp/fleetpulse.db"

    monkeypatch.setenv("FLEETPULSE_STORE", "memory:")

    assert load(ApiSettings).store_url == "memory:"


def test_an_override_of_no_field_is_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError, match="BotSettings has no store_url"):
        load(BotSettings, store_url="sqlite:///x")
