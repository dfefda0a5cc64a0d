"""A process waits for what it needs, says so, and ends in time once it is told to."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from fleetpulse.clock import ManualClock
from fleetpulse.errors import BrokerAway, FleetpulseError, StoreAway, StoreBusy, StoreError
from fleetpulse.health import Health
from fleetpulse.lifetime import AGAIN_S, UNFINISHED, ToldToStop, when_there


class Service:
    """It fails with these errors, one after the other, and is there then."""

    def __init__(self, *errors: FleetpulseError) -> None:
        self.health, self.clock, self.stop = Health(), ManualClock(), threading.Event()
        self._errors = list(errors)
        self.seen: list[dict[str, str]] = []  # what was wrong as it was asked

    def open(self) -> str:
        self.seen.append(dict(self.health.problems()))
        if self._errors:
            raise self._errors.pop(0)
        return "open"

    def wait_for(self) -> str:
        return when_there(
            self.open, part="store", health=self.health, clock=self.clock, stop=self.stop
        )


@pytest.mark.parametrize("error", [BrokerAway("away"), StoreAway("away"), StoreBusy("away")])
def test_what_is_away_is_asked_again_and_said_meanwhile(error: FleetpulseError) -> None:
    service = Service(error, error)
    began_ms = service.clock.now_ms()

    assert service.wait_for() == "open"

    assert service.seen == [{}, {"store": "away"}, {"store": "away"}]
    assert service.health.problems() == {}
    assert service.clock.now_ms() - began_ms == 2 * AGAIN_S * 1000


def test_what_no_waiting_mends_is_raised_at_once() -> None:
    service = Service(StoreError("it belongs to another program"))

    with pytest.raises(StoreError, match="another program"):
        service.wait_for()


def test_told_to_stop_it_waits_no_longer() -> None:
    service = Service(StoreAway("away"))
    service.stop.set()

    with pytest.raises(ToldToStop):
        service.wait_for()


BEGIN = """
import ctypes, os, signal, threading, time
from fleetpulse import lifetime

lifetime.END_WITHIN_S = 0.1
stop = threading.Event()
tell_us = threading.Timer(0.1, os.kill, (os.getpid(), signal.{name}))
"""


def ended(program: str, name: str = "SIGTERM") -> int:
    """The exit code of a process that gets this signal once it has called tell_us.start()."""
    words = [sys.executable, "-c", BEGIN.format(name=name) + program]
    return subprocess.run(words, capture_output=True, timeout=30).returncode


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_process_that_ends_by_itself_is_left_alone(name: str) -> None:
    program = "lifetime.on_stop_signal(stop.set); tell_us.start(); stop.wait(20)"

    assert ended(program + "; os._exit(7 if stop.is_set() else 1)", name) == 7


def test_a_process_that_is_not_done_in_time_leaves_all_the_same() -> None:
    program = "lifetime.on_stop_signal(stop.set); tell_us.start(); time.sleep(20)"

    assert ended(program) == UNFINISHED


def test_it_leaves_also_while_a_library_does_not_come_back() -> None:
    """Python calls no handler then; here it is a lock that is taken twice."""
    program = """
lock, library = ctypes.create_string_buffer(64), ctypes.CDLL(None)
lifetime.on_stop_signal(stop.set)
tell_us.start()
library.pthread_mutex_lock(lock)
library.pthread_mutex_lock(lock)
"""

    assert ended(program) == UNFINISHED
