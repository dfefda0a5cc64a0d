"""A notifier that is stopped while it still loads what it draws with ends well."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.integration.notifying import WORDS, said
from tests.integration.processes import running, stopped, until

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("after_s", [0.2, 0.3, 0.35, 0.4, 0.5])
def test_a_stop_during_the_first_second_is_a_good_end(tmp_path: Path, after_s: float) -> None:
    channel = {"FLEETPULSE_NOTIFY": "hook=json://10.0.0.1", "FLEETPULSE_NOTIFY_PRIVATE": "10.0.0.1"}
    with running(WORDS, tmp_path, FLEETPULSE_LOG="json", **channel) as process:
        until(lambda: "the notifier is at work" in said(tmp_path))
        time.sleep(after_s)

        assert stopped(process) == 0, said(tmp_path)
