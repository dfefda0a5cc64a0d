"""Parts are started again when they end, with the reason said; stopping leaves none behind."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fleetpulse.cli.parts import Part, Supervised, stop_all
from fleetpulse.cli.up import parts, with_ops_ports
from fleetpulse.errors import StartError

SLEEPER = "import time; time.sleep(60)"
DEAF = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('deaf', flush=True); time.sleep(60)"
)


class Stack:
    """Parts made of a line of Python each."""

    def __init__(self, folder: Path) -> None:
        self.said: list[str] = []
        self._folder = folder
        self._started: list[Supervised] = []

    def part(self, code: str) -> Supervised:
        (self._folder / "one_part.py").write_text(code)
        part = Part(name="one", arguments=["one_part"])
        environment = os.environ | {"PYTHONPATH": str(self._folder)}
        made = Supervised(part, environment, self._folder, self.said.append)
        self._started.append(made)
        made.start()
        return made

    def said_of(self, part: Supervised) -> list[str]:
        part.look_after()
        return self.said

    def pid_of(self, part: Supervised) -> int | None:
        part.look_after()
        return part.pid

    def stop(self) -> None:
        stop_all(self._started)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    made = Stack(tmp_path)
    yield made
    made.stop()


def until(true: Callable[[], object]) -> None:
    """Wait for something that another process does; fails after 10 s."""
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end, "it did not happen within 10 s"
        time.sleep(0.02)


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_part_that_ends_is_started_again_and_its_last_words_are_said(stack: Stack) -> None:
    part = stack.part("raise SystemExit('no disk left')")
    first = part.pid

    until(lambda: stack.said_of(part))

    assert "one ended (exit code 1): no disk left" in stack.said[0]
    until(lambda: stack.pid_of(part) not in (None, first))


def test_a_part_with_wrong_settings_is_not_started_again(stack: Stack) -> None:
    part = stack.part(
        "import sys; sys.stderr.write('fleetpulse one: Wrong settings: X.\\nlast\\n'); sys.exit(2)"
    )

    with pytest.raises(StartError, match=r"one cannot start: fleetpulse one: Wrong settings: X\."):
        until(lambda: stack.pid_of(part) is None)


def test_a_part_that_never_gets_up_is_given_up(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleetpulse.cli.parts._BACKOFF_S", (0.0,))
    part = stack.part("raise SystemExit('the store is damaged')")

    with pytest.raises(StartError, match="the store is damaged"):
        until(lambda: len(stack.said_of(part)) > 10)


def test_a_part_that_is_killed_is_named_with_its_signal(stack: Stack) -> None:
    part = stack.part(SLEEPER)
    assert part.pid is not None
    os.kill(part.pid, 9)

    until(lambda: stack.said_of(part))

    assert "killed by SIGKILL" in stack.said[0]


def test_stopping_leaves_no_process_even_of_a_deaf_part(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleetpulse.cli.parts.STOP_S", 0.3)
    part = stack.part(DEAF)
    until(lambda: "deaf" in (tmp_path / "one.log").read_text())
    pid = part.pid
    assert pid is not None

    stack.stop()

    assert not runs(pid)


def test_the_local_stack_has_three_producers_on_three_topics() -> None:
    topics = [part.environment.get("TOPIC_NAME") for part in parts(with_simulation=True)]

    assert [topic for topic in topics if topic] == [
        "telemetry.pc1",
        "telemetry.pc2",
        "telemetry.raspberry1",
    ]


def test_without_simulation_only_this_machine_is_measured() -> None:
    names = [part.name for part in parts(with_simulation=False)]

    assert [name for name in names if name.startswith("agent")] == ["agent-this-machine"]


def test_notify_is_a_part_where_there_are_channels() -> None:
    without = [part.name for part in parts(with_simulation=False)]
    chosen = {part.name: part for part in parts(with_simulation=False, with_notify=True)}

    assert set(chosen) - set(without) == {"notify"}
    assert chosen["notify"].arguments == ["fleetpulse.actions"]


def test_every_part_but_the_web_gets_a_port_of_its_own_to_be_watched_on() -> None:
    chosen, ports = with_ops_ports(parts(with_simulation=True))

    given = {part.name: part.environment.get("FLEETPULSE_OPS_PORT") for part in chosen}
    assert given.pop("web") is None
    assert given == {name: str(port) for name, port in ports.items()}
    assert len(set(ports.values())) == len(given) == 5
