"""What a reading costs, in microseconds on one thread, from its look-back to its status.

    python -m benchmarks.model_cost [--rounds N]

Batches of 5,000 readings, every 5 s, of fleets of several sizes, in which one machine of ten is as
in training and the others are calm; medians of rounds. In the same rounds plain scikit-learn, asked
row by row.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import numpy as np
from rich.progress import track
from threadpoolctl import threadpool_limits

from consumer.batch import Batch
from consumer.roster import Roster
from consumer.stages.late import Order
from consumer.stages.limits import Limits
from consumer.stages.predict import predict
from consumer.stages.rules import RuleBook
from fleetpulse.clock import SystemClock
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.telemetry import CHANNEL_NAMES, KINDS
from generators.simulated import simulated_machine
from model.features import FEATURES, Look, compute, kind_codes
from model.history import Floats, History
from model.normals import Normals
from model.predictor import FleetPredictor, load_models
from model.registry import open_registry

ROWS = 5_000
FLEETS = (5_000, 1_000, 100)
MACHINES, SECONDS = 100, 3_600
ALONE = 50  # rows that are asked one by one
START_MS = 1_795_348_800_000
WARM_UP = 3
LIMITS = {"heat": 80.0, "overload": 95.0}
COLUMNS = ("look-back", "features", "predict", "status", "all", "row by row")
CALM = {"pc": "demo", "raspberry": "cooled"}  # scenarios of machines that are never in trouble
PARTITION = ("fleet", 0)


class Fleet:
    """Devices that live through what machines did, each from another moment on."""

    def __init__(self, machines: Sequence[tuple[str, Floats]], devices: int) -> None:
        self.roster = Roster()
        self._rng, self._tick = np.random.default_rng(devices), 0
        self._values = np.concatenate([values for _, values in machines])  # [tick, channel]
        machine = np.arange(devices) % len(machines)
        self._lengths = np.array([len(values) for _, values in machines])[machine]
        self._firsts = np.cumsum([0, *(len(values) for _, values in machines[:-1])])[machine]
        self._begins = self._rng.integers(0, self._lengths)
        self._ids = [f"device-{number}" for number in range(devices)]
        self._kinds = [machines[device % len(machines)][0] for device in range(devices)]
        for name, kind in zip(self._ids, self._kinds, strict=True):
            self.roster.slot(name, kind, PARTITION)

    def next_batch(self) -> Batch:
        """What all of them send next: ROWS readings, in another order each time."""
        devices = len(self._ids)
        rounds = ROWS // devices
        order = np.concatenate([self._rng.permutation(devices) for _ in range(rounds)])
        ticks = self._tick + np.repeat(np.arange(rounds), devices)
        self._tick += rounds
        offsets = np.arange(ROWS) + self._tick * devices
        moments = (self._begins[order] + ticks) % self._lengths[order]
        return Batch(
            slots=order,
            device_ids=[self._ids[device] for device in order],
            kinds=[self._kinds[device] for device in order],
            measured_at=START_MS + 5_000 * ticks + order % 5_000,
            seq=offsets,
            values=self._values[self._firsts[order] + moments],
            rejected=np.zeros(ROWS, dtype=np.int64),
            partitions=(PARTITION,),
            partition_of=np.zeros(ROWS, dtype=np.int64),
            offsets=offsets,
            replayed=np.zeros(ROWS, dtype=np.bool_),
            next_offsets={},
        )


def machines_of_an_hour() -> list[tuple[str, Floats]]:
    """The kind of machines and what they measured, [tick, channel]: nine of ten are calm."""
    return [_an_hour_of(number) for number in track(range(MACHINES), "simulate")]


def _an_hour_of(number: int) -> tuple[str, Floats]:
    kind = KINDS[number // 10 % len(KINDS)]
    machine = simulated_machine(kind, CALM[kind] if number % 10 else "random", number)
    lived = [machine.values(START_MS + 5_000 * tick) for tick in range(SECONDS // 5)]
    rows = [[values.get(name) for name in CHANNEL_NAMES] for values in lived]
    return kind, np.array([[np.nan if value is None else value for value in row] for row in rows])


def timed(work: Callable[[], object], rows: int = ROWS) -> float:
    """Microseconds a row of one call."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) / rows * 1e6


def measure(machines: Sequence[tuple[str, Floats]], devices: int, rounds: int) -> list[list[float]]:
    """For each round, what COLUMNS say."""
    fleet, store, clock = Fleet(machines, devices), MemoryStore(), SystemClock()
    registry = open_registry()
    models = load_models(registry.current(), registry.read)
    predictor, history = FleetPredictor(models), History(devices)
    rules = RuleBook(store.rules, fleet.roster, clock, lambda: models.thresholds)
    order, scoring = Order(clock), predict(predictor, rules)
    judge = Limits(store.alerts, rules, predictor)
    found = []
    for _ in range(rounds):
        batch = order(fleet.next_batch())
        judge.load(batch)
        started = time.perf_counter()
        windows = history.windows(batch.slots, batch.measured_at, batch.values)
        look_back = time.perf_counter() - started
        look = Look(windows, kind_codes(batch.kinds))
        features = {}
        started = time.perf_counter()
        for rule in FEATURES:
            features[rule] = compute(look, rule, np.full(ROWS, LIMITS[rule]))
        computing = time.perf_counter() - started

        def alone() -> None:
            for rule, fitted in models.fitted.items():
                for row in range(ALONE):
                    fitted.chance.predict_proba(features[rule][row : row + 1])  # noqa: B023

        row_by_row = timed(alone, ALONE)
        started = time.perf_counter()
        scored = scoring(batch)
        predicting = time.perf_counter() - started
        started = time.perf_counter()
        judge(scored)
        judging = time.perf_counter() - started
        micros = [1e6 * each / ROWS for each in (look_back, computing, predicting, judging)]
        micros[2] -= micros[0] + micros[1]
        found.append([*micros, sum(micros), row_by_row])
    return found[WARM_UP:]


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="batches of each fleet")
    rounds = parser.parse_args(argv).rounds
    machines = machines_of_an_hour()
    print(f"{'devices':>8} " + " ".join(f"{name:>10}" for name in COLUMNS) + "   us a reading")
    with threadpool_limits(1):
        for devices in FLEETS:
            medians = np.median(measure(machines, devices, rounds), axis=0)
            print(f"{devices:>8} " + " ".join(f"{each:>10.2f}" for each in medians))
    state = History().bytes_per_device + Normals().bytes_per_device
    print(f"State: {state} bytes a device")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
