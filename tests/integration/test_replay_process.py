"""The replay as a process, against the embedded broker that forgets what is not read in time."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer

from fleetpulse import wire
from fleetpulse.kafka import EmbeddedBroker

pytestmark = pytest.mark.integration

ROWS = 60_000  # of one device, so in one partition: some 14 MB where 5 MiB are kept
TIMEOUT_S = 90


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    broker = EmbeddedBroker(tmp_path)
    yield broker
    broker.close()


@pytest.fixture
def consumer(broker: EmbeddedBroker) -> Iterator[Consumer]:
    consumer = Consumer(
        {
            "bootstrap.servers": broker.address,
            "group.id": "fleetpulse-hardware",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "topic.metadata.refresh.interval.ms": 500,
        }
    )
    consumer.subscribe([r"^telemetry\..*"])
    yield consumer
    consumer.close()


Replay = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def replay(tmp_path: Path) -> Iterator[Replay]:
    """Starts replays of a file; those that still run at the end are killed."""
    started: list[subprocess.Popen[str]] = []

    def start(file: Path, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "generators", "replay", str(file), *words]
        process = subprocess.Popen(
            [*command, "--data", str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def taken(consumer: Consumer) -> list[int]:
    """The numbers of the readings that came in a fifth of a second."""
    messages = consumer.consume(1000, 0.2)
    values = [message.value() for message in messages if message.error() is None]
    return [wire.decode(value)[0].seq for value in values]


def test_nothing_is_lost_on_a_broker_that_forgets_to_a_consumer_that_is_slow(
    tmp_path: Path, consumer: Consumer, replay: Replay
) -> None:
    file = tmp_path / "readings.csv"
    rows = (f"attic,{at * 1000},55.5,42,1.5,2.25,31,5.01\n" for at in range(ROWS))
    header = "device_id,measured_at,temperature_c,load_pct,clock_ghz,load_1m,memory_pct,voltage_v\n"
    file.write_text(header + "".join(rows))
    numbers: list[int] = []

    process = replay(file, "--speed", "max", "--start", "recorded")
    until = time.monotonic() + TIMEOUT_S
    while len(numbers) < ROWS and time.monotonic() < until:
        new = taken(consumer)
        numbers += new
        if new:
            time.sleep(0.02)  # slower than the replay could be
            consumer.commit(asynchronous=False)
    out, _ = process.communicate(timeout=TIMEOUT_S)

    assert process.returncode == 0
    assert numbers == list(range(ROWS))
    assert out == "Published 60,000 of 60,000 readings of 1 device to telemetry.raspberry.\n"


def test_a_stop_ends_it_at_once_with_what_was_published(
    tmp_path: Path, consumer: Consumer, replay: Replay
) -> None:
    file = tmp_path / "readings.csv"
    file.write_text("device_id,t_s,load_pct\nattic,0,5\nattic,3600,6\n")

    process = replay(file)
    until = time.monotonic() + TIMEOUT_S
    while not taken(consumer) and time.monotonic() < until:
        pass
    process.terminate()
    out, _ = process.communicate(timeout=10)

    assert process.returncode == 0
    assert out.startswith("Stopped: published 1 of 2 readings")


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path, replay: Replay) -> None:
    process = replay(tmp_path / "none.csv")
    _, err = process.communicate(timeout=30)

    assert process.returncode == 1
    assert err == f"fleetpulse agent: There is no file {tmp_path / 'none.csv'}.\n"
