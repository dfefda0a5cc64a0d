"""What is measured: the channels with their units and physical ranges, and one reading of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec


class Unit(StrEnum):
    """Units as people write them."""

    CELSIUS = "°C"
    WATT = "W"
    PERCENT = "%"
    VOLT = "V"
    CFM = "CFM"
    GIGAHERTZ = "GHz"
    TASKS = "tasks"
    FLAG = "0 or 1"


@dataclass(frozen=True, slots=True)
class Channel:
    """A named quantity of a machine, and what no real machine goes outside of."""

    name: str
    unit: Unit
    low: float  # smallest value that can be real
    high: float  # largest
    label: str  # for people
    example: float

    def accepts(self, value: float) -> bool:
        """Whether `value` can be real: finite and within the physical range."""
        return math.isfinite(value) and self.low <= value <= self.high


# The order is the order of columns everywhere: batches, tables, CSV files.
CHANNELS: tuple[Channel, ...] = (
    Channel("temperature_c", Unit.CELSIUS, low=-60, high=150, label="temperature", example=61.3),
    Channel("power_w", Unit.WATT, low=0, high=10_000, label="power", example=4.1),
    Channel("load_pct", Unit.PERCENT, low=0, high=100, label="load", example=37.5),
    Channel("voltage_v", Unit.VOLT, low=0, high=60, label="voltage", example=5.02),
    Channel("fan_cfm", Unit.CFM, low=0, high=5_000, label="fan", example=3.2),
    Channel("clock_ghz", Unit.GIGAHERTZ, low=0, high=12, label="clock", example=1.8),
    Channel("requested_clock_ghz", Unit.GIGAHERTZ, low=0, high=12, label="set clock", example=1.8),
    Channel("load_1m", Unit.TASKS, low=0, high=100_000, label="load average", example=1.2),
    Channel("throttled", Unit.FLAG, low=0, high=1, label="throttled", example=0),
    Channel("undervoltage", Unit.FLAG, low=0, high=1, label="undervoltage", example=0),
    Channel("memory_pct", Unit.PERCENT, low=0, high=100, label="memory", example=48.0),
    Channel("disk_pct", Unit.PERCENT, low=0, high=100, label="disk", example=71.0),
)
CHANNEL_NAMES: tuple[str, ...] = tuple(channel.name for channel in CHANNELS)
COLUMN: dict[str, int] = {name: column for column, name in enumerate(CHANNEL_NAMES)}
CHANNEL: dict[str, Channel] = {channel.name: channel for channel in CHANNELS}

_EARLIEST_MS, LATEST_MS = 100_000_000_000, 4_102_444_800_000  # March 1973, the year 2100
_LONGEST_RECORDING_MS = 500_000_000  # nearly six days


def is_milliseconds(at: int) -> bool:
    """Whether a moment of a file can be meant in ms: since 1970, or since a recording began.

    Of now, seconds since 1970 are between the two, and microseconds past both.
    """
    return 0 <= at < _LONGEST_RECORDING_MS or _EARLIEST_MS <= at < LATEST_MS


KINDS: tuple[str, ...] = ("pc", "raspberry")


class Reading(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """One machine at one moment: a wide record. None: the machine lacks that channel."""

    device_id: str
    kind: str
    measured_at: int  # Unix ms, UTC
    seq: int = 0  # grows per device, also across restarts of its agent
    temperature_c: float | None = None
    power_w: float | None = None
    load_pct: float | None = None
    voltage_v: float | None = None
    fan_cfm: float | None = None
    clock_ghz: float | None = None
    requested_clock_ghz: float | None = None
    load_1m: float | None = None
    throttled: float | None = None
    undervoltage: float | None = None
    memory_pct: float | None = None
    disk_pct: float | None = None

    def channels(self) -> Iterator[tuple[Channel, float | None]]:
        """Every channel with its value, in the order of CHANNELS."""
        for channel in CHANNELS:
            yield channel, getattr(self, channel.name)


def a_reading_of(device_id: str, kind: str, measured_at: int, seq: int, **values: Any) -> Reading:
    """A reading whose impossible values (not finite, out of range) are left out as missing."""
    real = {
        name: float(value)
        for name, value in values.items()
        if value is not None and CHANNEL[name].accepts(value)
    }
    return Reading(device_id=device_id, kind=kind, measured_at=measured_at, seq=seq, **real)
