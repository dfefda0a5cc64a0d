"""How soon a clogging fan is noticed, and how often a healthy one is suspected: simulated years.

    python -m benchmarks.wear [machines]

Half of the machines have a fan that loses speed from some day on; all have seasons, weather, work
days and holidays of load. Looked at once a day, as the consumer does.
"""

from __future__ import annotations

import random
import sys
import time
from statistics import median

import numpy as np

from generators.simulated import TRAINING_RANGES, random_parameters
from generators.thermal import MachineParameters
from generators.years import Clogging, hours_of
from model.wear import DAY_MS, RECENT_DAYS, REFERENCE_DAYS, WORN_C, Hours, wear_of

DAYS = 365
CLOGS_UNTIL = 150  # days after it begins
HEALTH = 0.25


def a_machine(rng: random.Random, number: int) -> MachineParameters:
    """Any machine with a fan."""
    while True:
        found = random_parameters(("pc", "raspberry")[number % 2], rng, TRAINING_RANGES)
        if found.fan is not None:
            return found


def a_year(parameters: MachineParameters, rng: random.Random, clogging: Clogging | None) -> Hours:
    """Its hours as columns."""
    hours = list(hours_of(parameters, DAYS, rng, clogging))
    return Hours(
        begins_at=np.array([3_600_000 * hour.number for hour in hours], dtype=np.int64),
        temperature_c=np.array([hour.temperature_c for hour in hours]),
        load_pct=np.array([hour.load_pct for hour in hours]),
    )


def noticed_on(hours: Hours) -> int | None:
    """The first day on which its owner is told; None: never."""
    first = hours.of(hours.begins_at < REFERENCE_DAYS * DAY_MS)
    for day in range(REFERENCE_DAYS + RECENT_DAYS, DAYS + 1):
        age = day * DAY_MS - hours.begins_at
        wear = wear_of(first, hours.of((age > 0) & (age <= RECENT_DAYS * DAY_MS)))
        if wear is not None and wear.is_worn:
            return day
    return None


def hotter_c(parameters: MachineParameters, clogging: Clogging, day: int) -> float:
    """How much hotter a busy hour is made by what the fan has lost."""
    healthy, clogged = (
        list(hours_of(parameters, day, random.Random(0), how)) for how in (None, clogging)
    )
    busy = [
        b.temperature_c - a.temperature_c
        for a, b in zip(healthy[-336:], clogged[-336:], strict=True)
        if a.load_pct > 60
    ]
    return median(busy) if busy else 0.0


def main() -> None:
    """Print what was noticed."""
    machines = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    started = time.perf_counter()
    suspected, delays, harmless, unnoticed = 0, list[int](), 0, 0
    for number in range(machines):
        rng = random.Random(f"wear/{number}")
        parameters = a_machine(rng, number)
        clogging = None
        if number % 4 < 2:
            begins = rng.randint(60, 180)
            clogging = Clogging(from_day=begins, until_day=begins + CLOGS_UNTIL, health=HEALTH)
        found = noticed_on(a_year(parameters, rng, clogging))
        if clogging is None:
            suspected += found is not None
        elif found is not None:
            delays.append(found - clogging.from_day)
        elif hotter_c(parameters, clogging, DAYS) < WORN_C:
            harmless += 1
        else:
            unnoticed += 1
    took_s = time.perf_counter() - started
    years = f"{machines} machine-years in {took_s:.0f} s ({365 * 86_400 * machines / took_s:,.0f}x)"
    print(
        f"{years}\nclogging fans: {len(delays)} noticed, after {median(delays):.0f} days"
        f" (they clog over {CLOGS_UNTIL}); {harmless} never made it {WORN_C:g} °C hotter;"
        f" {unnoticed} were not noticed\nhealthy ones: {suspected} suspected"
    )


if __name__ == "__main__":
    main()
