"""The physics: heat that goes in comes out, and what should be hotter is."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetpulse.telemetry import CHANNEL, Reading
from generators.simulated import (
    HELD_OUT_RANGES,
    PC,
    PI,
    TRAINING_RANGES,
    Ranges,
    random_parameters,
    random_profile,
)
from generators.thermal import (
    Fan,
    Machine,
    MachineParameters,
    air_conductance,
    leakage,
    simulate,
    steady_temperatures,
)

MINUTE = 60
HOUR = 3600
A_PI_FAN = Fan(rated_cfm=3.0, starts_c=55.0, full_c=56.0, first_speed=1.0)


def always(load_pct: float) -> Iterator[float]:
    while True:
        yield load_pct


def after(parameters: MachineParameters, *, load_pct: float, seconds: int) -> Machine:
    machine = Machine(parameters, random.Random(1))
    for _ in range(seconds):
        machine.step(load_pct)
    return machine


def gaps_ms(readings: list[Reading]) -> list[int]:
    return [later.measured_at - sooner.measured_at for sooner, later in pairwise(readings)]


def test_a_machine_under_steady_load_ends_at_the_closed_form() -> None:
    parameters = replace(PI, ambient_c=10.0, board_k_per_w=5.0)

    machine = after(parameters, load_pct=60.0, seconds=2 * HOUR)

    expected = steady_temperatures(parameters, machine.power_w)
    assert (machine.die_c, machine.board_c) == pytest.approx(expected, abs=0.01)


def test_a_machine_begins_where_idling_ends() -> None:
    for parameters in (PI, PC, replace(PI, fan=A_PI_FAN)):
        begun = Machine(parameters, random.Random(1))
        idled = after(parameters, load_pct=0.0, seconds=HOUR)

        assert begun.die_c == pytest.approx(idled.die_c, abs=0.5)


def test_every_joule_that_goes_in_is_stored_or_given_to_the_air() -> None:
    machine = Machine(PC, random.Random(1))
    stored_before = PC.die_j_per_k * machine.die_c + PC.board_j_per_k * machine.board_c
    taken_in = given_off = 0.0

    for load in (0.0, 100.0, 50.0, 80.0) * 100:
        machine.step(load)
        taken_in += machine.power_w
        given_off += air_conductance(PC, machine.fan_speed) * (machine.board_c - PC.ambient_c)

    stored = PC.die_j_per_k * machine.die_c + PC.board_j_per_k * machine.board_c
    assert stored - stored_before == pytest.approx(taken_in - given_off, rel=1e-9)


def test_a_pi_4_draws_what_was_measured_on_real_ones() -> None:
    idle = after(PI, load_pct=0.0, seconds=HOUR)
    busy = after(PI, load_pct=100.0, seconds=MINUTE)

    assert idle.power_w == pytest.approx(2.7, abs=0.15)
    assert busy.power_w == pytest.approx(6.4, abs=0.3)


def test_a_bare_pi_4_reaches_its_limit_after_minutes_of_full_load() -> None:
    assert after(PI, load_pct=100.0, seconds=MINUTE).die_c < 75.0
    assert after(PI, load_pct=100.0, seconds=10 * MINUTE).die_c >= 80.0


def test_a_pi_with_a_fan_stays_far_from_its_limit() -> None:
    fanned = replace(PI, board_k_per_w=2.5, fan=A_PI_FAN)

    assert after(fanned, load_pct=100.0, seconds=HOUR).die_c < 65.0


def test_the_die_answers_within_seconds_and_the_board_within_minutes() -> None:
    begun = Machine(PI, random.Random(1))
    soon = after(PI, load_pct=90.0, seconds=15)

    assert soon.die_c - begun.die_c > 8.0
    assert soon.board_c - begun.board_c < 3.0


def test_hotter_air_makes_a_hotter_machine() -> None:
    cool = after(replace(PI, ambient_c=10.0), load_pct=50.0, seconds=HOUR)
    warm = after(replace(PI, ambient_c=20.0), load_pct=50.0, seconds=HOUR)

    assert warm.die_c - cool.die_c > 10.0  # leakage adds to the difference of the air


def test_a_hotter_die_leaks_more() -> None:
    assert leakage(PI, 80.0) > leakage(PI, 50.0) == PI.leakage_w


def test_heat_takes_clock_away_but_lets_the_limit_be_reached() -> None:
    hot = after(replace(PI, ambient_c=35.0), load_pct=100.0, seconds=HOUR)

    assert 80.0 <= hot.die_c < 85.0
    assert hot.clock_ghz < hot.requested_ghz == PI.max_clock_ghz
    assert hot.sensed()["throttled"] == 1.0


def test_the_clock_comes_back_when_it_is_cool_again() -> None:
    machine = after(replace(PI, ambient_c=35.0), load_pct=100.0, seconds=HOUR)

    for _ in range(10 * MINUTE):
        machine.step(0.0)
    machine.step(100.0)

    assert machine.clock_ghz == PI.max_clock_ghz
    assert machine.sensed()["throttled"] == 0.0


def test_past_the_hard_limit_the_clock_is_at_its_lowest() -> None:
    oven = after(replace(PI, ambient_c=70.0), load_pct=100.0, seconds=HOUR)

    assert oven.die_c > PI.hard_limit_c
    assert oven.clock_ghz == pytest.approx(PI.min_clock_ghz)


def test_a_failing_fan_makes_a_hotter_pc() -> None:
    assert PC.fan is not None
    weak = replace(PC, fan=replace(PC.fan, health=0.3))

    healthy_c = after(PC, load_pct=100.0, seconds=HOUR).die_c
    assert after(weak, load_pct=100.0, seconds=HOUR).die_c > healthy_c + 10.0


@pytest.mark.parametrize(("turning", "expected"), [(0.0, 0.0), (1.0, 1.0)])
def test_between_its_two_temperatures_a_fan_does_what_it_did(
    turning: float, expected: float
) -> None:
    machine = Machine(replace(PI, fan=A_PI_FAN), random.Random(1))
    machine.fan_speed, machine.die_c, machine.board_c = turning, 53.0, 53.0

    machine.step(0.0)

    assert machine.fan_speed == expected


def test_the_voltage_droops_under_load() -> None:
    idle = after(PI, load_pct=0.0, seconds=MINUTE).sensed()["voltage_v"]
    busy = after(PI, load_pct=100.0, seconds=MINUTE).sensed()["voltage_v"]

    assert idle is not None
    assert busy is not None
    assert busy < idle


def test_a_thin_cable_is_an_undervoltage_under_load_only() -> None:
    thin = replace(PI, supply_v=4.95, supply_ohm=0.3)

    assert after(thin, load_pct=0.0, seconds=MINUTE).sensed()["undervoltage"] == 0.0
    assert after(thin, load_pct=100.0, seconds=MINUTE).sensed()["undervoltage"] == 1.0


def test_load_and_power_are_means_since_the_last_look() -> None:
    machine = after(PI, load_pct=0.0, seconds=MINUTE)
    machine.sensed()

    for load in (0.0, 100.0):
        machine.step(load)
    sensed = machine.sensed()

    assert sensed["load_pct"] == 50.0
    assert sensed["power_w"] == pytest.approx(4.7, abs=0.6)


def test_the_load_average_follows_over_a_minute() -> None:
    machine = after(PI, load_pct=100.0, seconds=MINUTE)

    assert machine.load_1m == pytest.approx(PI.cores * (1 - 1 / 2.718), abs=0.05)


def test_what_a_machine_lacks_is_none() -> None:
    blind = replace(PI, lacks=frozenset({"temperature_c", "power_w"}))

    sensed = after(blind, load_pct=50.0, seconds=MINUTE).sensed()

    assert sensed["temperature_c"] is None
    assert sensed["power_w"] is None
    assert sensed["fan_cfm"] is None
    assert sensed["load_pct"] == 50.0


def test_the_same_seed_gives_the_same_readings_and_another_gives_others() -> None:
    def a_run(seed: int) -> list[float | None]:
        profile = random_profile(random.Random(7))
        readings = simulate(PI, profile, seconds=600, interval_s=5, seed=seed)
        return [reading.temperature_c for reading in readings]

    assert a_run(1) == a_run(1)
    assert a_run(1) != a_run(2)


def test_readings_come_at_the_interval_and_jitter_does_not_move_the_mean() -> None:
    steady = list(simulate(PI, always(20.0), seconds=600, interval_s=5, seed=1))
    uneven = list(simulate(PI, always(20.0), seconds=6000, interval_s=5, seed=1, jitter=0.5))

    assert set(gaps_ms(steady)) == {5000}
    span = uneven[-1].measured_at - uneven[0].measured_at
    assert span / (len(uneven) - 1) == pytest.approx(5000, rel=0.001)
    assert len(set(gaps_ms(uneven))) > 100


def test_lost_readings_leave_gaps_in_seq() -> None:
    readings = list(simulate(PI, always(20.0), seconds=5000, interval_s=5, seed=1, lost=0.1))

    assert 850 < len(readings) < 950
    assert readings[-1].seq > 990


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(["pc", "raspberry"]),
    seed=st.integers(0, 2**32),
    ranges=st.sampled_from([TRAINING_RANGES, HELD_OUT_RANGES]),
)
def test_every_value_of_any_machine_is_physically_possible(
    kind: str, seed: int, ranges: Ranges
) -> None:
    rng = random.Random(seed)
    parameters = random_parameters(kind, rng, ranges)
    machine = Machine(parameters, rng)
    loads = random_profile(rng, ranges.profiles)

    for _ in range(100):
        for _ in range(10):
            machine.step(next(loads))
        for name, value in machine.sensed().items():
            assert value is None or CHANNEL[name].accepts(value), (name, value)
