"""DynamoDB that gives writes back, or takes none for minutes: nothing is lost."""

from __future__ import annotations

import time

import pytest

from fleetpulse.stores.protocols import Store
from tests.faults.conftest import DynamoDBScene, Size, layouts
from tests.faults.consumer_process import Inside
from tests.faults.fleet import Fleet
from tests.faults.memory import MOST_GROWTH_MB, watched
from tests.faults.report import Fault, Report
from tests.services.dynamodb_proxy import THROUGHPUT

pytestmark = pytest.mark.integration

CAUGHT_UP_S = 15.0
DRAINS_S = 60.0
DIES_S = 60.0
AMONG_WRITES = 30  # requests of 25 items each: in the middle of the first saves
BETWEEN = 3_000  # records
WARM = 8_000  # records, after which a consumer holds all that it ever will


@pytest.mark.parametrize("dynamodb_scene", layouts("minute"), indirect=True)
def test_a_third_of_all_writes_given_back(
    dynamodb_scene: DynamoDBScene, fleet: Fleet, undisturbed: Store, report: Report, size: Size
) -> None:
    scene, faults = dynamodb_scene.scene, dynamodb_scene.faults
    with report.row(Fault.STORE_UNPROCESSED, scene.backend, "30 % of all writes") as row:
        member = scene.member()
        member.start()

        with scene.load(fleet.records) as load:
            scene.wait_for_progress(WARM)
            with watched(member.process_id) as memory:
                faults.unprocessed = 0.3
                scene.wait_for_progress(size.of(1, 2) * BETWEEN)
                seconds = scene.catch_up(load, DRAINS_S)

        verdict = scene.verdict(load, undisturbed)
        given_back = f"{faults.given_back} writes given back"
        row.found = f"{verdict}; {given_back}, drained in {seconds:.1f} s, {memory}"
        assert faults.given_back > 0
        assert memory.growth_mb < MOST_GROWTH_MB
        assert not verdict.faults, verdict.faults


@pytest.mark.parametrize("dynamodb_scene", layouts("reading"), indirect=True)
def test_full_throttling(
    dynamodb_scene: DynamoDBScene, fleet: Fleet, undisturbed: Store, report: Report, size: Size
) -> None:
    scene, faults = dynamodb_scene.scene, dynamodb_scene.faults
    lasts_s = size.of(10, 120)
    with report.row(Fault.STORE_THROTTLES, scene.backend, f"every request, {lasts_s} s") as row:
        member = scene.member()
        member.start()

        with scene.load(fleet.records) as load:
            scene.wait_for_progress(WARM)
            with watched(member.process_id) as memory:
                faults.refuse_with = THROUGHPUT
                time.sleep(lasts_s)
                stood_at = scene.group.committed()
                faults.heal()
                resumed_s = scene.wait_until(
                    lambda: scene.group.committed() > stood_at, DRAINS_S, "did not resume"
                )
                seconds = scene.catch_up(load, DRAINS_S)

        verdict = scene.verdict(load, undisturbed)
        row.found = f"{verdict}; resumed in {resumed_s:.1f} s, drained in {seconds:.1f} s, {memory}"
        assert memory.growth_mb < MOST_GROWTH_MB
        assert not verdict.faults, verdict.faults


@pytest.mark.parametrize("dynamodb_scene", layouts("minute"), indirect=True)
def test_a_consumer_killed_on_dynamodb(
    dynamodb_scene: DynamoDBScene, fleet: Fleet, undisturbed: Store, report: Report, size: Size
) -> None:
    scene, kills = dynamodb_scene.scene, size.of(2, 10)
    inside = "in turn under load and among the writes of a save"
    with report.row(Fault.CONSUMER_KILLED, scene.backend, f"{kills} times, {inside}") as row:
        member = scene.member()

        with scene.load(fleet.records) as load:
            for number in range(kills):
                if number % 2:
                    member.start(Inside(die_at="saving", die_after=AMONG_WRITES))
                    assert member.wait(DIES_S) == -9
                else:
                    member.start()
                    scene.wait_for_progress(BETWEEN)
                    member.kill()
            member.start()
            scene.wait_for_progress(BETWEEN)
            seconds = scene.catch_up(load, CAUGHT_UP_S)

        verdict = scene.verdict(load, undisturbed)
        row.found = f"{verdict}; caught up in {seconds:.1f} s"
        assert not verdict.faults, verdict.faults
