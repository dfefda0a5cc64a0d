"""Fixtures that every test may use."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import hypothesis
import pytest

from fleetpulse.logs import TALKATIVE
from fleetpulse.settings import PROCESS_SETTINGS, variables

pytest.register_assert_rewrite("tests.contracts")

pytest_plugins = [
    f"tests.services.{service}"
    for service in ("chromium", "dynamodb", "kafka", "mock_kafka", "postgres", "s3")
]

# Examples take as long as a busy machine needs; the gate tries the same ones for every commit.
hypothesis.settings.register_profile(
    "fleetpulse", deadline=None, derandomize=os.environ.get("CI") == "true"
)
hypothesis.settings.load_profile("fleetpulse")

VARIABLES = {variable.name for kind in PROCESS_SETTINGS for _, variable in variables(kind)}


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of whoever runs the tests are not for the tests: a real token, a real broker."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture(autouse=True)
def _logging_stays_as_it_is() -> Iterator[None]:
    """A process' main configures logging; the next test shall not notice."""
    loggers = [logging.getLogger(name) for name in (None, *TALKATIVE)]
    handlers, levels = loggers[0].handlers[:], [logger.level for logger in loggers]
    yield
    loggers[0].handlers[:] = handlers
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
