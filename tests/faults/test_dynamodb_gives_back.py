"""DynamoDB that gives writes back: the consumer sends them again, and loses nothing."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleetpulse.stores.protocols import Store
from tests.faults.fleet import Fleet
from tests.faults.report import Fault, Report
from tests.faults.stack import Scene
from tests.services.dynamodb import DynamoDBLocal
from tests.services.dynamodb_proxy import DynamoDBProxy, Faults
from tests.services.kafka import Kafka

pytestmark = pytest.mark.integration

DRAINS_S = 60.0
BETWEEN = 3_000  # records


@dataclass(frozen=True, slots=True)
class Throttled:
    """A scene on DynamoDB, and what its proxy can do."""

    scene: Scene
    faults: Faults


@pytest.fixture(params=["reading", "minute"])
def throttled(
    kafka: Kafka,
    stores: Path,
    dynamodb: DynamoDBLocal,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[Throttled]:
    """Each layout."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    with DynamoDBProxy(dynamodb.endpoint) as proxy:
        prefix = f"faults{uuid.uuid4().hex[:8]}"
        url = dynamodb.url(prefix, layout=request.param, endpoint=proxy.endpoint)
        scene = Scene(kafka, stores, url)
        yield Throttled(scene, proxy.faults)
        scene.close()


def test_a_third_of_all_writes_given_back(
    throttled: Throttled, fleet: Fleet, undisturbed: Store, report: Report
) -> None:
    scene, faults = throttled.scene, throttled.faults
    with report.row(Fault.STORE_UNPROCESSED, scene.backend, "30 % of all writes") as row:
        scene.member().start()
        faults.unprocessed = 0.3

        with scene.load(fleet.records) as load:
            scene.wait_for_progress(2 * BETWEEN)
            seconds = scene.catch_up(load, DRAINS_S)

        verdict = scene.verdict(load, undisturbed)
        row.found = f"{verdict}; {faults.given_back} writes given back, drained in {seconds:.1f} s"
        assert faults.given_back > 0
        assert not verdict.faults, verdict.faults
