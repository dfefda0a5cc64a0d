"""A process' problems: told as long as they last, logged once."""

from __future__ import annotations

import pytest

from fleetpulse.health import Health


def test_a_problem_lasts_until_its_part_is_well() -> None:
    health = Health()

    health.report("store", "It is away.")
    health.report("kafka", None)

    assert health.problems() == {"store": "It is away."}
    health.report("store", None)
    assert health.problems() == {}


def test_the_newest_words_about_a_part_count() -> None:
    health = Health()

    health.report("store", "It is away.")
    health.report("store", "It is full.")

    assert health.problems() == {"store": "It is full."}


def test_a_change_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    health = Health()

    for problem in ("It is away.", "It is away.", None, None):
        health.report("store", problem)

    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert said == [("WARNING", "trouble"), ("INFO", "well again")]
