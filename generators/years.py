"""A machine over months, an hour at a time: seasons, weather, work days, and a fan that clogs."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from generators.thermal import Machine, MachineParameters

_SEASON_C = 8.0  # up and down over a year
_DAY_C = 2.0
_WEATHER_C = 2.5  # standard deviation, from day to day
_WEATHER_STAYS = 0.8  # how much of a day's weather is left a day later
_HOURS_A_YEAR = 24 * 365


@dataclass(frozen=True, slots=True, kw_only=True)
class Clogging:
    """When the fan begins to lose its speed, and what is left of it in the end."""

    from_day: int
    until_day: int
    health: float  # share of its speed

    def health_on(self, day: int) -> float:
        """What is left on that day."""
        way = (day - self.from_day) / (self.until_day - self.from_day)
        return 1.0 - (1.0 - self.health) * min(1.0, max(0.0, way))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """The means of one hour."""

    number: int  # since the beginning
    temperature_c: float
    load_pct: float


def hours_of(
    parameters: MachineParameters, days: int, rng: random.Random, clogging: Clogging | None = None
) -> Iterator[Hour]:
    """The hours of a machine that works on week days; the same rng state gives the same hours."""
    weather_c = 0.0
    for day in range(days):
        weather_c = _WEATHER_STAYS * weather_c + rng.gauss(0, _WEATHER_C) * math.sqrt(
            1 - _WEATHER_STAYS**2
        )
        health = clogging.health_on(day) if clogging else 1.0
        fan = parameters.fan and replace(parameters.fan, health=health)
        busy = rng.uniform(45, 90) if day % 7 < 5 else rng.uniform(5, 30)
        for hour in range(24):
            number = 24 * day + hour
            season_c = _SEASON_C * math.sin(2 * math.pi * number / _HOURS_A_YEAR)
            day_c = _DAY_C * math.sin(2 * math.pi * (hour - 9) / 24)
            ambient_c = parameters.ambient_c + season_c + day_c + weather_c
            machine = Machine(replace(parameters, ambient_c=ambient_c, fan=fan), rng)
            load_pct = min(100.0, max(1.0, rng.gauss(busy if 8 <= hour < 18 else 5, 8)))
            machine.settle(load_pct)
            noisy_c = rng.gauss(machine.die_c, parameters.temperature_noise_c)
            yield Hour(number=number, temperature_c=noisy_c, load_pct=load_pct)
