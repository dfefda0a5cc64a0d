"""This PC as a source: one probe pass makes a snapshot, and every sensor reads from it.

Levels (temperature, memory) are what they are; rates (busy time, power) come from the counters of
two snapshots and the time between them. What the machine lacks is None, never 0.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import psutil

from fleetpulse.settings import AgentSettings
from generators import sysfs
from generators.sensors import FanRating, Sensor, fan_flow_cfm, fan_rating, read_all

SYS = Path("/sys")
FIND_AGAIN_S = 300.0  # a driver that is loaded after us is found within this time
# No CPU package draws more: past it a counter was reset, or went round more than once.
HIGHEST_PACKAGE_W = 1000.0

log = logging.getLogger(__name__)


class Psutil(Protocol):
    """The part of psutil that is used: nothing that walks all processes."""

    def cpu_times(self) -> Any: ...
    def cpu_freq(self) -> Any: ...
    def getloadavg(self) -> tuple[float, float, float]: ...
    def virtual_memory(self) -> Any: ...
    def disk_usage(self, path: str) -> Any: ...


@dataclass(frozen=True, slots=True)
class Energy:
    """A counter of energy that goes round: microjoules, and what it counts to."""

    used_uj: float
    range_uj: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What only grows, at one moment."""

    at_s: float  # of a clock that never jumps
    busy_s: float
    total_s: float  # busy and idle, of all CPUs
    energy: Mapping[str, Energy] = field(default_factory=dict)  # by CPU package
    throttlings: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSnapshot:
    """This machine at one moment. None: it lacks that."""

    counters: Counters
    cpu_percent: float | None = None
    power_w: float | None = None
    throttled: float | None = None
    temperature_c: float | None = None
    core_voltage_v: float | None = None
    fan_rpm: float | None = None
    fan_cfm: float | None = None
    clock_ghz: float | None = None
    promised_clock_ghz: float | None = None
    load_1m: float | None = None
    memory_percent: float | None = None
    disk_percent: float | None = None


HOST_SENSORS: tuple[Sensor[HostSnapshot], ...] = (
    Sensor(
        name="temperature_c",
        origin="hwmon: coretemp, k10temp, zenpower, … (the package; the hottest of several),"
        " else a thermal zone",
        read=lambda host: host.temperature_c,
    ),
    Sensor(
        name="power_w",
        origin="an ACPI power meter (the whole machine), else RAPL (the CPU packages)",
        read=lambda host: host.power_w,
    ),
    Sensor(
        name="load_pct",
        origin="psutil: busy share of all CPUs since the last reading",
        read=lambda host: host.cpu_percent,
    ),
    Sensor(
        name="voltage_v",
        origin="hwmon: the CPU's core voltage, where the chip says which input that is",
        read=lambda host: host.core_voltage_v,
    ),
    Sensor(
        name="fan_cfm",
        origin="hwmon: speed of the CPU fan (unlabelled: the fastest), times the rated flow",
        read=lambda host: host.fan_cfm,
    ),
    Sensor(
        name="clock_ghz",
        origin="psutil: mean clock of all CPUs",
        read=lambda host: host.clock_ghz,
    ),
    Sensor(
        name="requested_clock_ghz",
        origin="cpufreq: base clock, or the lower limit that was set",
        read=lambda host: host.promised_clock_ghz,
    ),
    Sensor(
        name="load_1m",
        origin="psutil: load average of one minute",
        read=lambda host: host.load_1m,
    ),
    Sensor(
        name="throttled",
        origin="thermal_throttle: 1 if Intel's counters grew since the last reading",
        read=lambda host: host.throttled,
    ),
    Sensor(
        name="memory_pct",
        origin="psutil: memory that is not available",
        read=lambda host: host.memory_percent,
    ),
    Sensor(
        name="disk_pct",
        origin="psutil: use of the system's disk",
        read=lambda host: host.disk_percent,
    ),
)


def busy_percent(before: Counters, now: Counters) -> float | None:
    """Which share of all CPUs' time was busy between the two; None when no time has passed."""
    total_s = now.total_s - before.total_s
    if total_s <= 0:
        return None
    return min(100.0, max(0.0, 100.0 * (now.busy_s - before.busy_s) / total_s))


def package_watts(before: Counters, now: Counters) -> float | None:
    """Mean power of all CPU packages between the two; None without counters that can be told.

    A counter goes round after minutes to hours; one round is added back. Where more than one would
    have been possible in that time, or the result is absurd, nothing is known.
    """
    elapsed_s = now.at_s - before.at_s
    if elapsed_s <= 0 or not now.energy or before.energy.keys() != now.energy.keys():
        return None
    watts = 0.0
    for package, energy in now.energy.items():
        used_uj = energy.used_uj - before.energy[package].used_uj
        if used_uj < 0:
            used_uj += energy.range_uj
        package_w = used_uj / 1e6 / elapsed_s
        could_go_round_twice = energy.range_uj / 1e6 < HIGHEST_PACKAGE_W * elapsed_s
        if could_go_round_twice or not 0 <= package_w <= HIGHEST_PACKAGE_W:
            return None
        watts += package_w
    return watts


def throttled_between(before: Counters, now: Counters) -> float | None:
    """1 if a CPU was slowed down for heat between the two, else 0; None: not counted here."""
    if before.throttlings is None or now.throttlings is None:
        return None
    return float(now.throttlings > before.throttlings)


@dataclass(frozen=True, slots=True)
class Files:
    """Where in /sys this machine keeps what is measured."""

    temperatures: tuple[Path, ...]
    fans: tuple[Path, ...]
    core_voltages: tuple[Path, ...]
    energy_zones: tuple[Path, ...]
    board_powers: tuple[Path, ...]
    throttle_counters: tuple[Path, ...]


def find_files(root: Path) -> Files:
    """Look through /sys once: some milliseconds, so not at each reading."""
    return Files(
        temperatures=sysfs.cpu_temperatures(root),
        fans=sysfs.cpu_fans(root),
        core_voltages=sysfs.core_voltages(root),
        energy_zones=sysfs.energy_zones(root),
        board_powers=sysfs.board_powers(root),
        throttle_counters=sysfs.throttle_counters(root),
    )


class HostProbe:
    """Makes snapshots of this machine."""

    def __init__(
        self,
        *,
        system: Psutil = psutil,
        root: Path = SYS,
        rating: FanRating | None = None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._system = system
        self._root = root
        self._rating = rating
        self._seconds = seconds
        self._files = find_files(root)
        self._found_at_s = seconds()

    @property
    def files(self) -> Files:
        """What was found in /sys."""
        return self._files

    def snapshot(self, before: HostSnapshot | None) -> HostSnapshot:
        """This machine now; rates are since `before`."""
        counters = self._counters()
        rates: dict[str, float | None] = {}
        if before is not None:
            rates["cpu_percent"] = busy_percent(before.counters, counters)
            rates["power_w"] = package_watts(before.counters, counters)
            rates["throttled"] = throttled_between(before.counters, counters)
        board_w = sysfs.highest(self._files.board_powers, scale=1e-6)
        if board_w is not None:
            rates["power_w"] = board_w
        fan_rpm = sysfs.highest(self._files.fans, scale=1.0)
        promised_khz = sysfs.promised_clock_khz(self._root)
        return HostSnapshot(
            counters=counters,
            temperature_c=sysfs.highest(self._files.temperatures, scale=1e-3),
            core_voltage_v=sysfs.highest(self._files.core_voltages, scale=1e-3),
            fan_rpm=fan_rpm,
            fan_cfm=fan_flow_cfm(fan_rpm, self._rating),
            clock_ghz=self._clock_ghz(),
            promised_clock_ghz=None if promised_khz is None else promised_khz / 1e6,
            load_1m=self._system.getloadavg()[0],
            memory_percent=self._system.virtual_memory().percent,
            disk_percent=self._system.disk_usage(os.path.abspath(os.sep)).percent,
            **rates,
        )

    def _counters(self) -> Counters:
        now_s = self._seconds()
        if now_s - self._found_at_s >= FIND_AGAIN_S:
            self._files, self._found_at_s = find_files(self._root), now_s
        times = self._system.cpu_times()
        # As top and psutil count: guests are part of user and nice, waiting for a disk is idle.
        total_s = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        idle_s = times.idle + getattr(times, "iowait", 0.0)
        throttlings = [sysfs.read_number(path) or 0.0 for path in self._files.throttle_counters]
        return Counters(
            at_s=now_s,
            busy_s=total_s - idle_s,
            total_s=total_s,
            energy=self._energy(),
            throttlings=sum(throttlings) if throttlings else None,
        )

    def _energy(self) -> dict[str, Energy]:
        energy = {}
        for zone in self._files.energy_zones:
            used_uj = sysfs.read_number(zone / "energy_uj")
            range_uj = sysfs.read_number(zone / "max_energy_range_uj")
            if used_uj is not None and range_uj is not None:
                energy[zone.name] = Energy(used_uj, range_uj)
        return energy

    def _clock_ghz(self) -> float | None:
        try:
            clock = self._system.cpu_freq()
        except (OSError, NotImplementedError, AttributeError):
            return None  # no cpufreq here: some virtual machines and Arm boards
        return clock.current / 1000 if clock is not None and clock.current > 0 else None


class PcSource:
    """This PC, for the agent's loop."""

    kind = "pc"

    def __init__(self, probe: HostProbe) -> None:
        self._probe = probe
        self._snapshot = probe.snapshot(None)  # so that the first reading has rates

    def values(self, at_ms: int) -> Mapping[str, float | None]:
        """Every channel now; rates are since the call before."""
        self._snapshot = self._probe.snapshot(self._snapshot)
        return read_all(HOST_SENSORS, self._snapshot)


def source_from(settings: AgentSettings) -> PcSource:
    """This PC as the settings describe it. Raises SettingsError."""
    rating = fan_rating(settings.fan_rated_rpm, settings.fan_rated_cfm)
    probe = HostProbe(rating=rating)
    if hidden := [zone for zone in probe.files.energy_zones if not _readable(zone)]:
        log.warning(
            "CPU power is not measured: only root may read %s; run the agent as root, or"
            " allow it with `chmod o+r`.",
            hidden[0] / "energy_uj",
        )
    return PcSource(probe)


def _readable(zone: Path) -> bool:
    return os.access(zone / "energy_uj", os.R_OK)
