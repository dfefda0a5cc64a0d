"""An agent and a broker as real processes: killed, away, moved; every reading arrives in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from fleetpulse import wire
from fleetpulse.address import BROKER_FILE
from fleetpulse.kafka import embedded_address

pytestmark = pytest.mark.integration

TOPIC = "telemetry.pc1"
PATIENCE_S = 30.0
BROKER = """
import sys, time
from pathlib import Path
from fleetpulse.kafka import EmbeddedBroker
broker = EmbeddedBroker(Path(sys.argv[1]))
time.sleep(600)
"""


class Stack:
    """A broker and an agent in processes of their own, and a consumer here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broker = self.started_broker()
        self.agent = self.started_agent()
        self.consumer = self.connected_consumer()
        self.seqs: list[int] = []  # as they arrived, repeats left out

    def started_broker(self) -> subprocess.Popen[bytes]:
        (self.folder / BROKER_FILE).unlink(missing_ok=True)
        broker = subprocess.Popen([sys.executable, "-c", BROKER, str(self.folder)])
        patient(lambda: (self.folder / BROKER_FILE).exists())
        return broker

    def started_agent(self) -> subprocess.Popen[bytes]:
        words = ["pc", "--interval", "0.02", "--data", str(self.folder), "--topic", TOPIC]
        return subprocess.Popen([sys.executable, "-m", "generators", *words, "--device-id", "pc1"])

    def connected_consumer(self) -> Consumer:
        consumer = Consumer(
            {
                "bootstrap.servers": embedded_address(self.folder),
                "group.id": "test",
                "auto.offset.reset": "earliest",
                "topic.metadata.refresh.interval.ms": 200,
                "log_level": 0,
            }
        )
        # Without a group there is no coordinator to miss when the broker is killed.
        consumer.assign([TopicPartition(TOPIC, number, OFFSET_BEGINNING) for number in range(4)])
        return consumer

    def read(self, seconds: float = 0.5) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            message = self.consumer.poll(0.1)
            if message is not None and message.error() is None:
                reading, _ = wire.decode(message.value())
                if reading.seq not in self.seqs:
                    self.seqs.append(reading.seq)

    def read_more(self, readings: int) -> None:
        """Read until that many new readings have arrived."""
        goal = len(self.seqs) + readings

        def enough() -> bool:
            self.read(0.2)
            return len(self.seqs) >= goal

        patient(enough)

    def end(self) -> None:
        self.consumer.close()
        for process in (self.agent, self.broker):
            process.kill()
            process.wait()


def patient(holds: object) -> None:
    """Return once it holds."""
    assert callable(holds)
    until = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


def in_order(seqs: list[int]) -> bool:
    """Whether every seq from 1 on is there, each after the one before."""
    return seqs == list(range(1, len(seqs) + 1))


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    started = Stack(tmp_path)
    yield started
    started.end()


def test_an_agent_that_is_killed_loses_nothing(stack: Stack) -> None:
    for _ in range(3):
        stack.read_more(20)
        stack.agent.kill()
        stack.agent.wait()
        stack.agent = stack.started_agent()
    stack.read_more(20)

    assert in_order(stack.seqs)


def test_readings_taken_while_the_broker_is_away_arrive_in_order_on_its_return(
    stack: Stack,
) -> None:
    stack.read_more(20)
    stack.broker.send_signal(signal.SIGSTOP)
    time.sleep(2)
    stack.agent.kill()  # also a kill with the broker away
    stack.agent.wait()
    stack.agent = stack.started_agent()
    time.sleep(2)
    stack.broker.send_signal(signal.SIGCONT)

    stack.read_more(100)

    assert in_order(stack.seqs)


def test_a_broker_that_comes_back_somewhere_else_is_found(stack: Stack) -> None:
    stack.read_more(20)
    stack.agent.send_signal(signal.SIGSTOP)
    stack.read(1.0)  # everything that the broker has acknowledged
    stack.consumer.close()
    stack.broker.kill()
    stack.broker.wait()
    stack.agent.send_signal(signal.SIGCONT)
    time.sleep(1)

    stack.broker = stack.started_broker()
    stack.consumer = stack.connected_consumer()
    stack.read_more(100)

    assert in_order(stack.seqs)


def test_sigterm_delivers_what_is_under_way_and_ends_within_two_seconds(stack: Stack) -> None:
    stack.read_more(5)
    began = time.monotonic()

    stack.agent.terminate()
    code = stack.agent.wait(timeout=10)

    assert code == 0
    assert time.monotonic() - began < 2.5
    stack.read(1.0)
    assert in_order(stack.seqs)


def test_sigterm_ends_it_within_seconds_also_while_the_broker_is_away(stack: Stack) -> None:
    stack.read_more(5)
    stack.broker.send_signal(signal.SIGSTOP)
    time.sleep(0.5)
    began = time.monotonic()

    stack.agent.terminate()
    code = stack.agent.wait(timeout=10)
    took_s = time.monotonic() - began

    stack.broker.send_signal(signal.SIGCONT)
    assert code == 0
    assert took_s < 4


def test_a_second_agent_is_refused_with_one_sentence(stack: Stack) -> None:
    stack.read_more(1)

    second = subprocess.run(
        [sys.executable, "-m", "generators", "pc", "--data", str(stack.folder)]
        + ["--device-id", "pc1"],
        capture_output=True,
        text=True,
        env=os.environ,
        timeout=20,
    )

    assert second.returncode == 1
    assert second.stderr.startswith("fleetpulse agent: Another agent uses the spool")
    assert second.stderr.count("\n") == 1
