"""`up` says what is wrong with a part that runs: once, when it lasts, and that it is over."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from fleetpulse.cli.readiness import Readiness, problems_at
from fleetpulse.health import Health
from fleetpulse.metrics import new_registry
from fleetpulse.ops import ops_server
from tests.services.ports import free_ports

FULL = "The disk is full."


class Stack:
    """A consumer whose problems the test sets."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.problems: Mapping[str, str] | None = {}
        self.seconds = 0.0
        self.readiness = Readiness(
            {"consumer": 1},
            self.said.append,
            ask=lambda _: self.problems,
            now=lambda: self.seconds,
        )

    def live(self, seconds: int) -> None:
        for _ in range(seconds):
            self.seconds += 1
            self.readiness.look()


@pytest.fixture
def stack() -> Stack:
    return Stack()


def test_a_problem_that_lasts_is_said_once(stack: Stack) -> None:
    stack.problems = {"store": FULL}

    stack.live(15)
    early = list(stack.said)
    stack.live(300)

    assert early == []
    assert stack.said == [f"consumer is not well: {FULL}"]


def test_that_it_is_over_is_said_too(stack: Stack) -> None:
    stack.problems = {"store": FULL}
    stack.live(60)
    stack.problems = {}
    stack.live(10)

    assert stack.said[1:] == ["consumer is well again (store)."]


def test_a_short_problem_is_not_said(stack: Stack) -> None:
    stack.problems = {"store": FULL}
    stack.live(10)
    stack.problems = {}
    stack.live(60)

    assert stack.said == []


def test_a_part_that_does_not_answer_is_for_others_to_say(stack: Stack) -> None:
    stack.problems = None

    stack.live(60)

    assert stack.said == []


def test_a_real_process_is_asked() -> None:
    health, (port,) = Health(), free_ports(1)
    health.report("store", FULL)

    with ops_server("127.0.0.1", port, health, new_registry("test", health)):
        assert problems_at(port) == {"store": FULL}

    assert problems_at(port) is None
