"""PostgreSQL that is restarted under load: the consumer waits, and loses nothing."""

from __future__ import annotations

import pytest

from fleetpulse.stores.protocols import Store
from tests.faults.conftest import Size
from tests.faults.fleet import Fleet
from tests.faults.memory import MOST_GROWTH_MB, watched
from tests.faults.report import Fault, Report
from tests.faults.stack import Scene
from tests.services.postgres import Postgres

pytestmark = pytest.mark.integration

DRAINS_S = 60.0
BETWEEN = 5_000  # records
WARM = 10_000  # records, after which a consumer holds all that it ever will


def test_postgres_restarted_under_load(
    postgres_scene: Scene,
    postgres: Postgres,
    fleet: Fleet,
    undisturbed: Store,
    report: Report,
    size: Size,
) -> None:
    restarts = size.of(2, 5)
    with report.row(
        Fault.STORE_RESTARTED, postgres_scene.backend, f"{restarts} times under load (kill -9)"
    ) as row:
        member = postgres_scene.member()
        member.start()

        with postgres_scene.load(fleet.records) as load:
            postgres_scene.wait_for_progress(WARM)
            process_id = member.process_id
            with watched(process_id) as memory:
                for _ in range(restarts):
                    postgres.restart()
                    postgres_scene.wait_for_progress(BETWEEN, DRAINS_S)
                seconds = postgres_scene.catch_up(load, DRAINS_S)

        verdict = postgres_scene.verdict(load, undisturbed)
        row.found = f"{verdict}; drained in {seconds:.1f} s, {memory}"
        assert member.process_id == process_id, "it ended instead of waiting"
        assert memory.growth_mb < MOST_GROWTH_MB
        assert not verdict.faults, verdict.faults
