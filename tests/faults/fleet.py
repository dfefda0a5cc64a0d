"""A fleet whose readings are the same in every run, and of which a quarter gets into trouble.

The curves are drawn rather than simulated, which is a hundred times cheaper: what matters here is
that limits are approached, crossed and left again, all the time, somewhere in the fleet.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fleetpulse import wire
from fleetpulse.telemetry import KINDS, Reading

CADENCE_MS = 5_000
TROUBLES = ("heat", "overload", "memory", "undervoltage", "heat", "overload", "memory")
CALM_PER_TROUBLED = 3

Record = tuple[str, bytes]  # key, value
Curve = NDArray[np.float64]  # [ticks]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One device: what it is called, when it begins, and its curves by channel."""

    device_id: str
    kind: str
    begins_at: int  # Unix ms
    channels: Mapping[str, Curve]


@dataclass(frozen=True)
class Fleet:
    """`devices` machines with `ticks` readings each, one every 5 s, the last of them just now.

    The readings end a minute before the fleet was made, so that all of them are in the past.
    """

    devices: int
    ticks: int
    seed: int = 7
    until_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000 - 60_000)

    def __len__(self) -> int:
        return self.devices * self.ticks

    @cached_property
    def machines(self) -> Sequence[Machine]:
        """All of them, in the order of their ids."""
        return [self._machine(number) for number in range(self.devices)]

    @cached_property
    def records(self) -> Sequence[Record]:
        """Every reading as it travels, in the order of time."""
        lives = [self._life(machine) for machine in self.machines]
        return [record for tick in zip(*lives, strict=True) for record in tick]

    def first(self, count: int) -> Mapping[str, int]:
        """How many of the first `count` records are of each device."""
        whole, rest = divmod(count, self.devices)
        return {
            machine.device_id: whole + (number < rest)
            for number, machine in enumerate(self.machines)
        }

    def measured_at(self, device_id: str, number: int) -> int:
        """When (Unix ms) that device took its reading of this number, from 0."""
        return self._begins_at[device_id] + number * CADENCE_MS

    @cached_property
    def _begins_at(self) -> Mapping[str, int]:
        return {machine.device_id: machine.begins_at for machine in self.machines}

    def _machine(self, number: int) -> Machine:
        rng = random.Random(f"{self.seed}/{number}")
        kind = KINDS[number % len(KINDS)]
        troubled, calm = divmod(number, CALM_PER_TROUBLED + 1)
        trouble = None if calm else TROUBLES[troubled % len(TROUBLES)]
        # A PC has no supply voltage of its own to watch.
        kind = "raspberry" if trouble == "undervoltage" else kind
        # The phase is below the step between two devices, so the order of time is that of ids.
        phase = number * CADENCE_MS // self.devices
        return Machine(
            device_id=f"{kind}-{number:03d}",
            kind=kind,
            begins_at=self.until_ms - self.ticks * CADENCE_MS + phase,
            channels=_curves(kind, trouble, self.ticks, rng),
        )

    def _life(self, machine: Machine) -> Iterator[Record]:
        names = list(machine.channels)
        rows = np.column_stack(list(machine.channels.values())).round(2).tolist()
        for number, row in enumerate(rows):
            reading = Reading(
                device_id=machine.device_id,
                kind=machine.kind,
                measured_at=machine.begins_at + number * CADENCE_MS,
                seq=number,
                **dict(zip(names, row, strict=True)),
            )
            yield machine.device_id, wire.encode(reading)


def _curves(kind: str, trouble: str | None, ticks: int, rng: random.Random) -> Mapping[str, Curve]:
    """Calm channels, and over them the one that gets into trouble every few minutes."""
    noise = np.random.default_rng(rng.getrandbits(64))
    period_s, phase = rng.uniform(420, 780), rng.uniform(0, 2 * np.pi)
    wave = np.sin(2 * np.pi * np.arange(ticks) * CADENCE_MS / 1000 / period_s + phase)
    jitter = noise.normal(0, 0.3, ticks)
    limit_c = 80.0 if kind == "raspberry" else 90.0
    curves: dict[str, Curve] = {
        "temperature_c": (limit_c - 35) + 4 * wave + jitter,
        "load_pct": np.clip(30 + 10 * wave + jitter, 0, 100),
        "voltage_v": 5.05 + jitter / 100,
        "clock_ghz": np.full(ticks, 1.8 if kind == "raspberry" else 3.2),
        "memory_pct": 50 + 5 * wave,
        "disk_pct": np.full(ticks, 60.0),
    }
    troubled: dict[str, Mapping[str, Curve]] = {
        "heat": {
            "temperature_c": (limit_c - 12) + 18 * wave + jitter,
            "load_pct": np.clip(55 + 40 * wave + jitter, 0, 100),
        },
        "overload": {"load_pct": np.where(wave > 0.2, 99.5, 35.0)},
        "memory": {"memory_pct": np.where(wave > 0.2, 97.0, 60.0)},
        "undervoltage": {"voltage_v": np.where(wave > 0.6, 4.5, 5.05) + jitter / 100},
    }
    return curves | dict(troubled[trouble] if trouble else {})
