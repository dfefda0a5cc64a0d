"""Fixtures that every test may use."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.contracts")

pytest_plugins = ["tests.services.kafka"]
