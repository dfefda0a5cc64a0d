"""Fixtures that every test may use."""

from __future__ import annotations

import os

import hypothesis
import pytest

pytest.register_assert_rewrite("tests.contracts")

pytest_plugins = ["tests.services.kafka"]

# Examples take as long as a busy machine needs; the gate tries the same ones for every commit.
hypothesis.settings.register_profile(
    "fleetpulse", deadline=None, derandomize=os.environ.get("CI") == "true"
)
hypothesis.settings.load_profile("fleetpulse")
