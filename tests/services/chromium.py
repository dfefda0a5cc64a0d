"""Chromium, or Chrome, as this machine has it installed."""

from __future__ import annotations

import shutil

import pytest

from tests.services.missing import without

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's program, for `playwright.chromium.launch(executable_path=…)`."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        without("Chromium", how="install it (Debian: apt install chromium)")
    return found
