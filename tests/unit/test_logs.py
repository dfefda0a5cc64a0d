"""Log lines: one an event with its fields, for people or for a collector, without secrets."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from fleetpulse.logs import JsonLines, Lines, TextLines, configure, hidden_texts, secrets_of
from fleetpulse.secrets import Secret
from fleetpulse.settings import BotSettings

TOKEN = "12:very-secret"
LINES = (TextLines(hidden_texts([TOKEN])), JsonLines("bot", hidden_texts([TOKEN])))

every_format = pytest.mark.parametrize("lines", LINES, ids=lambda lines: type(lines).__name__)


@pytest.fixture(autouse=True)
def _logging_stays_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def a_record(event: str = "partitions assigned", **extra: Any) -> logging.LogRecord:
    record = logging.LogRecord("consumer.source", logging.WARNING, "f", 1, event, (), None)
    vars(record).update(extra)
    return record


def a_failure(words: str) -> logging.LogRecord:
    try:
        raise ValueError(words)
    except ValueError:
        return a_record(exc_info=sys.exc_info())


def test_a_line_for_people_has_time_level_logger_event_and_fields() -> None:
    line = TextLines(None).format(a_record(topic="telemetry.pc", partition=3, wait_s=0.5))

    assert line[19:] == (
        " WARNING  consumer.source: partitions assigned topic=telemetry.pc partition=3 wait_s=0.5"
    )


def test_values_of_several_words_are_quoted_and_stay_in_one_line() -> None:
    line = TextLines(None).format(a_record(problem='disk full: "a"\nb', key=b"x", empty=""))

    assert line.endswith(r'problem="disk full: \"a\"\nb" key=x empty=""')


def test_colours_are_for_terminals() -> None:
    assert "\x1b[33mWARNING " in TextLines(None, coloured=True).format(a_record())
    assert "\x1b" not in TextLines(None).format(a_record())


def test_a_line_for_a_collector_is_an_object_with_the_fields_at_the_top() -> None:
    line = JsonLines("consumer", None).format(a_record(topic="telemetry.pc", ratio=float("nan")))

    found = json.loads(line)
    assert found.pop("timestamp").endswith("Z")
    assert found == {
        "level": "warning",
        "process": "consumer",
        "logger": "consumer.source",
        "event": "partitions assigned",
        "topic": "telemetry.pc",
        "ratio": None,
    }


def test_a_field_called_as_one_of_ours_keeps_its_value_under_another_name() -> None:
    found = json.loads(JsonLines("bot", None).format(a_record(event_="x", level="high")))

    assert (found["level"], found["level_"]) == ("warning", "high")


@every_format
def test_what_a_line_break_in_an_event_hides_is_no_line_of_its_own(lines: Lines) -> None:
    assert len(lines.format(a_record("a\nERROR forged")).splitlines()) == 1


@every_format
def test_odd_values_do_not_cost_the_line(lines: Lines) -> None:
    line = lines.format(a_record(odd=object(), broken="\udcff", raw=b"\xff"))

    assert "object object" in line


@every_format
def test_a_traceback_is_kept(lines: Lines) -> None:
    assert "ValueError: too hot" in lines.format(a_failure("too hot"))


@every_format
@pytest.mark.parametrize("form", [TOKEN, "12%3Avery-secret"])
def test_a_secret_is_hidden_wherever_it_turns_up(lines: Lines, form: str) -> None:
    for record in (
        a_record(f"POST /bot{form}/getMe"),
        a_record(url=f"https://x/bot{form}/"),
        a_failure(f"bot{form}/getMe failed"),
    ):
        line = lines.format(record)

        assert "very-secret" not in line
        assert "<secret>" in line


def test_a_secret_that_json_writes_otherwise_is_hidden_too() -> None:
    secret = 'pass"wörd\\'
    hidden = hidden_texts([secret])

    assert (
        "rd" not in json.loads(JsonLines("bot", hidden).format(a_record(problem=secret)))["problem"]
    )


def test_short_names_are_no_secrets_for_they_are_found_everywhere() -> None:
    assert hidden_texts(["bot", ""]) is None


def test_the_secrets_of_settings_are_found_passwords_in_addresses_too() -> None:
    store = "postgresql+psycopg://ada:geheim-1@db/fleet"
    settings = BotSettings(token=Secret(TOKEN), store=Secret(store), ping_url=Secret("http://[x"))

    assert set(secrets_of(settings)) == {TOKEN, store, "geheim-1", "http://[x"}


def test_level_and_format_are_those_of_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    configure("bot", BotSettings(log_format="json", log_level="ERROR", token=Secret(TOKEN)))

    logging.getLogger("some.module").warning("not shown")
    logging.getLogger("some.module").error("shown", extra={"token": TOKEN})

    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["token"] == "<secret>"
    assert json.loads(line)["process"] == "bot"
