"""How a PC or a Raspberry Pi turns load into heat: a small physical model, a second a step.

Load sets clock and power, power heats the die, the die heats the board (or the heatsink), the
board gives its heat to the air; a fan helps, and past a limit the firmware takes clock away. Two
thermal masses give a fast and a slow time constant. Equations and sources: docs/simulation.md.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

from fleetpulse.telemetry import Reading, a_reading_of

STEP_S = 1.0
LEAKAGE_AT_C = 50.0  # the temperature for which leakage_w is given
LEAKAGE_PER_K = 0.012  # doubles in some 58 K; 28 to 16 nm parts double in 40 to 70 K
HOTTEST_LEAKAGE_C = 120.0  # past it the model would run away, and real parts have shut down
LOWEST_CORE_VOLTAGE = 0.65  # at the lowest clock, as a share of the voltage at the highest
FLOW_EXPONENT = 0.8  # heat transfer grows with flow ** 0.8: turbulent flow, Dittus-Boelter (1930)
FAN_SLEW = 0.3  # share of the way to its new speed that a fan makes in a second
THROTTLE_GHZ_PER_S = 0.1  # how fast the firmware takes clock away and gives it back
SETTLING_ROUNDS = 40
UNDERVOLTAGE_V = 4.63  # where the Pi's detector trips
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fan:
    """A fan with its curve: still or slow below `starts_c`, full from `full_c` on."""

    rated_cfm: float
    starts_c: float
    full_c: float
    idle_speed: float = 0.0  # 0 to 1, below starts_c
    first_speed: float = 0.3  # at starts_c
    hysteresis_c: float = 5.0
    still_air: float = 0.3  # share of the full heat transfer that is left when the fan stands
    health: float = 1.0  # share of its speed that it still reaches


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineParameters:
    """One machine in one place: its power, its cooling, its limits, its sensors."""

    kind: str
    ambient_c: float  # of the air that cools it: inside the case
    ambient_swing_c: float = 0.0  # up and down over a day
    base_w: float  # what does not depend on load
    leakage_w: float  # at 50 °C
    dynamic_w: float  # at 100 % load and the highest clock
    die_k_per_w: float  # from the die to the board or heatsink
    die_j_per_k: float
    board_k_per_w: float  # from there to the air, at full fan
    board_j_per_k: float
    fan: Fan | None = None
    min_clock_ghz: float
    max_clock_ghz: float
    governor_gain: float = 1.25  # as Linux' schedutil; 100 is as good as "performance"
    soft_limit_c: float  # from here on the clock goes down
    hard_limit_c: float  # here it is at its lowest
    supply_v: float
    supply_ohm: float  # of cable and connector: the droop under load
    cores: int = 4
    memory_pct: float = 30.0  # when idle
    disk_pct: float = 40.0
    temperature_noise_c: float = 0.2  # standard deviation
    temperature_step_c: float = 0.1  # what the sensor can tell apart
    lacks: frozenset[str] = frozenset()  # channels that this machine cannot measure


def leakage(parameters: MachineParameters, die_c: float) -> float:
    """Watts that leak away at this die temperature."""
    above = min(die_c, HOTTEST_LEAKAGE_C) - LEAKAGE_AT_C
    return parameters.leakage_w * math.exp(LEAKAGE_PER_K * above)


def dynamic_power(parameters: MachineParameters, load_pct: float, clock_ghz: float) -> float:
    """Watts of switching: load x clock x core voltage squared, the voltage falling with clock."""
    share = clock_ghz / parameters.max_clock_ghz
    voltage = LOWEST_CORE_VOLTAGE + (1.0 - LOWEST_CORE_VOLTAGE) * share
    return parameters.dynamic_w * load_pct * 0.01 * share * voltage * voltage


def air_conductance(parameters: MachineParameters, fan_speed: float) -> float:
    """Watts per kelvin from the board to the air; fan_speed from 0 to 1."""
    full = 1.0 / parameters.board_k_per_w
    if parameters.fan is None:
        return full
    still = parameters.fan.still_air
    return full * (still + (1.0 - still) * math.pow(fan_speed, FLOW_EXPONENT))


def steady_temperatures(
    parameters: MachineParameters, power_w: float, fan_speed: float = 0.0
) -> tuple[float, float]:
    """(die, board) in °C where `power_w` would end up: the closed form of the model."""
    board_c = parameters.ambient_c + power_w / air_conductance(parameters, fan_speed)
    return board_c + power_w * parameters.die_k_per_w, board_c


class Machine:
    """The state of one simulated machine; it begins where idling would have left it."""

    __slots__ = (
        "_cap_ghz",
        "_energy_j",
        "_load_pct",
        "_load_sum",
        "_mean_factor",
        "_noise",
        "_parameters",
        "_seconds",
        "ambient_c",
        "board_c",
        "clock_ghz",
        "die_c",
        "elapsed_s",
        "fan_speed",
        "load_1m",
        "power_w",
        "requested_ghz",
    )

    def __init__(self, parameters: MachineParameters, rng: random.Random) -> None:
        """rng: where the sensors' noise comes from."""
        self._parameters = parameters
        self._noise = rng
        self._cap_ghz = parameters.max_clock_ghz
        self._mean_factor = 1.0 - math.exp(-STEP_S / 60.0)
        self.ambient_c = parameters.ambient_c
        self.fan_speed = (
            parameters.fan.idle_speed * parameters.fan.health if parameters.fan else 0.0
        )
        self.clock_ghz = self.requested_ghz = parameters.min_clock_ghz
        self.die_c = self.board_c = parameters.ambient_c
        self.settle(0.0)
        self.load_1m = self.elapsed_s = self._load_pct = 0.0
        self._energy_j = self._load_sum = self._seconds = 0.0

    def settle(self, load_pct: float) -> None:
        """Go where this load, held for hours, ends; throttling aside.

        Leakage and fan depend on the temperature that they cause.
        """
        parameters = self._parameters
        self._ask_for_clock(load_pct)
        dynamic_w = dynamic_power(parameters, load_pct, self.requested_ghz)
        for _ in range(SETTLING_ROUNDS):
            self._turn_fan(parameters.fan)
            self.power_w = parameters.base_w + leakage(parameters, self.die_c) + dynamic_w
            die_c, self.board_c = steady_temperatures(parameters, self.power_w, self.fan_speed)
            self.die_c += (die_c - self.die_c) / 2

    def step(self, load_pct: float) -> None:
        """Live through one second at this load.

        Both masses are advanced implicitly with the same flow between them, so the step is stable
        for any parameters and energy is conserved to the last digit.
        """
        parameters = self._parameters
        self._turn_fan(parameters.fan)
        self._set_clock(load_pct)
        power_w = (
            parameters.base_w
            + leakage(parameters, self.die_c)
            + dynamic_power(parameters, load_pct, self.clock_ghz)
        )
        if parameters.ambient_swing_c:
            day = math.sin(2.0 * math.pi * self.elapsed_s / DAY_S)
            self.ambient_c = parameters.ambient_c + parameters.ambient_swing_c * day
        self._heat(power_w)
        self.power_w = power_w
        self.load_1m += (load_pct * 0.01 * parameters.cores - self.load_1m) * self._mean_factor
        self.elapsed_s += STEP_S
        self._energy_j += power_w * STEP_S
        self._load_sum += load_pct
        self._seconds += 1.0
        self._load_pct = load_pct

    def _heat(self, power_w: float) -> None:
        parameters = self._parameters
        to_board = 1.0 / parameters.die_k_per_w
        to_air = air_conductance(parameters, self.fan_speed)
        board_c = self.board_c
        self.die_c = die_c = (
            parameters.die_j_per_k * self.die_c + STEP_S * (power_w + to_board * board_c)
        ) / (parameters.die_j_per_k + STEP_S * to_board)
        flow_w = to_board * (die_c - board_c)
        self.board_c = (
            parameters.board_j_per_k * board_c + STEP_S * (flow_w + to_air * self.ambient_c)
        ) / (parameters.board_j_per_k + STEP_S * to_air)

    def _turn_fan(self, fan: Fan | None) -> None:
        if fan is None:
            return
        starts_c = fan.starts_c
        if self.fan_speed > fan.idle_speed:  # it runs: it stops a little later than it started
            starts_c -= fan.hysteresis_c
        if self.die_c < starts_c:
            target = fan.idle_speed
        elif self.die_c >= fan.full_c:
            target = 1.0
        else:
            way = max(0.0, self.die_c - fan.starts_c) / (fan.full_c - fan.starts_c)
            target = fan.first_speed + (1.0 - fan.first_speed) * way
        self.fan_speed += (target * fan.health - self.fan_speed) * FAN_SLEW

    def _set_clock(self, load_pct: float) -> None:
        parameters = self._parameters
        highest, lowest = parameters.max_clock_ghz, parameters.min_clock_ghz
        over_c = self.die_c - parameters.soft_limit_c
        if over_c > 0.0 or self._cap_ghz < highest:
            share = min(1.0, max(0.0, over_c / (parameters.hard_limit_c - parameters.soft_limit_c)))
            way_ghz = highest - (highest - lowest) * share - self._cap_ghz
            self._cap_ghz += min(THROTTLE_GHZ_PER_S, max(-THROTTLE_GHZ_PER_S, way_ghz))
        self._ask_for_clock(load_pct)
        self.clock_ghz = min(self.requested_ghz, self._cap_ghz)

    def _ask_for_clock(self, load_pct: float) -> None:
        lowest, highest = self._parameters.min_clock_ghz, self._parameters.max_clock_ghz
        asked = highest * self._parameters.governor_gain * load_pct * 0.01
        self.requested_ghz = lowest if asked < lowest else highest if asked > highest else asked

    def sensed(self) -> dict[str, float | None]:
        """Every channel as the sensors of this machine show it now.

        Load and power are means since the last call, as psutil and energy counters give them.
        """
        parameters, noise = self._parameters, self._noise.gauss
        seconds = self._seconds
        load_pct = self._load_sum / seconds if seconds else self._load_pct
        power_w = self._energy_j / seconds if seconds else self.power_w
        self._energy_j = self._load_sum = self._seconds = 0.0
        temperature_c = noise(self.die_c, parameters.temperature_noise_c)
        droop_v = parameters.supply_ohm * self.power_w / parameters.supply_v
        voltage_v = noise(parameters.supply_v - droop_v, parameters.supply_v * 0.001)
        fan = parameters.fan
        is_pi = parameters.kind == "raspberry"
        values: dict[str, float | None] = {
            "temperature_c": _in_steps(temperature_c, parameters.temperature_step_c),
            "power_w": round(max(0.0, power_w * noise(1.0, 0.01)), 2),
            "load_pct": round(load_pct, 1),
            "voltage_v": round(max(0.0, voltage_v), 3),
            "fan_cfm": round(fan.rated_cfm * self.fan_speed * noise(1.0, 0.01), 2) if fan else None,
            "clock_ghz": round(self.clock_ghz, 1 if is_pi else 3),
            "requested_clock_ghz": round(self.requested_ghz, 1 if is_pi else 3),
            "load_1m": round(self.load_1m, 2),
            "throttled": float(self.clock_ghz < self.requested_ghz),
            "undervoltage": float(voltage_v < UNDERVOLTAGE_V) if is_pi else None,
            "memory_pct": self._memory_pct(),
            "disk_pct": round(min(100.0, parameters.disk_pct + self.elapsed_s / DAY_S), 2),
        }
        for name in parameters.lacks:
            values[name] = None
        return values

    def _memory_pct(self) -> float:
        parameters = self._parameters
        busy = self.load_1m / parameters.cores
        return round(
            min(100.0, max(0.0, self._noise.gauss(parameters.memory_pct + 20.0 * busy, 0.3))), 1
        )


def _in_steps(value: float, step: float) -> float:
    return round(round(value / step) * step, 3)


def simulate(
    parameters: MachineParameters,
    profile: Iterator[float],
    *,
    seconds: float,
    interval_s: float,
    seed: int | str,
    device_id: str = "simulated",
    begin_ms: int = 1_795_342_120_000,
    jitter: float = 0.0,
    lost: float = 0.0,
) -> Iterator[Reading]:
    """Readings of a machine under a load profile (one load in % per second).

    jitter: how far a reading may come too late, as a share of the interval, whose mean stays.
    lost: share of readings that never arrive. The same seed and profile give the same readings.
    """
    rng = random.Random(seed)  # noqa: S311 - noise is no secret
    machine = Machine(parameters, rng)
    taken = 0
    for seq in range(int(seconds / interval_s)):
        at_s = (seq + 1 + jitter * rng.random()) * interval_s
        while taken < int(at_s):
            machine.step(next(profile))
            taken += 1
        values = machine.sensed()
        if lost and rng.random() < lost:
            continue
        at_ms = begin_ms + round(at_s * 1000)
        yield a_reading_of(device_id, parameters.kind, at_ms, seq, **values)
