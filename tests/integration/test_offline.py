"""A device that stops is called offline by a real consumer; a broker that is away is not one."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fleetpulse import wire
from fleetpulse.alerts import OFFLINE, AlertEvent, RuleChange, State
from fleetpulse.clock import SystemClock
from fleetpulse.kafka import producer
from fleetpulse.stores.protocols import Store
from fleetpulse.telemetry import Reading
from tests.faults.stack import opened
from tests.integration.processes import running, stopped, until
from tests.services.kafka import Kafka

pytestmark = pytest.mark.integration

EVERY_S = 1.0
LOW_LIMIT_S = 10.0  # so that an outage need not last long to be longer
LIMIT_S = 30.0  # by default, also of 6 intervals of 5 s
LATEST_S = 5.0  # past it
PATIENCE_S = 300.0  # each pause of a machine that is busy with others begins the listening anew
ROUNDS = 3  # a machine that stalls listens anew, and says so later


class Fleet:
    """Devices that publish every second, as agents do, until they are stopped."""

    def __init__(self, kafka: Kafka, topic: str, *devices: str) -> None:
        self._client = producer({"bootstrap.servers": kafka.bootstrap_servers})
        self._topic, self._over = topic, threading.Event()
        self.speaking = set(devices)
        self.published_at: dict[str, int] = {}  # the newest reading of each
        self._thread = threading.Thread(target=self._publish, daemon=True)

    def _publish(self) -> None:
        while not self._over.wait(EVERY_S):
            for device in tuple(self.speaking):
                now_ms = SystemClock().now_ms()
                self.published_at[device] = now_ms
                reading = Reading(
                    device_id=device, kind="pc", measured_at=now_ms, seq=now_ms, load_pct=5.0
                )
                self._client.produce(self._topic, key=device, value=wire.encode(reading))
            self._client.poll(0)

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """For the length of a block."""
        self._thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._thread.join()


def told(store: Store, device: str, state: State) -> list[AlertEvent]:
    """The events of a device's silence that say this, oldest first."""
    events = store.alerts.events_page(device_id=device)
    return [one for one in events[::-1] if one.rule == OFFLINE and one.state is state]


def newest_at(store: Store, device: str) -> int:
    """When the newest stored reading of a device was taken."""
    newest = store.readings.latest(device)
    return newest.measured_at if newest else 0


def silence_of(store: Store, fleet: Fleet, device: str) -> AlertEvent:
    """The event of a device that stops, once it is told; it speaks on afterwards."""
    times = len(told(store, device, State.OFFLINE))
    fleet.speaking.discard(device)
    until(lambda: len(told(store, device, State.OFFLINE)) > times, PATIENCE_S)
    fleet.speaking.add(device)
    until(lambda: len(told(store, device, State.ONLINE)) > times, PATIENCE_S)
    return told(store, device, State.OFFLINE)[-1]


def test_a_device_that_stops_is_offline_in_time_and_an_outage_of_the_broker_is_not(
    kafka: Kafka, tmp_path: Path
) -> None:
    topic = kafka.topic(f"telemetry.offline-{uuid.uuid4().hex[:8]}", partitions=2)
    url = f"sqlite:///{tmp_path / 'fleetpulse.db'}"
    fleet = Fleet(kafka, topic, "steady", "stops")
    settings = {
        "KAFKA_BROKER_SETTINGS": kafka.bootstrap_servers,
        "FLEETPULSE_STORE": url,
        "FLEETPULSE_TOPICS": topic,
        "FLEETPULSE_GROUP": topic,
    }
    with opened(url) as store, fleet.publishing():
        low = RuleChange(device_id="steady", rule=OFFLINE, limit=LOW_LIMIT_S, changed_at=1)
        store.rules.put(low)
        with running(["consumer", "hardware"], tmp_path, **settings) as consumer:
            until(lambda: newest_at(store, "steady"), PATIENCE_S)

            with kafka.down():
                time.sleep(1.5 * LOW_LIMIT_S)
            back_at = SystemClock().now_ms()
            until(lambda: newest_at(store, "steady") > back_at + 1000 * LOW_LIMIT_S, PATIENCE_S)

            for _ in range(ROUNDS):
                gone = silence_of(store, fleet, "stops")
                past_limit_s = (gone.value or 0.0) - LIMIT_S
                if past_limit_s <= LATEST_S:
                    break

            assert told(store, "steady", State.OFFLINE) == []
            assert gone.limit == LIMIT_S
            assert 0 <= past_limit_s <= LATEST_S
            assert stopped(consumer) == 0
