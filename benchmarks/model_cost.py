"""What scoring costs: look-back, features and models, in microseconds a row on one thread.

    python -m benchmarks.model_cost

Batches of 5,000 rows of fleets of several sizes; medians of interleaved rounds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import numpy as np

from fleetpulse.telemetry import CHANNEL_NAMES, COLUMN
from model.features import FEATURES, Look, compute
from model.history import Floats, History, Int64s
from model.predictor import FleetPredictor, load_predictor

ROWS = 5_000
FLEETS = (5_000, 1_000, 100, 1)
START_MS = 1_795_348_800_000


def a_batch(devices: int, number: int, rng: np.random.Generator) -> tuple[Int64s, Int64s, Floats]:
    """The `number`-th batch of a fleet that reports every 5 s: slots, times, values."""
    rounds = ROWS // devices
    slots = np.concatenate([rng.permutation(devices) for _ in range(rounds)])
    ticks = np.repeat(np.arange(rounds), devices) + number * rounds
    values = rng.uniform(0, 100, (ROWS, len(CHANNEL_NAMES)))
    values[:, COLUMN["temperature_c"]] = rng.uniform(45, 79, ROWS)
    return slots, START_MS + 5_000 * ticks + slots % 5_000, values


def timed(work: Callable[[], object]) -> float:
    """Microseconds a row of one call."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) / ROWS * 1e6


def measure(devices: int, predictor: FleetPredictor, rounds: int) -> list[list[float]]:
    """For each round: look-back, features, everything."""
    rng = np.random.default_rng(devices)
    history = History(devices)
    predictor.forget(np.arange(max(FLEETS)))
    limits = {"heat": np.full(ROWS, 80.0), "overload": np.full(ROWS, 95.0)}
    kinds = np.ones(ROWS)
    found = []
    for number in range(rounds):
        slots, at, values = a_batch(devices, number, rng)
        look_back = timed(lambda: history.windows(slots, at, values))  # noqa: B023
        windows = history.windows(slots, at, values)

        def features() -> None:
            look = Look(windows, kinds)  # noqa: B023
            for rule in FEATURES:
                compute(look, rule, limits[rule])

        everything = timed(lambda: predictor.score(slots, kinds, at, values, limits))  # noqa: B023
        found.append([look_back, timed(features), everything])
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="batches of each fleet")
    rounds = parser.parse_args(argv).rounds
    predictor = load_predictor()
    print(f"{'devices':>8} {'look-back':>10} {'features':>10} {'everything':>11}   us a row")
    for devices in FLEETS:
        medians = np.median(measure(devices, predictor, rounds)[2:], axis=0)
        print(f"{devices:>8} {medians[0]:>10.2f} {medians[1]:>10.2f} {medians[2]:>11.2f}")
    print(f"State: {History().bytes_per_device} bytes a device")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
