"""A broker that is killed under load loses nothing that it acknowledged."""

from __future__ import annotations

from functools import partial

import pytest

from fleetpulse.stores.protocols import Store
from tests.faults.conftest import Size
from tests.faults.fleet import Fleet
from tests.faults.report import Fault, Report
from tests.faults.stack import Scene
from tests.services.kafka import Kafka

pytestmark = pytest.mark.integration

RESUMES_S = 30.0
CAUGHT_UP_S = 30.0
BETWEEN = 5_000  # records that are committed between two kills, at least


def test_a_broker_killed_again_and_again(
    kafka: Kafka, sampled_scene: Scene, fleet: Fleet, undisturbed: Store, report: Report, size: Size
) -> None:
    scene = sampled_scene
    kills = size.of(2, 5)
    with report.row(Fault.BROKER_KILLED, scene.backend, f"{kills} times under load") as row:
        member, away_s = scene.member(), []
        member.start()

        with scene.load(fleet.records) as load:
            for _ in range(kills):
                scene.wait_for_progress(BETWEEN)
                kafka.restart()
                resumed = scene.wait_until(
                    partial(further_than, scene, scene.group.committed()),
                    RESUMES_S,
                    "did not resume",
                )
                away_s.append(resumed)
            scene.catch_up(load, CAUGHT_UP_S)

        verdict = scene.verdict(load, undisturbed)
        row.found = f"{verdict}; resumed within {max(away_s):.1f} s"
        assert not verdict.faults, verdict.faults


def further_than(scene: Scene, stood_at: int) -> bool:
    """Whether the group has committed more than then."""
    return scene.group.committed() > stood_at
