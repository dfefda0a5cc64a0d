"""Fixtures for the bot's tests."""

from __future__ import annotations

import pytest

from tests.unit.delivery.bench import Bench


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.process.step()
    return bench
