"""Load profiles: what a machine is asked to do, as endless streams of load in %, one a second.

Each is a generator made from a random source; longer ones are put together from shorter ones.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator, Sequence

Profile = Callable[[random.Random], Iterator[float]]
RIPPLE_PCT = 4.0  # a busy machine is never busy to the same percent


def held(
    rng: random.Random, level_pct: float, seconds: float, ripple_pct: float = RIPPLE_PCT
) -> Iterator[float]:
    """One level for a while, with ripple."""
    for _ in range(max(1, round(seconds))):
        load = level_pct + ripple_pct * (rng.random() - 0.5)
        yield 0.0 if load < 0.0 else 100.0 if load > 100.0 else load


def slope(rng: random.Random, from_pct: float, to_pct: float, seconds: float) -> Iterator[float]:
    """From one level to another in a straight line, with ripple."""
    steps = max(1, round(seconds))
    for step in range(steps):
        level = from_pct + (to_pct - from_pct) * step / steps
        yield from held(rng, level, 1)


def idle_level(rng: random.Random) -> float:
    """A load of a machine that has little to do."""
    return rng.uniform(1.0, 15.0)


def busy_level(rng: random.Random) -> float:
    """A load of a machine that works: every third time all it has."""
    return rng.uniform(97.0, 100.0) if rng.random() < 0.35 else rng.uniform(40.0, 97.0)


def idle_with_bursts(rng: random.Random) -> Iterator[float]:
    """Mostly idle, seconds of work now and then: a desktop, a small server."""
    while True:
        yield from held(rng, idle_level(rng), rng.expovariate(1 / 60))
        yield from held(rng, busy_level(rng), rng.uniform(2, 40))


def steps(rng: random.Random) -> Iterator[float]:
    """Any level for some minutes, then any other."""
    while True:
        level = busy_level(rng) if rng.random() < 0.5 else rng.uniform(0, 60)
        yield from held(rng, level, rng.uniform(60, 600))


def ramps(rng: random.Random) -> Iterator[float]:
    """Up slowly, stay, down slowly: requests through a day, fast forward."""
    while True:
        low, high = idle_level(rng), busy_level(rng)
        yield from slope(rng, low, high, rng.uniform(30, 600))
        yield from held(rng, high, rng.uniform(30, 300))
        yield from slope(rng, high, low, rng.uniform(30, 400))
        yield from held(rng, low, rng.uniform(60, 300))


def square_cycles(rng: random.Random) -> Iterator[float]:
    """On and off by the clock: a job every few minutes."""
    low, high = idle_level(rng), busy_level(rng)
    on_s, off_s = rng.uniform(30, 300), rng.uniform(60, 400)
    while True:
        yield from held(rng, high, on_s * rng.uniform(0.9, 1.1))
        yield from held(rng, low, off_s * rng.uniform(0.9, 1.1))


def random_walk(rng: random.Random) -> Iterator[float]:
    """A level that wanders, pulled back to its middle: many independent users."""
    middle = rng.uniform(20, 90)
    level, pull, stride = middle, rng.uniform(0.002, 0.02), rng.uniform(0.5, 3.0)
    while True:
        level += pull * (middle - level) + stride * (rng.random() - 0.5) * 3.0
        level = min(100.0, max(0.0, level))
        yield level


def build_jobs(rng: random.Random) -> Iterator[float]:
    """Waits, then compiles on all cores, then links on one: a build machine."""
    while True:
        yield from held(rng, idle_level(rng), rng.expovariate(1 / 240))
        for _ in range(rng.randint(1, 4)):
            yield from held(rng, rng.uniform(85, 100), rng.uniform(20, 240), 6.0)
            yield from held(rng, rng.uniform(20, 35), rng.uniform(5, 30))


def office_day(rng: random.Random, busiest_pct: float = 100.0) -> Iterator[float]:
    """Typing, pages that load, meetings with video, a break: somebody's PC."""
    while True:
        yield from itertools.islice(_typing(rng), round(rng.uniform(300, 1200)))
        yield from held(rng, rng.uniform(30, 60), rng.uniform(200, 900), 12.0)
        yield from held(rng, rng.uniform(1, 4), rng.uniform(60, 400))
        if rng.random() < 0.4:
            yield from held(rng, rng.uniform(0.85, 1.0) * busiest_pct, rng.uniform(30, 300))


def episodes(
    rng: random.Random, *, first_after_s: int, lasts_s: int, every_s: int
) -> Iterator[float]:
    """Hard work of 85 to 92 % that comes back by the clock, rest in between: a demonstration."""
    yield from held(rng, 5.0, first_after_s)
    while True:
        for _ in range(lasts_s):
            yield rng.uniform(85.0, 92.0)
        yield from held(rng, 5.0, every_s - lasts_s)


def _typing(rng: random.Random) -> Iterator[float]:
    while True:
        yield from held(rng, rng.uniform(2, 10), rng.expovariate(1 / 15))
        yield from held(rng, rng.uniform(25, 85), rng.uniform(1, 6))


def batch_jobs(rng: random.Random) -> Iterator[float]:
    """Queues of jobs of heavy-tailed length, several at once: a compute node."""
    while True:
        at_once = rng.randint(1, 4)
        for _ in range(rng.randint(1, 6)):
            length = min(900.0, 15.0 * rng.paretovariate(1.1))
            yield from held(rng, min(100.0, 25.0 * at_once), length, 8.0)
            at_once = max(1, min(4, at_once + rng.choice((-1, 0, 1))))
        yield from held(rng, rng.uniform(1, 10), rng.expovariate(1 / 200))


def sawtooth(rng: random.Random) -> Iterator[float]:
    """Climbs and drops at once: a leak that a watchdog ends."""
    low, high = rng.uniform(0, 25), rng.uniform(75, 100)
    climb_s = rng.uniform(90, 700)
    while True:
        yield from slope(rng, low, high, climb_s * rng.uniform(0.8, 1.2))
        yield from held(rng, low, rng.uniform(10, 120))


def waves(rng: random.Random) -> Iterator[float]:
    """Two sines on top of each other: machinery, tides of requests."""
    middle, swing = rng.uniform(40, 75), rng.uniform(20, 45)
    slow_s, fast_s = rng.uniform(300, 1500), rng.uniform(20, 120)
    for second in itertools.count():
        slow = math.sin(2 * math.pi * second / slow_s)
        fast = math.sin(2 * math.pi * second / fast_s)
        load = middle + swing * (0.8 * slow + 0.2 * fast) + RIPPLE_PCT * (rng.random() - 0.5)
        yield min(100.0, max(0.0, load))


def recorded(levels_pct: Sequence[float]) -> Profile:
    """A recorded series of mean loads, from anywhere in it on and fast forward."""

    def profile(rng: random.Random) -> Iterator[float]:
        begin = rng.randrange(len(levels_pct))
        each_s, ripple_pct = rng.uniform(20, 120), rng.uniform(2, 12)
        for level_pct in itertools.islice(itertools.cycle(levels_pct), begin, None):
            yield from held(rng, level_pct, each_s * rng.uniform(0.8, 1.2), ripple_pct)

    return profile


TRAINING_PROFILES: tuple[Profile, ...] = (
    idle_with_bursts,
    steps,
    ramps,
    square_cycles,
    random_walk,
    build_jobs,
    office_day,
)
HELD_OUT_PROFILES: tuple[Profile, ...] = (batch_jobs, sawtooth, waves)


def random_profile(
    rng: random.Random, profiles: Sequence[Profile] = TRAINING_PROFILES
) -> Iterator[float]:
    """Any of `profiles` for a third of an hour or so, then any other."""
    while True:
        chosen = rng.choice(profiles)(rng)
        yield from itertools.islice(chosen, round(rng.uniform(600, 1800)))
