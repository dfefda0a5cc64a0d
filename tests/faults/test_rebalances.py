"""Members come, go, die and are too slow: what the group stores is what one consumer stores."""

from __future__ import annotations

import contextlib
import itertools
import time
from pathlib import Path

import pytest
from confluent_kafka import KafkaError

from fleetpulse.stores.protocols import Store
from tests.faults.conftest import Size, is_full
from tests.faults.consumer_process import Inside
from tests.faults.fleet import Fleet
from tests.faults.report import Fault, Report
from tests.faults.stack import PARTITIONS, Scene
from tests.services.mock_kafka import MockKafka, Request

pytestmark = pytest.mark.integration

REPLACED_S = 15.0
LAG_GONE_S = 30.0
BETWEEN = 3_000  # records
RATE = 2_000  # readings a second: what must last while members come and go
AHEAD_OF_MOCK = 8_000  # records: it forgets all but some 5 MiB of a partition
# As short as the session's timeout allows.
SHORT_POLL_MS, TOO_SLOW_S = 10_000, 14.0


def test_a_storm_of_members_that_join_and_leave(
    sampled_scene: Scene, fleet: Fleet, undisturbed: Store, report: Report, size: Size
) -> None:
    scene = sampled_scene
    lasts_s, every_s = size.of(12, 120), size.of(3, 5)
    changes = lasts_s // every_s
    rate = len(fleet) // lasts_s
    injected = f"{changes} times a member joins or leaves, every {every_s} s; {rate:,} readings/s"
    with report.row(Fault.REBALANCE_STORM, scene.backend, injected) as row:
        scene.member(static=False).start()
        guests = itertools.cycle([scene.member(static=False) for _ in range(2)])
        scene.wait_until(lambda: bool(scene.group.shares()), LAG_GONE_S, "nobody joined")

        with scene.load(fleet.records, rate=rate) as load:
            for _ in range(changes):
                guest = next(guests)
                if guest.runs:
                    guest.stop()
                else:
                    guest.start()
                time.sleep(every_s)
            seconds = scene.catch_up(load, LAG_GONE_S)

        verdict = scene.verdict(load, undisturbed)
        row.found = f"{verdict}; lag gone in {seconds:.1f} s"
        assert not verdict.faults, verdict.faults


def test_a_second_consumer_takes_half_and_is_replaced_when_killed(
    sampled_scene: Scene, fleet: Fleet, undisturbed: Store, report: Report
) -> None:
    scene = sampled_scene
    with report.row(Fault.MEMBER_JOINS, scene.backend, f"once each; {RATE:,} readings/s") as row:
        first, second = scene.member(static=False), scene.member(static=False)
        first.start()

        with scene.load(fleet.records, rate=RATE) as load:
            scene.wait_for_progress(BETWEEN)
            second.start()
            half = [PARTITIONS // 2, PARTITIONS // 2]
            scene.wait_until(lambda: scene.group.shares() == half, LAG_GONE_S, "not shared")
            scene.wait_for_progress(BETWEEN)
            second.kill()
            replaced_s = scene.wait_until(
                lambda: scene.group.shares() == [PARTITIONS], REPLACED_S, "not replaced"
            )
            scene.wait_for_progress(BETWEEN)
            scene.catch_up(load, LAG_GONE_S)

        verdict = scene.verdict(load, undisturbed)
        row.found = f"{verdict}; replaced in {replaced_s:.1f} s"
        assert not verdict.faults, verdict.faults


def test_commits_that_the_group_refuses(
    mock_kafka: MockKafka,
    stores: Path,
    fleet: Fleet,
    undisturbed: Store,
    report: Report,
    size: Size,
) -> None:
    times = size.of(1, 5)
    with (
        report.row(Fault.COMMIT_FAILS, "SQLite", f"{times} times, librdkafka's mock") as row,
        contextlib.closing(Scene(mock_kafka, stores, ahead=AHEAD_OF_MOCK)) as scene,
    ):
        scene.member(static=False).start()

        with scene.load(fleet.records) as load:
            for _ in range(times):
                scene.wait_for_progress(BETWEEN)
                # The coordinator has gone on to another generation: it says so to both.
                mock_kafka.fail(Request.OFFSET_COMMIT, KafkaError.ILLEGAL_GENERATION)
                mock_kafka.fail(Request.HEARTBEAT, KafkaError.ILLEGAL_GENERATION)
            scene.wait_for_progress(BETWEEN)
            scene.catch_up(load, LAG_GONE_S)

        verdict = scene.verdict(load, undisturbed)
        row.found = f"{verdict}; no commit went back"
        assert not verdict.faults, verdict.faults


@pytest.mark.parametrize("step", ["staged", "saving"] if is_full() else ["saving"])
def test_a_step_slower_than_the_group_waits_for(
    scene: Scene, fleet: Fleet, undisturbed: Store, report: Report, step: str
) -> None:
    injected = f"once, at the step `{step}`; another member takes over; {RATE:,} readings/s"
    with report.row(Fault.SLOW_STAGE, scene.backend, injected) as row:
        slow, other = scene.member(static=False), scene.member(static=False)
        slow.start(
            Inside(
                slow_at=step,
                slow_after=4,
                slow_s=TOO_SLOW_S,
                client={"max.poll.interval.ms": SHORT_POLL_MS},
            )
        )

        with scene.load(fleet.records, rate=RATE) as load:
            scene.wait_for_progress(BETWEEN)
            other.start()
            scene.wait_until(
                lambda: scene.group.shares() == [PARTITIONS], 2 * TOO_SLOW_S, "not taken over"
            )
            scene.wait_until(lambda: len(scene.group.shares()) == 2, LAG_GONE_S, "not back")
            scene.wait_for_progress(BETWEEN)
            scene.catch_up(load, LAG_GONE_S)

        verdict = scene.verdict(load, undisturbed)
        row.found = f"{verdict}; no commit went back"
        assert not verdict.faults, verdict.faults
