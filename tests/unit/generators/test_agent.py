"""The agent's loop: on schedule, whatever the machine, the clock and the source do."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from fleetpulse import wire
from fleetpulse.clock import ManualClock
from generators.agent import Agent, abilities, next_due, reading_of
from generators.publish import Publisher
from generators.spool import Spool
from tests.unit.generators.fakes import FakeBroker

START = ManualClock().now_ms()


class FakeSource:
    """A machine that stops the test after some readings, and does what the test says before."""

    kind = "pc"

    def __init__(self, readings: int, clock: ManualClock) -> None:
        self.stop = threading.Event()
        self.clock = clock
        self.left = readings
        self.asked: list[int] = []  # Unix ms
        self.takes_s: Mapping[int, float] = {}  # seconds that pass during the nth reading
        self.fails: set[int] = set()

    def values(self, at_ms: int) -> Mapping[str, float | None]:
        self.asked.append(at_ms)
        nth = len(self.asked)
        self.left -= 1
        if self.left == 0:
            self.stop.set()
        self.clock.advance(self.takes_s.get(nth, 0.0))
        if nth in self.fails:
            raise RuntimeError("the sensor came off")
        return {"load_pct": 0.0, "temperature_c": None, "clock_ghz": 2.5999980000000003}


class Setting:
    """An agent over a fake source and broker."""

    def __init__(self, folder: Path, readings: int) -> None:
        self.clock = ManualClock()
        self.broker = FakeBroker(self.clock)
        self.source = FakeSource(readings, self.clock)
        self.folder = folder
        self.signs_of_life = 0

    def run(self) -> list[float]:
        """Run to the end; when each reading was asked for, in seconds after the start."""
        spool = Spool(self.folder, 64 * 1024, self.clock)
        publisher = Publisher(
            spool,
            topic="telemetry.pc",
            device_id="pc-1",
            configure=dict,
            clock=self.clock,
            make=self.broker.connect,
        )
        agent = Agent(
            self.source,
            spool,
            publisher,
            device_id="pc-1",
            interval_s=5.0,
            clock=self.clock,
            alive=self._lives,
        )
        agent.run(self.source.stop)
        spool.close()
        return [(at_ms - START) / 1000 for at_ms in self.source.asked]

    def _lives(self) -> None:
        self.signs_of_life += 1


def test_readings_come_on_a_fixed_grid_the_first_after_a_second(tmp_path: Path) -> None:
    assert Setting(tmp_path, readings=4).run() == [1.0, 6.0, 11.0, 16.0]


def test_slow_readings_do_not_make_the_grid_drift(tmp_path: Path) -> None:
    setting = Setting(tmp_path, readings=4)
    setting.source.takes_s = {1: 1.2, 2: 0.7, 3: 4.9}

    assert setting.run() == [1.0, 6.0, 11.0, 16.0]


def test_a_machine_that_slept_skips_ticks_and_makes_no_burst(tmp_path: Path) -> None:
    setting = Setting(tmp_path, readings=4)
    setting.source.takes_s = {2: 3600.0}

    assert setting.run() == [1.0, 6.0, 3606.0, 3611.0]


def test_a_clock_that_is_set_back_costs_no_more_than_a_tick(tmp_path: Path) -> None:
    setting = Setting(tmp_path, readings=4)
    setting.source.takes_s = {2: -86_400.0}

    asked = setting.run()

    assert [round(at % 86_400, 3) for at in asked[2:]] == [11.0, 16.0]


@pytest.mark.parametrize(
    ("due_ms", "now_ms", "then_ms"),
    [
        (1000, 1000, 6000),
        (1000, 1003, 6000),
        (1000, 5999, 6000),
        (1000, 6000, 11000),  # late by a whole interval: that tick is gone
        (1000, 26500, 31000),
        (1_000_000, 1000, 6000),  # the clock was set back
    ],
)
def test_the_next_tick_is_the_first_on_the_grid_that_is_still_to_come(
    due_ms: int, now_ms: int, then_ms: int
) -> None:
    assert next_due(due_ms, now_ms, 5000) == then_ms


def test_every_reading_is_delivered_with_growing_seq_also_over_a_restart(tmp_path: Path) -> None:
    first, second = Setting(tmp_path, readings=3), Setting(tmp_path, readings=2)
    first.run()
    second.run()

    assert first.broker.seqs + second.broker.seqs == [1, 2, 3, 4, 5]


def test_the_last_reading_is_still_delivered_when_the_agent_is_told_to_stop(
    tmp_path: Path,
) -> None:
    setting = Setting(tmp_path, readings=1)

    setting.run()

    reading, _ = wire.decode(setting.broker.records[-1])
    assert (reading.device_id, reading.kind, reading.seq) == ("pc-1", "pc", 1)
    assert reading.measured_at == START + 1000


def test_a_source_that_fails_costs_that_reading_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    setting = Setting(tmp_path, readings=5)
    setting.source.fails = {2, 3, 4}

    setting.run()

    assert setting.broker.seqs == [1, 2]
    assert len([each for each in caplog.records if each.levelname == "ERROR"]) == 1


def test_an_agent_lives_once_a_tick_also_when_the_machine_cannot_be_measured(
    tmp_path: Path,
) -> None:
    setting = Setting(tmp_path, readings=5)
    setting.source.fails = {2, 3, 4}

    setting.run()

    assert setting.signs_of_life == 5


def test_zero_is_sent_missing_is_left_out_and_noise_is_rounded() -> None:
    source = FakeSource(1, ManualClock())

    reading = reading_of(source, "pc-1", seq=7, at_ms=START)

    assert (reading.load_pct, reading.temperature_c, reading.clock_ghz) == (0.0, None, 2.6)
    assert b"temperature_c" not in wire.encode(reading)


def test_what_a_machine_measures_and_lacks_is_told_in_words() -> None:
    reading = reading_of(FakeSource(1, ManualClock()), "pc-1", seq=1, at_ms=START)

    text = abilities(reading)

    assert text.startswith("measures load, clock; lacks temperature, power")
