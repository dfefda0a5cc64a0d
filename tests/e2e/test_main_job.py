"""The main job, as a new user meets it: from sensors to a warning in the chat, by one command.

It runs twice at the same time: on the embedded broker, and on real Apache Kafka.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.services.kafka import Kafka
from tests.services.ports import free_ports

pytestmark = pytest.mark.integration

READY_S = 30  # the promise; installation aside
WARNED_S = 150
RECOVERED_S = 300


class Stack:
    """`fleetpulse up` in a folder and on a port of its own."""

    def __init__(self, data: Path, **environment: str) -> None:
        self.data = data
        self.port = free_ports(1)[0]
        self.started_at = time.monotonic()
        self.output = data.parent / f"{data.name}-{self.port}.txt"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "fleetpulse.cli", "up"),
                    *("--port", str(self.port), "--data", data.name),  # as the default, relative
                ],
                cwd=data.parent,
                env=os.environ | environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def get(self, path: str) -> Any:
        """What the stack answers, as JSON. Raises OSError."""
        return json.loads(self.load(path))

    def load(self, path: str) -> bytes:
        """The same as bytes."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:  # noqa: S310
            content: bytes = answer.read()
            return content

    def is_ready(self) -> bool:
        try:
            self.get("/readyz")
        except OSError:
            return False
        return True

    def wait_until_ready(self) -> None:
        """Fails when it does not get ready."""
        until = time.monotonic() + 2 * READY_S
        while not self.is_ready():
            assert time.monotonic() < until, self.output.read_text()
            time.sleep(0.2)

    def messages(self, words: str) -> list[dict[str, Any]]:
        """The chat's messages of the simulated Pi that say so, oldest first."""
        items = self.get("/chat/messages")["items"]
        return [one for one in items if words in one["text"] and "raspberry1" in one["text"]]

    def wait_for(self, words: str, within_s: float) -> dict[str, Any]:
        """The first such message; fails when it has not come so long after the start."""
        while not (found := self.messages(words)):
            waited_s = time.monotonic() - self.started_at
            assert waited_s < within_s, f"no {words!r} within {within_s} s:\n{self.history()}"
            time.sleep(0.5)
        return found[0]

    def history(self) -> str:
        """What was said and measured, for the reader of a failed test."""
        readings = self.get("/api/v1/devices/raspberry1/readings?limit=100")["items"]
        rows = [
            f"{one['measured_at']} {one['temperature_c']} °C {one['load_pct']} % "
            f"p={one['probability']} {one['status']}"
            for one in readings
        ]
        texts = [one["text"] for one in self.get("/chat/messages")["items"]]
        return "\n".join([self.output.read_text(), *texts, *rows])

    def children(self) -> list[int]:
        """The process ids of the parts."""
        listing = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)],
            capture_output=True,
            text=True,
            check=False,
        )
        return [int(word) for word in listing.stdout.split()]

    def stop(self, with_signal: int = signal.SIGINT) -> float:
        """Ask it to stop; how long that took, s."""
        began = time.monotonic()
        self.process.send_signal(with_signal)
        self.process.wait(30)
        return time.monotonic() - began


@pytest.fixture(scope="module")
def stacks(kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Stack]]:
    folder = tmp_path_factory.mktemp("main-job")
    started = {
        "embedded": Stack(folder / "embedded", KAFKA_BROKER_SETTINGS=""),
        "kafka": Stack(folder / "kafka", KAFKA_BROKER_SETTINGS=kafka.bootstrap_servers),
    }
    yield started
    for stack in started.values():
        if stack.process.poll() is None:
            stack.stop()


@pytest.fixture(params=["embedded", "kafka"])
def stack(request: pytest.FixtureRequest, stacks: dict[str, Stack]) -> Stack:
    return stacks[str(request.param)]


def test_it_is_ready_within_half_a_minute(stacks: dict[str, Stack]) -> None:
    waiting = dict(stacks)
    while waiting:
        for name, stack in list(waiting.items()):
            if stack.is_ready():
                del waiting[name]
            # Two stacks start at once on two cores: each may take twice its time.
            assert time.monotonic() - stack.started_at < 2 * READY_S, stack.output.read_text()
        time.sleep(0.2)


def test_three_devices_are_listed_with_what_they_have(stack: Stack) -> None:
    stack.wait_for("will soon be stressed", WARNED_S)

    devices = {one["device_id"]: one for one in stack.get("/api/v1/devices")["items"]}

    assert {"pc2", "raspberry1"} < set(devices)
    assert len(devices) == 3


def test_the_chat_warns_before_the_limit_is_reached(stack: Stack) -> None:
    soon = stack.wait_for("will soon be stressed", WARNED_S)
    stressed = stack.wait_for("is stressed", RECOVERED_S)

    assert soon["at"] < stressed["at"]
    assert "%" in soon["text"]
    assert stack.load(soon["photo_url"]).startswith(b"\x89PNG")


def test_the_chat_says_that_it_has_recovered(stack: Stack) -> None:
    stack.wait_for("has recovered", RECOVERED_S)

    states = [one["state"] for one in stack.get("/api/v1/events?device_id=raspberry1")["items"]]
    assert {"soon", "stressed", "recovered"} <= set(states)


def test_a_part_that_is_killed_is_started_again(stacks: dict[str, Stack]) -> None:
    stack = stacks["embedded"]
    before = set(stack.children())
    victim = sorted(before)[0]
    os.kill(victim, signal.SIGKILL)

    until = time.monotonic() + 30
    while len(set(stack.children()) - {victim}) < len(before):
        assert time.monotonic() < until, "it was not started again"
        time.sleep(0.2)

    assert "killed by SIGKILL" in stack.output.read_text()


def test_a_second_one_on_the_same_data_is_refused_in_one_sentence(stacks: dict[str, Stack]) -> None:
    stack = stacks["embedded"]

    second = Stack(stack.data)

    assert second.process.wait(30) == 1
    assert "Another `fleetpulse up`" in second.output.read_text()


def test_a_port_in_use_is_refused_in_one_sentence(stacks: dict[str, Stack], tmp_path: Path) -> None:
    stacks["embedded"].wait_until_ready()  # the part with the port may just have been killed
    port = stacks["embedded"].port

    done = subprocess.run(
        [
            *(sys.executable, "-m", "fleetpulse.cli", "up"),
            *("--port", str(port), "--data", str(tmp_path)),
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 1
    assert f"Port {port} cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "with_signal"), [("embedded", signal.SIGINT), ("kafka", signal.SIGTERM)]
)
def test_stopping_takes_less_than_ten_seconds_and_leaves_no_process(
    stacks: dict[str, Stack], name: str, with_signal: int
) -> None:
    stack = stacks[name]
    parts = stack.children()
    assert len(parts) == 6

    took_s = stack.stop(with_signal)

    assert took_s < 10
    for pid in parts:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_what_was_measured_survives_a_restart(stacks: dict[str, Stack]) -> None:
    before = stacks["embedded"]
    assert before.process.poll() is not None, "the test before this one stops it"

    after = Stack(before.data, KAFKA_BROKER_SETTINGS="")
    until = time.monotonic() + READY_S
    while not after.is_ready():
        assert time.monotonic() < until
        time.sleep(0.2)

    try:
        assert after.messages("has recovered")
        events = after.get("/api/v1/events?device_id=raspberry1")["items"]
        assert "recovered" in {one["state"] for one in events}
    finally:
        after.stop()
