"""Installing again: the settings that are there stay, and what is said now goes over them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpulse.errors import SettingsError
from generators.service_settings import agent_values, kept_values, values_in
from generators.service_unit import SETTINGS_FILE, settings_text

NAMES = st.from_regex(r"[A-Z][A-Z_]{0,20}", fullmatch=True)
VALUES = st.text().filter(str.isprintable)
OF_THE_API = {"FLEETPULSE_API": "https://one.example", "FLEETPULSE_INGEST_KEY": "fp_one"}
OF_KAFKA = {"KAFKA_BROKER_SETTINGS": "one:9092", "KAFKA_CLUSTER_KEY": "user"}
BY_HAND = {"HTTPS_PROXY": "http://proxy:3128", "FLEETPULSE_SPOOL_BYTES": "1000000"}


def said(**options: str) -> argparse.Namespace:
    words = dict.fromkeys(("api", "key_file", "kafka", "interval", "device_id"))
    return argparse.Namespace(**(words | options))


def test_what_is_said_goes_over_what_is_there_and_nothing_else_is_lost() -> None:
    before = OF_THE_API | BY_HAND | {"FLEETPULSE_INTERVAL": "5"}

    values = agent_values(said(interval="10"), before)

    assert values == before | {"FLEETPULSE_INTERVAL": "10"}


def test_the_environment_goes_over_what_is_there_and_under_what_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FLEETPULSE_INGEST_KEY", "fp_two")
    monkeypatch.setenv("FLEETPULSE_INTERVAL", "20")

    values = agent_values(said(interval="10"), OF_THE_API)

    assert values == OF_THE_API | {"FLEETPULSE_INGEST_KEY": "fp_two", "FLEETPULSE_INTERVAL": "10"}


def test_an_agent_that_moves_to_kafka_keeps_no_key_of_the_api() -> None:
    values = agent_values(said(kafka="two:9092"), OF_THE_API | BY_HAND)

    assert values == BY_HAND | {"KAFKA_BROKER_SETTINGS": "two:9092"}


def test_an_agent_that_moves_to_the_api_keeps_no_secret_of_kafka(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("fp_two")

    values = agent_values(said(api="https://two.example", key_file=str(key)), OF_KAFKA | BY_HAND)

    assert values == BY_HAND | {
        "FLEETPULSE_API": "https://two.example",
        "FLEETPULSE_INGEST_KEY": "fp_two",
    }


@given(st.dictionaries(NAMES, VALUES))
def test_what_was_written_is_read_back(values: dict[str, str]) -> None:
    assert values_in(settings_text(values)) == values


def test_lines_written_by_hand_are_read_as_systemd_does() -> None:
    text = '# mine\n; too\n\n A = plain text \nB=\'single \\$ "\'\nC="a\\"\\$\\x"\nD=\nE=a\\ b"\n'

    assert values_in(text) == {
        "A": "plain text",
        "B": 'single \\$ "',
        "C": 'a"$\\x',
        "D": "",
        "E": 'a b"',
    }


@pytest.mark.parametrize("line", ['A="one', "A=one\\", 'A="one" two', "no setting", "A b=c"])
def test_a_line_that_is_not_plain_is_named_and_nothing_is_guessed(line: str) -> None:
    with pytest.raises(SettingsError, match="cannot be read; write it as NAME"):
        values_in(f"{line}\nB=secret\n")


def test_without_an_installation_there_are_no_settings(tmp_path: Path) -> None:
    assert kept_values(tmp_path) == {}


def test_settings_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / SETTINGS_FILE).parent.mkdir(parents=True)
    (tmp_path / SETTINGS_FILE).write_bytes(b"\xff\xfe")

    with pytest.raises(SettingsError, match="cannot be read"):
        kept_values(tmp_path)


def test_a_schema_registry_without_its_extra_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fleetpulse.schema_registry", None)

    with pytest.raises(SettingsError, match=r"pip install 'fleetpulse\[schema\]'"):
        agent_values(said(kafka="one:9092"), {"KAFKA_SCHEMA_ENDPOINT": "https://registry:8081"})
