"""Simulated machines: the live ones of `fleetpulse up`, and the fleets that models learn from.

In: nothing but time. Out: readings of a PC or a Raspberry Pi (physics in thermal.py, load in
loads.py). Fleets are drawn from two sets of ranges: what models are trained on, and what is held
out from training (docs/simulation.md).
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from fleetpulse.telemetry import KINDS, Reading
from generators.loads import (
    HELD_OUT_PROFILES,
    TRAINING_PROFILES,
    Profile,
    episodes,
    held,
    office_day,
    random_profile,
    recorded,
)
from generators.thermal import Fan, Machine, MachineParameters, simulate

__all__ = [
    "HELD_OUT_RANGES",
    "TRAINING_RANGES",
    "Fan",
    "MachineParameters",
    "Ranges",
    "SimulatedMachine",
    "add_arguments",
    "held_out_fleet",
    "random_parameters",
    "random_profile",
    "recorded_fleet",
    "simulate",
    "source_from",
    "training_fleet",
]

CADENCES_S: tuple[float, ...] = (1.0, 2.0, 5.0, 5.0, 10.0, 15.0, 30.0, 60.0)
CATCH_UP_S = 3600  # longest time that is lived through after a pause; suspended machines rest
FANNED_PI_RISE = 0.6  # who buys a fan for a Pi gets a cooler one
Span = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """What a fleet is drawn from; a quantity with two spans lies in either."""

    ambient_c: Sequence[Span]
    rise_k: Mapping[str, Sequence[Span]]  # by kind: full load over ambient, before throttling
    slow_s: Sequence[Span]  # time constant of board or heatsink
    fast_s: Span  # time constant of the die
    fan_health: Span
    profiles: tuple[Profile, ...]


TRAINING_RANGES = Ranges(
    ambient_c=((14.0, 34.0),),
    # The warm span twice: machines that never come near their limit teach little.
    rise_k={
        "raspberry": ((22.0, 55.0), (55.0, 88.0), (55.0, 88.0)),
        "pc": ((30.0, 65.0), (65.0, 95.0), (65.0, 95.0)),
    },
    slow_s=((45.0, 420.0),),
    fast_s=(2.0, 10.0),
    fan_health=(0.85, 1.0),
    profiles=TRAINING_PROFILES,
)
HELD_OUT_RANGES = Ranges(
    ambient_c=((2.0, 14.0), (34.0, 42.0)),
    rise_k={"raspberry": ((14.0, 22.0), (88.0, 98.0)), "pc": ((18.0, 30.0), (95.0, 110.0))},
    slow_s=((30.0, 45.0), (420.0, 600.0)),
    fast_s=(2.0, 14.0),
    fan_health=(0.2, 0.7),
    profiles=HELD_OUT_PROFILES,
)


def random_parameters(
    kind: str, rng: random.Random, ranges: Ranges = TRAINING_RANGES
) -> MachineParameters:
    """Any machine of this kind (pc, raspberry) within the ranges."""
    if kind not in KINDS:
        raise ValueError(f"no simulation of kind {kind!r}; there are {', '.join(KINDS)}")
    drawn = _random_raspberry(rng, ranges) if kind == "raspberry" else _random_pc(rng, ranges)
    full_w = drawn.base_w + drawn.leakage_w * 1.4 + drawn.dynamic_w  # leakage near 80 °C
    rise_k = _pick(ranges.rise_k[kind], rng)
    if kind == "raspberry" and drawn.fan is not None:
        rise_k *= FANNED_PI_RISE
    die_share = rng.uniform(0.15, 0.45)
    die_k_per_w = rise_k * die_share / full_w
    board_k_per_w = rise_k * (1.0 - die_share) / full_w
    return replace(
        drawn,
        ambient_c=_pick(ranges.ambient_c, rng),
        ambient_swing_c=rng.uniform(0.0, 3.0),
        die_k_per_w=die_k_per_w,
        die_j_per_k=rng.uniform(*ranges.fast_s) / die_k_per_w,
        board_k_per_w=board_k_per_w,
        board_j_per_k=_pick_by_ratio(ranges.slow_s, rng) / board_k_per_w,
        governor_gain=rng.choice((1.25, 1.25, 100.0)),
        memory_pct=rng.uniform(10.0, 70.0),
        disk_pct=rng.uniform(5.0, 90.0),
        temperature_noise_c=rng.uniform(0.05, 0.5),
    )


def _pick(spans: Sequence[Span], rng: random.Random) -> float:
    return rng.uniform(*rng.choice(spans))


def _pick_by_ratio(spans: Sequence[Span], rng: random.Random) -> float:
    """As many between 50 and 100 as between 200 and 400: no size of machine is rare."""
    low, high = rng.choice(spans)
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def _random_raspberry(rng: random.Random, ranges: Ranges) -> MachineParameters:
    """A Pi's electrical side, from a Zero 2 W (2.5 W) over a 4 (6.4 W) to a 5 (10 W)."""
    full_w = rng.uniform(2.5, 10.0)
    fan = Fan(
        rated_cfm=rng.uniform(1.5, 5.0),
        starts_c=(starts_c := rng.uniform(45.0, 65.0)),
        full_c=starts_c + rng.uniform(0.5, 20.0),
        first_speed=rng.uniform(0.3, 1.0),
        hysteresis_c=rng.uniform(3.0, 10.0),
        still_air=rng.uniform(0.35, 0.7),
        health=rng.uniform(*ranges.fan_health),
    )
    return replace(
        PI,
        base_w=full_w * rng.uniform(0.25, 0.4),
        leakage_w=full_w * rng.uniform(0.04, 0.1),
        dynamic_w=full_w * rng.uniform(0.5, 0.65),
        fan=fan if rng.random() < 0.3 else None,
        max_clock_ghz=rng.choice((1.0, 1.4, 1.5, 1.8, 2.4)),
        supply_v=rng.uniform(4.95, 5.25),
        supply_ohm=rng.uniform(0.03, 0.25),
        temperature_step_c=rng.choice((0.1, 0.487, 0.5, 1.0)),
        lacks=_random_lacks(rng, {"power_w": 0.6, "voltage_v": 0.3, "undervoltage": 0.3}),
    )


def _random_pc(rng: random.Random, ranges: Ranges) -> MachineParameters:
    """A PC's electrical side, from a mini PC (20 W) to a workstation (180 W)."""
    full_w = rng.uniform(20.0, 180.0)
    fan = Fan(
        rated_cfm=rng.uniform(15.0, 75.0),
        starts_c=rng.uniform(38.0, 60.0),
        full_c=rng.uniform(70.0, 90.0),
        idle_speed=rng.choice((0.0, 0.2, 0.3, 0.4)),
        first_speed=0.4,
        still_air=rng.uniform(0.15, 0.4),
        health=rng.uniform(*ranges.fan_health),
    )
    return replace(
        PC,
        base_w=full_w * rng.uniform(0.05, 0.2),
        leakage_w=full_w * rng.uniform(0.03, 0.08),
        dynamic_w=full_w * rng.uniform(0.7, 0.85),
        fan=fan if rng.random() < 0.9 else None,
        max_clock_ghz=rng.uniform(2.4, 5.2),
        cores=rng.choice((4, 6, 8, 12, 16)),
        supply_v=rng.uniform(11.9, 12.3),
        temperature_step_c=rng.choice((0.1, 0.125, 1.0)),
        lacks=_random_lacks(rng, {"power_w": 0.4, "voltage_v": 0.6, "fan_cfm": 0.5}),
    )


def _random_lacks(rng: random.Random, chances: Mapping[str, float]) -> frozenset[str]:
    chances = {"throttled": 0.5, "requested_clock_ghz": 0.2, "temperature_c": 0.03, **chances}
    return frozenset(name for name, chance in chances.items() if rng.random() < chance)


def training_fleet(
    seed: int, devices: int, seconds: float
) -> Iterator[tuple[str, str, list[Reading]]]:
    """(device_id, kind, readings) of machines within the training ranges, kinds by turns."""
    return _fleet("train", seed, devices, seconds, TRAINING_RANGES)


def held_out_fleet(
    seed: int, devices: int, seconds: float
) -> Iterator[tuple[str, str, list[Reading]]]:
    """The same from the held-out ranges: other load, other air, other cooling, weak fans."""
    return _fleet("held-out", seed, devices, seconds, HELD_OUT_RANGES)


def recorded_fleet(
    loads: Mapping[str, Sequence[float]], seed: int, devices: int, seconds: float
) -> Iterator[tuple[str, str, list[Reading]]]:
    """The same machines under recorded loads (in %, by the series' name), by turns."""
    names = sorted(loads)
    for number in range(devices):
        name = names[number % len(names)]
        ranges = replace(TRAINING_RANGES, profiles=(recorded(loads[name]),))
        ((_, kind, readings),) = _fleet(f"{name}-{number}", seed, 1, seconds, ranges)
        # A series is one machine on one day after the other, so that no split cuts it in two.
        ahead_ms = number * 86_400_000
        yield (
            name,
            kind,
            [msgspec.structs.replace(r, measured_at=r.measured_at + ahead_ms) for r in readings],
        )


def _fleet(
    name: str, seed: int, devices: int, seconds: float, ranges: Ranges
) -> Iterator[tuple[str, str, list[Reading]]]:
    for number in range(devices):
        kind = KINDS[number % len(KINDS)]
        device_id = f"{name}-{kind}-{number:04d}"
        rng = random.Random(f"{seed}/{device_id}")
        readings = simulate(
            random_parameters(kind, rng, ranges),
            random_profile(rng, ranges.profiles),
            seconds=seconds,
            interval_s=rng.choice(CADENCES_S),
            seed=f"{seed}/{device_id}/sensors",
            device_id=device_id,
            jitter=rng.choice((0.0, 0.1, 0.5)),
            lost=rng.choice((0.0, 0.0, 0.02)),
        )
        yield device_id, kind, list(readings)


# A bare Raspberry Pi 4: 2.7 W idle, 6.4 W busy, 80 °C after some minutes of full load.
PI = MachineParameters(
    kind="raspberry",
    ambient_c=22.0,
    base_w=2.2,
    leakage_w=0.5,
    dynamic_w=3.7,
    die_k_per_w=3.0,
    die_j_per_k=2.0,
    board_k_per_w=7.5,
    board_j_per_k=35.0,
    min_clock_ghz=0.6,
    max_clock_ghz=1.8,
    soft_limit_c=80.0,
    hard_limit_c=85.0,
    supply_v=5.1,
    supply_ohm=0.08,
    temperature_step_c=0.487,  # 1 / 2.05: the step of the Pi 4's sensor
    temperature_noise_c=0.15,
)
# A desktop of 65 W with a tower cooler.
PC = MachineParameters(
    kind="pc",
    ambient_c=28.0,
    base_w=7.0,
    leakage_w=4.0,
    dynamic_w=54.0,
    die_k_per_w=0.25,
    die_j_per_k=20.0,
    board_k_per_w=0.35,
    board_j_per_k=300.0,
    fan=Fan(
        rated_cfm=52.0, starts_c=45.0, full_c=80.0, idle_speed=0.3, first_speed=0.4, still_air=0.2
    ),
    min_clock_ghz=0.8,
    max_clock_ghz=4.4,
    soft_limit_c=95.0,
    hard_limit_c=100.0,
    supply_v=12.1,
    supply_ohm=0.03,
    cores=8,
    temperature_step_c=0.125,
)
# A small board in a tight case. It heats and cools within a minute or two, so that a whole episode
# fits into the first minutes of a demonstration.
TIGHT_CASE_PI = replace(
    PI,
    ambient_c=23.0,
    base_w=1.7,  # no display, no keyboard
    leakage_w=0.4,
    dynamic_w=4.6,
    board_k_per_w=11.0,
    board_j_per_k=20.0,
)
COOLED_PI = replace(TIGHT_CASE_PI, die_k_per_w=2.0, board_k_per_w=3.0, board_j_per_k=24.0)

EPISODE_EVERY_S = 330
EPISODE_AFTER_S = 30
EPISODE_S = 135


def demo_episodes(rng: random.Random) -> Iterator[float]:
    """The load of the demonstration's Raspberry Pi."""
    return episodes(rng, first_after_s=EPISODE_AFTER_S, lasts_s=EPISODE_S, every_s=EPISODE_EVERY_S)


def quiet_office(rng: random.Random) -> Iterator[float]:
    """Office work that is never too much for the machine."""
    return office_day(rng, busiest_pct=85.0)


def idling(rng: random.Random) -> Iterator[float]:
    """Next to nothing to do, for ever."""
    while True:
        yield from held(rng, 4.0, 60)


class SimulatedMachine:
    """A simulated machine that lives along with the clock; a Source for the agent's loop."""

    def __init__(
        self, parameters: MachineParameters, profile: Iterator[float], rng: random.Random
    ) -> None:
        self.kind = parameters.kind
        self._machine = Machine(parameters, rng)
        self._profile = profile
        self._lived_until_ms: int | None = None

    def values(self, at_ms: int) -> Mapping[str, float | None]:
        """Every channel at this moment (Unix ms), after having lived through the time since."""
        for _ in range(self._seconds_to_live(at_ms)):
            self._machine.step(next(self._profile))
        return self._machine.sensed()

    def _seconds_to_live(self, at_ms: int) -> int:
        """Whole seconds since the last call; 0 or less when it is the first, or time went back."""
        if self._lived_until_ms is None:
            self._lived_until_ms = at_ms
        seconds = (at_ms - self._lived_until_ms) // 1000
        self._lived_until_ms += seconds * 1000
        return min(seconds, CATCH_UP_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What a simulated machine goes through."""

    name: str
    help: str
    parameters: Callable[[str, random.Random], MachineParameters]
    loads: Mapping[str, Profile]  # by kind


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        name="demo",
        help="a Pi that gets too hot every few minutes, a PC in an office",
        parameters=lambda kind, rng: {"pc": PC, "raspberry": TIGHT_CASE_PI}[kind],
        loads={"pc": quiet_office, "raspberry": demo_episodes},
    ),
    Scenario(
        name="idle",
        help="nothing to do",
        parameters=lambda kind, rng: {"pc": PC, "raspberry": TIGHT_CASE_PI}[kind],
        loads={"pc": idling, "raspberry": idling},
    ),
    Scenario(
        name="cooled",
        help="the demo's load on machines that are cooled well",
        parameters=lambda kind, rng: {"pc": PC, "raspberry": COOLED_PI}[kind],
        loads={"pc": quiet_office, "raspberry": demo_episodes},
    ),
    Scenario(
        name="random",
        help="any machine in any place with any load, by --seed",
        parameters=random_parameters,
        loads={"pc": random_profile, "raspberry": random_profile},
    ),
)


def simulated_machine(kind: str, scenario: str, seed: int) -> SimulatedMachine:
    """A live machine of this kind in the named scenario."""
    chosen = next(each for each in SCENARIOS if each.name == scenario)
    rng = random.Random(seed)
    parameters = chosen.parameters(kind, rng)
    return SimulatedMachine(parameters, chosen.loads[kind](random.Random(seed)), rng)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `fleetpulse agent simulated`."""
    parser.add_argument("--kind", choices=KINDS, default="raspberry", help="what is simulated")
    parser.add_argument(
        "--scenario",
        choices=[scenario.name for scenario in SCENARIOS],
        default="demo",
        help="; ".join(f"{scenario.name}: {scenario.help}" for scenario in SCENARIOS),
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="the same seed gives the same machine and load"
    )


def source_from(arguments: argparse.Namespace) -> SimulatedMachine:
    """The machine that the options describe."""
    return simulated_machine(arguments.kind, arguments.scenario, arguments.seed)
