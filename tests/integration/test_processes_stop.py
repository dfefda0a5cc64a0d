"""Told to stop, every process ends well within ten seconds; the whole local stack too."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer

from fleetpulse import wire
from fleetpulse.cli.readiness import problems_at
from fleetpulse.cli.up import OPS_FILE
from fleetpulse.kafka import EmbeddedBroker, producer
from fleetpulse.stores import open_store
from fleetpulse.telemetry import Reading
from fleetpulse.watch import STOPPED
from tests.integration.processes import running, stopped, until
from tests.services.kafka import Kafka
from tests.services.ports import free_ports

pytestmark = pytest.mark.integration


def test_an_agent_without_a_broker_stops_in_time_and_keeps_its_readings(tmp_path: Path) -> None:
    ops, broker = free_ports(2)
    words = ("generators", "simulated", "--interval", "0.2", "--device-id", "pc-1")
    away = {
        "KAFKA_BROKER_SETTINGS": f"127.0.0.1:{broker}",
        "FLEETPULSE_OPS_PORT": str(ops),
        "FLEETPULSE_LOG": "json",
    }
    with running(words, tmp_path, **away) as agent:
        until(lambda: list((tmp_path / "spool/pc-1").glob("*.readings")))
        until(lambda: problems_at(ops) is not None)

        assert stopped(agent) == 0

    last = json.loads((tmp_path / "output").read_text().splitlines()[-1])
    assert last["event"] == "the agent stopped"
    assert last["waiting"] > 0


@pytest.mark.parametrize("words", [("bot",), ("consumer", "hardware")], ids=lambda words: words[0])
def test_a_process_that_is_told_to_stop_says_so_in_its_last_heartbeat(
    tmp_path: Path, words: Sequence[str]
) -> None:
    port, ops = free_ports(2)
    own = {"FLEETPULSE_PORT": str(port), "FLEETPULSE_OPS_PORT": str(ops)}
    broker = EmbeddedBroker(tmp_path)
    try:
        with running(words, tmp_path, **own) as process:
            until(lambda: problems_at(ops) is not None)
            until(lambda: _details(tmp_path).get(words[0]) == "")

            assert stopped(process) == 0
    finally:
        broker.close()

    assert _details(tmp_path)[words[0]] == STOPPED


def _details(data: Path) -> dict[str, str]:
    """What the processes said in their newest heartbeats."""
    if not (data / "fleetpulse.db").exists():
        return {}
    store = open_store(f"sqlite:///{data / 'fleetpulse.db'}")
    try:
        return {beat.process: beat.detail for beat in store.heartbeats.all()}
    finally:
        store.close()


@pytest.mark.parametrize("trouble", [Kafka.frozen, Kafka.down], ids=["hangs", "is gone"])
def test_a_consumer_stops_in_time_though_its_broker(
    tmp_path: Path, kafka: Kafka, trouble: Callable[[Kafka], AbstractContextManager[None]]
) -> None:
    topic = kafka.topic()
    own = {"KAFKA_BROKER_SETTINGS": kafka.bootstrap_servers, "FLEETPULSE_TOPICS": topic}
    client = producer({"bootstrap.servers": kafka.bootstrap_servers, "linger.ms": 0})
    with running(("consumer", "hardware"), tmp_path, **own) as process:
        until(lambda: _details(tmp_path).get("consumer") == "")
        with _publishing(client, topic):
            until(lambda: _stored(tmp_path) > 1_000)

            with trouble(kafka):
                assert stopped(process) == 0


@contextmanager
def _publishing(client: Producer, topic: str) -> Iterator[None]:
    """Publish some 1,000 readings a second for the length of the block."""
    over = threading.Event()

    def publish() -> None:
        seq = 0
        while not over.wait(0.05):
            for _ in range(50):
                seq += 1
                reading = Reading(device_id="pi-1", kind="raspberry", measured_at=seq, seq=seq)
                client.produce(topic, key="pi-1", value=wire.encode(reading))
            client.poll(0)

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _stored(data: Path) -> int:
    store = open_store(f"sqlite:///{data / 'fleetpulse.db'}")
    try:
        return store.readings.count()
    finally:
        store.close()


def test_the_local_stack_is_watched_and_stops_in_time(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with running(
        ("fleetpulse.cli", "up", "--port", str(port), "--interval", "1"), tmp_path
    ) as stack:
        until(lambda: b"ready after" in (tmp_path / "output").read_bytes())
        ports = json.loads((tmp_path / OPS_FILE).read_text())
        until(lambda: all(problems_at(each) == {} for each in ports.values()))

        assert stopped(stack) == 0

    assert all(problems_at(each) is None for each in ports.values())
    assert set(_details(tmp_path).values()) == {STOPPED}
