"""Fixtures for the channels' tests."""

from __future__ import annotations

import logging

import pytest


@pytest.fixture(autouse=True)
def _apprise_speaks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The notifier silences Apprise; the next test shall not notice."""
    apprise = logging.getLogger("apprise")
    monkeypatch.setattr(apprise, "propagate", True)
    monkeypatch.setattr(apprise, "handlers", list(apprise.handlers))
