"""An agent that is cut off for a day, is killed in the middle of it, or finds its spool damaged.

Everything is real but the agent's clock: agent, spool, broker, consumer and store. The oracle: what
was produced is stored, or counted as dropped by the agent, and nothing twice; the log has the
readings in their order; readings, predictions and alert events are those of a consumer that got
each record once.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.agents import FarKafka, World, flip_bytes, segments
from tests.faults.conftest import Size
from tests.faults.report import Fault, Report

pytestmark = pytest.mark.integration

DAY = 24 * 3600 // 5  # readings
BACKEND = "Kafka, SQLite"


@pytest.fixture
def world(far_kafka: FarKafka, tmp_path: Path) -> Iterator[World]:
    """An agent, not started, and what is behind it."""
    made = World(far_kafka, tmp_path)
    yield made
    made.close()


def test_offline_for_a_day(world: World, report: Report, size: Size) -> None:
    readings = size.of(DAY // 4, DAY)
    with report.row(Fault.AGENT_OFFLINE, BACKEND, f"cut off for {readings:,} readings") as row:
        world.agent.start(100)
        world.agent.deliver_all()

        with world.proxy.cut():
            world.agent.start(readings)
            world.agent.wait_for_readings(readings)
        world.agent.deliver_all()

        verdict = world.verdict()
        row.found = str(verdict)
        assert not verdict.faults, verdict.faults
        assert (verdict.lost, verdict.dropped) == (0, 0)
        assert verdict.produced == 100 + readings
        assert verdict.events > 10


def test_killed_while_it_writes_and_while_it_delivers(
    world: World, report: Report, size: Size
) -> None:
    kills, between = size.of(4, 15), 800
    with report.row(
        Fault.AGENT_KILLED, BACKEND, f"{kills} times while it writes, {kills} while it delivers"
    ) as row:
        with world.proxy.cut():
            for _ in range(kills):
                world.agent.start(10 * between)
                world.agent.wait_for_readings(between)
                world.agent.kill()
        world.proxy.bytes_per_s = 200_000
        for _ in range(kills):
            world.agent.start(between)
            world.agent.wait_for_delivery(between)
            world.agent.kill()
        world.proxy.bytes_per_s = None
        world.agent.start(1)
        world.agent.deliver_all()

        verdict = world.verdict()
        row.found = str(verdict)
        assert not verdict.faults, verdict.faults
        assert (verdict.lost, verdict.dropped) == (0, 0)


def cut_short(spool: Path, rng: random.Random) -> None:
    """Take the end of the newest file away."""
    newest = segments(spool)[-1]
    os.truncate(newest, rng.randint(1, newest.stat().st_size - 1))


def garble(spool: Path, rng: random.Random) -> None:
    """Change bytes in every file."""
    for path in segments(spool):
        flip_bytes(path, 25, rng)


def remove_one(spool: Path, rng: random.Random) -> None:
    """Take a whole file away."""
    rng.choice(segments(spool)).unlink()


def test_its_spool_is_damaged(world: World, report: Report, size: Size) -> None:
    rounds, each, rng = size.of(1, 5), size.of(2_500, 6_000), random.Random(7)
    kinds: list[Callable[[Path, random.Random], None]] = [cut_short, garble, remove_one]
    what = f"{each:,} waiting readings cut short, garbled, a file removed; {rounds} times each"
    with report.row(Fault.SPOOL_DAMAGED, BACKEND, what) as row:
        for damage in kinds * rounds:
            with world.proxy.cut():
                world.agent.start(each)
                world.agent.wait_for_readings(each)
                world.agent.kill()
            dropped = world.agent.position().dropped
            damage(world.agent.spool, rng)
            world.agent.start(1)
            world.agent.deliver_all()
            assert world.agent.position().dropped > dropped

        verdict = world.verdict()
        row.found = str(verdict)
        assert not verdict.faults, verdict.faults
        assert verdict.dropped > 0


def test_its_spool_is_full(far_kafka: FarKafka, report: Report, size: Size, tmp_path: Path) -> None:
    readings = size.of(4_000, DAY)
    world = World(far_kafka, tmp_path, cap_bytes=256 * 1024)
    with report.row(
        Fault.SPOOL_DAMAGED, BACKEND, f"{readings:,} readings and two kills at a cap of 256 KiB"
    ) as row:
        try:
            with world.proxy.cut():
                for _ in range(2):
                    world.agent.start(readings)
                    world.agent.wait_for_readings(readings // 2)
                    world.agent.kill()
                kept = sum(path.stat().st_size for path in segments(world.agent.spool))
            world.agent.start(100)
            world.agent.deliver_all()

            verdict = world.verdict()
        finally:
            world.close()
        row.found = str(verdict)
        assert not verdict.faults, verdict.faults
        assert kept <= 256 * 1024
        assert verdict.dropped > 0
        assert verdict.stored > 500
