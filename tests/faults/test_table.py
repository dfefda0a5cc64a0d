"""The fault table finds what it is there to find: with the product broken, the oracle complains."""

from __future__ import annotations

import pytest

from fleetpulse.stores.protocols import Store
from tests.faults.consumer_process import Inside
from tests.faults.fleet import Fleet
from tests.faults.oracle import Verdict
from tests.faults.report import Fault, Report
from tests.faults.stack import Scene

pytestmark = pytest.mark.integration

CAUGHT_UP_S = 30.0
DIES_S = 60.0


def broken_and_killed(
    scene: Scene, fleet: Fleet, undisturbed: Store, inside: Inside, then: Inside | None
) -> Verdict:
    """What the oracle says of a broken consumer that was killed once."""
    member = scene.member()
    with scene.load(fleet.records) as load:
        member.start(inside)
        assert member.wait(DIES_S) == -9
        member.start(then)
        scene.catch_up(load, CAUGHT_UP_S)
    return scene.verdict(load, undisturbed)


def test_a_consumer_that_commits_before_it_writes_is_found(
    scene: Scene, fleet: Fleet, undisturbed: Store, report: Report
) -> None:
    with report.row(Fault.BROKEN_PRODUCT, "SQLite", "commits before it writes, killed once") as row:
        broken = Inside(commits_first=True, die_at="lettered", die_after=4)

        verdict = broken_and_killed(scene, fleet, undisturbed, broken, None)

        row.found = f"{verdict.lost:,} lost: the oracle says so"
        assert verdict.lost > 0
        assert any("produced, but" in fault for fault in verdict.faults)


def test_a_consumer_that_drops_its_events_is_found(
    scene: Scene, fleet: Fleet, undisturbed: Store, report: Report
) -> None:
    with report.row(Fault.BROKEN_PRODUCT, "SQLite", "drops alert events, killed once") as row:
        broken = Inside(drops_events=True, die_at="committed", die_after=4)

        verdict = broken_and_killed(scene, fleet, undisturbed, broken, Inside(drops_events=True))

        row.found = f"{verdict.lost:,} readings lost, but alert events: the oracle says so"
        assert any("alert events are missing" in fault for fault in verdict.faults)
