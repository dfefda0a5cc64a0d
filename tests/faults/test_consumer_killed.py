"""A consumer that is killed at any step stores what an undisturbed one stores: on real Kafka."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from fleetpulse import wire
from fleetpulse.alerts import AlertEvent
from fleetpulse.kafka import producer
from fleetpulse.stores import open_store
from fleetpulse.stores.protocols import StoredReading
from fleetpulse.telemetry import Reading
from generators.simulated import training_fleet
from tests.services.kafka import Kafka

pytestmark = pytest.mark.integration

DEVICES = 12
MOST_S = 90
# Past the first batches a kill falls between a judged episode and its end.
KILLS = (("read", 4), ("staged", 4), ("lettered", 4), ("written", 4), ("committed", 4))


def recorded() -> list[Reading]:
    """Readings of a simulated fleet in time order; several of it get too hot."""
    fleet = training_fleet(seed=7, devices=DEVICES, seconds=2400)
    readings = [reading for _, _, of_device in fleet for reading in of_device]
    return sorted(readings, key=lambda reading: (reading.measured_at, reading.device_id))


class Stage:
    """A topic full of readings, and consumers that read it into a store each."""

    def __init__(self, kafka: Kafka, folder: Path) -> None:
        self.bootstrap = kafka.bootstrap_servers
        self.topic = kafka.topic(partitions=3)
        self.readings = recorded()
        self._folder = folder
        client = producer({"bootstrap.servers": self.bootstrap})
        for reading in self.readings:
            client.produce(self.topic, key=reading.device_id, value=wire.encode(reading))
            client.poll(0)
        assert client.flush(30) == 0

    def consume(self, name: str, *failpoint: str) -> subprocess.Popen[bytes]:
        """Start a consumer of this name's group and store."""
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.faults.consumer_process"),
                *(self.bootstrap, self.url(name), self.topic, name, *failpoint),
            ]
        )

    def url(self, name: str) -> str:
        return f"sqlite:///{self._folder / name}.db"

    def finish(self, name: str) -> None:
        """Consume until every reading is stored."""
        process = self.consume(name)
        store = open_store(self.url(name))
        until = time.monotonic() + MOST_S
        while store.readings.count() < len(self.readings):
            assert process.poll() is None, f"the consumer ended with {process.returncode}"
            assert time.monotonic() < until, f"only {store.readings.count()} rows came"
            time.sleep(0.2)
        store.close()
        process.terminate()
        assert process.wait(20) == 0

    def outcome(self, name: str) -> tuple[list[AlertEvent], list[StoredReading]]:
        """All that this consumer stored, in a stated order."""
        store = open_store(self.url(name))
        devices = [device.device_id for device in store.devices.page(limit=1000)]
        rows = [row for device in devices for row in store.readings.page(device, limit=1_000_000)]
        events = store.alerts.events_page(limit=1_000_000)
        store.close()
        return sorted(events, key=lambda event: event.event_id), rows


@pytest.fixture(scope="module")
def stage(kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    made = Stage(kafka, tmp_path_factory.mktemp("stores"))
    made.finish("undisturbed")
    return made


def test_the_undisturbed_run_has_something_to_lose(stage: Stage) -> None:
    events, rows = stage.outcome("undisturbed")

    assert len(rows) == len(stage.readings)
    assert len({event.state for event in events}) >= 3


@pytest.mark.parametrize(("step", "nth"), KILLS)
def test_killed_at_a_step_it_ends_with_the_same_rows_and_events(
    stage: Stage, step: str, nth: int
) -> None:
    name = f"killed-{step}"
    killed = stage.consume(name, step, str(nth))
    assert killed.wait(MOST_S) == -9

    stage.finish(name)

    events, rows = stage.outcome(name)
    expected_events, expected_rows = stage.outcome("undisturbed")
    assert events == expected_events
    assert rows == expected_rows
