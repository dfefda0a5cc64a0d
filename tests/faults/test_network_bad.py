"""A slow, resetting, silent network between agent and broker: nothing is lost or stored twice.

Everything is real but the agent's clock; the network is a proxy. See test_agent_offline.py for the
oracle.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.agents import FarKafka, World
from tests.faults.conftest import Size
from tests.faults.report import Fault, Report, Row

pytestmark = pytest.mark.integration

BACKEND = "Kafka, SQLite"
SILENCE_S = 3.0


@pytest.fixture
def world(far_kafka: FarKafka, tmp_path: Path) -> Iterator[World]:
    """An agent, not started, and what is behind it."""
    made = World(far_kafka, tmp_path)
    yield made
    made.proxy.heal()
    made.close()


def judged(world: World, row: Row) -> None:
    """Let the rest arrive, and judge."""
    world.agent.deliver_all()
    verdict = world.verdict()
    row.found = f"{verdict}; {world.proxy.resets} connections reset"
    assert not verdict.faults, verdict.faults
    assert (verdict.lost, verdict.dropped) == (0, 0)


def test_a_slow_network(world: World, report: Report, size: Size) -> None:
    readings = size.of(700, 8_000)
    what = f"{readings:,} readings, 150 ms each way, 30 kB/s"
    with report.row(Fault.NETWORK, BACKEND, what) as row:
        world.proxy.latency_s, world.proxy.bytes_per_s = 0.15, 30_000

        world.agent.start(readings)
        world.agent.wait_for_readings(readings)

        judged(world, row)


def test_a_network_that_resets_connections_in_the_middle_of_records(
    world: World, report: Report, size: Size
) -> None:
    readings, wanted = size.of(2_000, 17_280), size.of(12, 150)
    what = f"{readings:,} readings, reset after 2 to 40 kB, again and again"
    with report.row(Fault.NETWORK, BACKEND, what) as row:
        world.proxy.reset_after = (2_000, 40_000)
        before = world.proxy.resets

        world.agent.start(readings)
        world.agent.wait_for_readings(readings)
        while world.proxy.resets < before + wanted and world.agent.position().waiting:
            time.sleep(0.1)
        world.proxy.heal()

        assert world.proxy.resets - before >= 5
        judged(world, row)


def test_a_network_that_falls_silent_and_is_cut(world: World, report: Report, size: Size) -> None:
    times, each = size.of(1, 8), 600
    with report.row(Fault.NETWORK, BACKEND, f"{times} times silent for 3 s, then cut") as row:
        world.proxy.bytes_per_s = 30_000
        for _ in range(times):
            world.agent.start(each)
            world.agent.wait_for_readings(each)
            with world.proxy.silent():
                assert world.agent.position().waiting, "the network was too fast for this test"
                time.sleep(SILENCE_S)
                with world.proxy.cut():
                    time.sleep(SILENCE_S / 3)
            world.agent.deliver_all()
        world.proxy.heal()

        world.agent.start(1)
        judged(world, row)
