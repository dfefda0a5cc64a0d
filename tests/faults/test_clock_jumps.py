"""An agent's clock jumps an hour back, or forward: no reading overwrites another, no false alert.

The machine is idle, so that every alert event would be a false one. See test_agent_offline.py for
the oracle.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.presence import clock_trouble
from fleetpulse.presence import stale_after_ms
from tests.faults.agents import DEVICE, INTERVAL_MS, FarKafka, World
from tests.faults.report import Fault, Report

pytestmark = pytest.mark.integration

BACKEND = "Kafka, SQLite"
HOUR_MS = 3600 * 1000
READINGS = 2 * 900  # more than an hour before the jump, and after it


@pytest.fixture
def world(far_kafka: FarKafka, tmp_path: Path) -> Iterator[World]:
    """An idle machine's agent, not started, and what is behind it."""
    made = World(far_kafka, tmp_path)
    made.agent.scenario = "idle"
    yield made
    made.close()


@pytest.mark.parametrize("jump_ms", [-HOUR_MS, HOUR_MS], ids=["back", "forward"])
def test_a_clock_jumps_an_hour(world: World, report: Report, jump_ms: int) -> None:
    way = "back" if jump_ms < 0 else "forward, still in the past"
    with report.row(Fault.CLOCK_JUMPS, BACKEND, f"an hour {way}") as row:
        world.agent.start(READINGS, jump_ms=jump_ms)
        world.agent.deliver_all()

        verdict = world.verdict()
        row.found = str(verdict)
        assert not verdict.faults, verdict.faults
        assert verdict.stored == verdict.produced >= READINGS - 1
        assert verdict.events == 0


def test_a_clock_that_jumps_into_the_future_is_told_on_the_device_s_page(
    world: World, report: Report
) -> None:
    with report.row(Fault.CLOCK_JUMPS, BACKEND, "an hour forward, into the future") as row:
        now_ms = time.time_ns() // 1_000_000
        world.agent.began_ms = now_ms - READINGS // 2 * INTERVAL_MS
        world.agent.start(READINGS, jump_ms=HOUR_MS)
        world.agent.deliver_all()

        verdict = world.verdict()
        row.found = str(verdict)
        assert not verdict.faults, verdict.faults
        assert verdict.stored > 0 < verdict.lettered
        assert verdict.events == 0
        with world.store() as store:
            device = store.devices.get(DEVICE)
            assert device is not None
            latest = store.readings.latest(DEVICE)
            trouble = clock_trouble(
                device, latest, now_ms=now_ms, stale_after_ms=stale_after_ms(INTERVAL_MS / 1000)
            )
        assert trouble is not None
        assert "is 1 h" in trouble.note or "is 2 h" in trouble.note
        assert "its readings are refused" in trouble.note
