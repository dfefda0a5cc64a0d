"""Before an agent publishes: its topic is made and a schema's id known, however long that takes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from fleetpulse.clock import ManualClock
from fleetpulse.errors import BrokerAway, BrokerError, SettingsError
from fleetpulse.kafka import TopicRefused
from generators.topics import AGAIN_S, Preparation

HEADER = b"\x00\x00\x00\x00\x07"
NEVER = threading.Event()


class Answers:
    """What is answered one after the other: an error, or a value."""

    def __init__(self, *answers: Any) -> None:
        self.left = list(answers)

    def __call__(self, *_: Any) -> Any:
        answer = self.left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def prepared(
    make: Answers, find_header: Callable[[str], bytes] | None = None
) -> tuple[Preparation, float]:
    """The preparation after it ran, and the seconds that it took."""
    clock = ManualClock()
    began_ms = clock.now_ms()
    preparation = Preparation("telemetry.pc", make=make, find_header=find_header, clock=clock)
    assert preparation.header is None
    preparation.run(NEVER)
    return preparation, (clock.now_ms() - began_ms) / 1000


def test_without_a_registry_records_go_as_they_are_once_the_topic_is_made() -> None:
    preparation, took_s = prepared(Answers(None))

    assert preparation.header == b""
    assert took_s == 0


def test_a_broker_that_is_away_is_tried_again_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    away, locked_out = BrokerAway("It does not answer."), BrokerError("It refuses the password.")
    moved = SettingsError("No broker")

    preparation, took_s = prepared(Answers(away, locked_out, moved, None))

    assert preparation.header == b""
    assert took_s == 3 * AGAIN_S
    assert not caplog.messages


def test_an_account_that_may_not_make_topics_publishes_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    refused = TopicRefused("This account may not make it.")

    preparation, took_s = prepared(Answers(refused))

    assert preparation.header == b""
    assert took_s == 0
    assert caplog.messages == ["topic not made"]


def test_with_a_registry_nothing_is_published_before_the_id_is_known(
    caplog: pytest.LogCaptureFixture,
) -> None:
    away = BrokerError("The registry does not answer.")

    preparation, took_s = prepared(Answers(None), Answers(away, away, HEADER))

    assert preparation.header == HEADER
    assert took_s == 2 * AGAIN_S
    assert caplog.messages == ["readings wait in the spool", "schema registered"]


def test_another_problem_is_told_too(caplog: pytest.LogCaptureFixture) -> None:
    problems = [BrokerError("away"), BrokerError("refused"), BrokerError("refused")]

    prepared(Answers(None), Answers(*problems, HEADER))

    told = [record.__dict__.get("problem") for record in caplog.records]
    assert told == ["away", "refused", None]


def test_whatever_goes_wrong_is_told_once_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    odd = ZeroDivisionError("odd")

    preparation, _ = prepared(Answers(odd, odd, None))

    assert preparation.header == b""
    assert caplog.messages == ["topic not prepared; trying on"]


def test_it_ends_when_it_is_told_to() -> None:
    over = threading.Event()
    over.set()
    make = Answers()

    Preparation("telemetry.pc", make=make, find_header=None, clock=ManualClock()).run(over)
