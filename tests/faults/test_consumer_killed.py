"""A consumer that is killed under load stores what an undisturbed one stores: on real Kafka."""

from __future__ import annotations

import pytest

from fleetpulse.stores.protocols import Store
from tests.faults.conftest import Size
from tests.faults.consumer_process import STEPS, Inside
from tests.faults.fleet import Fleet
from tests.faults.report import Fault, Report
from tests.faults.stack import Scene

pytestmark = pytest.mark.integration

CAUGHT_UP_S = 15.0
STEPS_OF_A_STORE = ("saving", "written", "committed")  # the others are the same on each
BETWEEN = 5_000  # records that are committed between two kills, at least
DIES_S = 60.0


def test_the_undisturbed_run_has_something_to_lose(fleet: Fleet, undisturbed: Store) -> None:
    events = undisturbed.alerts.events_page(limit=100_000)

    assert undisturbed.readings.count() == len(fleet)
    assert len(events) >= 100
    assert {event.rule for event in events} >= {"heat", "overload", "memory", "undervoltage"}
    assert {event.state for event in events} >= {"soon", "stressed", "recovered"}


def test_killed_again_and_again_under_load(
    any_scene: Scene, fleet: Fleet, undisturbed: Store, report: Report, size: Size
) -> None:
    kills = size.of(3, 30)
    with report.row(Fault.CONSUMER_KILLED, any_scene.backend, f"{kills} times under load") as row:
        member = any_scene.member()
        member.start()

        with any_scene.load(fleet.records) as load:
            for _ in range(kills):
                any_scene.wait_for_progress(BETWEEN)
                member.kill()
                member.start()
            seconds = any_scene.catch_up(load, CAUGHT_UP_S)

        verdict = any_scene.verdict(load, undisturbed)
        row.found = f"{verdict}; caught up in {seconds:.1f} s"
        assert not verdict.faults, verdict.faults


def test_killed_at_each_step(
    any_scene: Scene, fleet: Fleet, undisturbed: Store, report: Report, size: Size
) -> None:
    kills = size.of(1, 3)
    steps = STEPS if size.full or any_scene.backend == "SQLite" else STEPS_OF_A_STORE
    injected = f"{kills} times at each of {', '.join(steps)}"
    with report.row(Fault.CONSUMER_KILLED_AT_STEP, any_scene.backend, injected) as row:
        member = any_scene.member()

        with any_scene.load(fleet.records) as load:
            for step in steps * kills:
                begin = any_scene.group.committed()
                member.start(Inside(die_at=step, die_after=4))
                assert member.wait(DIES_S) == -9
                assert any_scene.group.committed() > begin
            member.start()
            any_scene.catch_up(load, CAUGHT_UP_S)

        verdict = any_scene.verdict(load, undisturbed)
        row.found = str(verdict)
        assert not verdict.faults, verdict.faults
