"""What happens to a test whose service is not there."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def without(service: str, *, how: str) -> NoReturn:
    """Skip the test, saying how to get the service; with CI=true fail instead.

    A skipped test proves nothing, so where it counts it must not be skipped in silence.
    """
    reason = f"{service} is missing: {how}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


class Unavailable(Exception):
    """A service cannot be had on this machine; the message says why."""
