"""This Raspberry Pi as a source: what a PC has, and what gpiozero and the firmware tell besides.

Off a Pi, or without the rights, it says once what is missing and goes on with the rest.
What the firmware's answers mean: https://www.raspberrypi.com/documentation/computers/os.html#vcgencmd
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gpiozero

from fleetpulse.settings import AgentSettings
from generators import sysfs
from generators.pc import SYS, HostProbe, HostSnapshot
from generators.sensors import FanRating, Sensor, fan_flow_cfm, fan_rating, read_all

VCGENCMD_TIMEOUT_S = 2.0
PULSES_PER_TURN = 2  # of a PC fan's tachometer
UNDERVOLTAGE_NOW = 0b0001
SLOWED_NOW = 0b1110  # clock capped, throttled, or soft temperature limit
_RAIL = re.compile(r"(\w+)_([AV])\s+\w+\(\d+\)=([\d.]+)")

log = logging.getLogger(__name__)

Ask = Callable[[Sequence[str]], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PiSnapshot:
    """This Raspberry Pi at one moment. None: it lacks that."""

    host: HostSnapshot
    temperature_c: float | None = None
    load_1m: float | None = None
    fan_pulses: int | None = None  # so far
    fan_rpm: float | None = None
    fan_cfm: float | None = None
    flags: int | None = None  # of get_throttled
    undervoltage_alarm: float | None = None  # of the kernel
    arm_clock_ghz: float | None = None
    set_clock_ghz: float | None = None
    supply_v: float | None = None
    power_w: float | None = None


PI_SENSORS: tuple[Sensor[PiSnapshot], ...] = (
    Sensor(
        name="temperature_c",
        origin="gpiozero CPUTemperature, else hwmon or a thermal zone",
        read=lambda pi: pi.temperature_c,
    ),
    Sensor(
        name="power_w",
        origin="Pi 5: vcgencmd pmic_read_adc, current times voltage of all rails",
        read=lambda pi: pi.power_w,
    ),
    Sensor(
        name="load_pct",
        origin="psutil: busy share of all CPUs since the last reading",
        read=lambda pi: pi.host.cpu_percent,
    ),
    Sensor(
        name="voltage_v",
        origin="Pi 5: vcgencmd pmic_read_adc, the 5 V supply; others cannot measure it",
        read=lambda pi: pi.supply_v,
    ),
    Sensor(
        name="fan_cfm",
        origin="tachometer pin (two pulses a turn), else hwmon; times the rated flow",
        read=lambda pi: pi.fan_cfm,
    ),
    Sensor(
        name="clock_ghz",
        origin="vcgencmd measure_clock arm, else cpufreq",
        read=lambda pi: pi.arm_clock_ghz,
    ),
    Sensor(
        name="requested_clock_ghz",
        origin="cpufreq: what the kernel has set; the firmware may run slower",
        read=lambda pi: pi.set_clock_ghz,
    ),
    Sensor(
        name="load_1m",
        origin="gpiozero LoadAverage of one minute, else psutil",
        read=lambda pi: pi.load_1m,
    ),
    Sensor(
        name="throttled",
        origin="vcgencmd get_throttled: 1 while capped, throttled or at the soft limit",
        read=lambda pi: flag(pi.flags, SLOWED_NOW),
    ),
    Sensor(
        name="undervoltage",
        origin="vcgencmd get_throttled: 1 while the supply is below 4.63 V; else hwmon",
        read=lambda pi: (
            pi.undervoltage_alarm if pi.flags is None else flag(pi.flags, UNDERVOLTAGE_NOW)
        ),
    ),
    Sensor(
        name="memory_pct",
        origin="psutil: memory that is not available",
        read=lambda pi: pi.host.memory_percent,
    ),
    Sensor(
        name="disk_pct",
        origin="psutil: use of the system's disk",
        read=lambda pi: pi.host.disk_percent,
    ),
)


def flag(flags: int | None, bits: int) -> float | None:
    """1 if any of the bits is set, else 0; None when the flags are not known."""
    return None if flags is None else float(flags & bits != 0)


def throttled_flags(answer: str) -> int | None:
    """The bits in an answer of get_throttled, as `throttled=0x50005`."""
    found = re.fullmatch(r"throttled=0x([0-9a-fA-F]+)", answer.strip())
    return int(found[1], 16) if found else None


def clock_ghz(answer: str) -> float | None:
    """The clock in an answer of measure_clock, as `frequency(0)=1800404352`; 0 is no answer."""
    found = re.fullmatch(r"frequency\(\d+\)=(\d+)", answer.strip())
    return int(found[1]) / 1e9 if found and int(found[1]) > 0 else None


def supply_volts(answer: str) -> float | None:
    """The 5 V supply in an answer of pmic_read_adc."""
    return _rails(answer, "V").get("EXT5V")


def rails_watts(answer: str) -> float | None:
    """Power of all rails whose current is measured, in an answer of pmic_read_adc.

    What the 5 V side itself feeds (USB devices, the fan) is not among the rails.
    """
    volts, amperes = _rails(answer, "V"), _rails(answer, "A")
    both = volts.keys() & amperes.keys()
    return sum(volts[rail] * amperes[rail] for rail in sorted(both)) if both else None


def _rails(answer: str, unit: str) -> dict[str, float]:
    return {rail: float(value) for rail, kind, value in _RAIL.findall(answer) if kind == unit}


def turns_per_minute(before: PiSnapshot, pulses: int | None, at_s: float) -> float | None:
    """Fan speed from the pulses since `before`; None without a tachometer."""
    elapsed_s = at_s - before.host.counters.at_s
    if pulses is None or before.fan_pulses is None or elapsed_s <= 0:
        return None
    return (pulses - before.fan_pulses) / PULSES_PER_TURN / elapsed_s * 60


def ask_vcgencmd(words: Sequence[str]) -> str | None:
    """What vcgencmd answers; None when it fails or takes too long."""
    try:
        done = subprocess.run(  # noqa: S603
            words, capture_output=True, text=True, timeout=VCGENCMD_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


class Firmware:
    """The Pi's firmware; what it could not tell at the start is not asked again."""

    def __init__(self, ask: Ask = ask_vcgencmd, path: str | None = None) -> None:
        """path: of vcgencmd; None: there is none."""
        self._ask = ask
        self._path = path
        self.flags_known = self.flags() is not None if path else False
        self.clock_known = self.clock_ghz() is not None if path else False
        self.rails_known = supply_volts(self.rails()) is not None if path else False

    def flags(self) -> int | None:
        """The bits of get_throttled."""
        return throttled_flags(self._answer("get_throttled"))

    def clock_ghz(self) -> float | None:
        """The clock that the Arm cores really have."""
        return clock_ghz(self._answer("measure_clock", "arm"))

    def rails(self) -> str:
        """Voltages and currents of a Pi 5; of others, nothing."""
        return self._answer("pmic_read_adc")

    def _answer(self, *words: str) -> str:
        return self._ask([self._path or "vcgencmd", *words]) or ""


class Tachometer:
    """Counts the pulses of a fan on a pin: it pulls the pin to ground twice a turn."""

    def __init__(self, pin: int, factory: Any) -> None:
        self.pulses = 0
        self._device = gpiozero.DigitalInputDevice(pin, pull_up=True, pin_factory=factory)
        self._device.when_activated = self._count

    def _count(self) -> None:
        self.pulses += 1


class PiProbe:
    """Makes snapshots of this Raspberry Pi; `missing` says what it does without."""

    def __init__(
        self,
        host: HostProbe,
        firmware: Firmware,
        *,
        root: Path = SYS,
        load_average_file: Path = Path("/proc/loadavg"),
        fan_pin: int | None = None,
        rating: FanRating | None = None,
        factory: Any = None,
    ) -> None:
        """factory: gpiozero's way to the pins; None: the best that works here."""
        self.missing: list[str] = []
        self._host = host
        self._firmware = firmware
        self._rating = rating
        self._set_clock = root / "devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"
        self._alarms = sysfs.undervoltage_alarms(root)
        self._thermometer: Any = None
        self._load: Any = None
        self._tachometer: Tachometer | None = None
        factory = factory or self._pin_factory()
        if factory is not None:
            zone = root / "class/thermal/thermal_zone0/temp"
            self._thermometer = self._open(
                "CPUTemperature",
                lambda: gpiozero.CPUTemperature(sensor_file=str(zone), pin_factory=factory),
            )
            self._load = self._open(
                "LoadAverage",
                lambda: gpiozero.LoadAverage(
                    load_average_file=str(load_average_file), minutes=1, pin_factory=factory
                ),
            )
            if fan_pin is not None:
                self._tachometer = self._open(
                    f"fan tachometer on GPIO {fan_pin}", lambda: Tachometer(fan_pin, factory)
                )
        if not firmware.flags_known:
            self.missing.append("vcgencmd (supply and throttling flags, real clock)")

    def _pin_factory(self) -> Any:
        # lgpio makes a pipe in the working folder, where we may not be allowed to write.
        os.environ.setdefault("LG_WD", tempfile.gettempdir())
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # each factory that does not work here
                gpiozero.Device.ensure_pin_factory()
        except Exception as problem:  # whatever a factory's library raises
            self.missing.append(f"GPIO pins ({problem})")
            return None
        return gpiozero.Device.pin_factory

    def _open(self, name: str, make: Callable[[], Any]) -> Any:
        try:
            return make()
        except (OSError, ValueError, gpiozero.GPIOZeroError) as problem:
            self.missing.append(f"{name} ({problem})")
            return None

    def snapshot(self, before: PiSnapshot | None) -> PiSnapshot:
        """This Pi now; rates are since `before`."""
        host = self._host.snapshot(before.host if before is not None else None)
        firmware = self._firmware
        pulses = self._tachometer.pulses if self._tachometer is not None else None
        fan_rpm = host.fan_rpm
        if pulses is not None:
            at_s = host.counters.at_s
            fan_rpm = turns_per_minute(before, pulses, at_s) if before is not None else None
        arm_clock_ghz = firmware.clock_ghz() if firmware.clock_known else None
        set_clock_khz = sysfs.read_number(self._set_clock)
        rails = firmware.rails() if firmware.rails_known else ""
        return PiSnapshot(
            host=host,
            temperature_c=self._temperature_c(host),
            load_1m=self._load.load_average if self._load is not None else host.load_1m,
            fan_pulses=pulses,
            fan_rpm=fan_rpm,
            fan_cfm=fan_flow_cfm(fan_rpm, self._rating),
            flags=firmware.flags() if firmware.flags_known else None,
            undervoltage_alarm=sysfs.highest(self._alarms, scale=1.0),
            arm_clock_ghz=host.clock_ghz if arm_clock_ghz is None else arm_clock_ghz,
            set_clock_ghz=None if set_clock_khz is None else set_clock_khz / 1e6,
            supply_v=supply_volts(rails),
            power_w=rails_watts(rails),
        )

    def _temperature_c(self, host: HostSnapshot) -> float | None:
        if self._thermometer is None:
            return host.temperature_c
        try:
            return float(self._thermometer.temperature)
        except (OSError, ValueError):
            return host.temperature_c


class RaspberrySource:
    """This Raspberry Pi, for the agent's loop."""

    kind = "raspberry"

    def __init__(self, probe: PiProbe) -> None:
        self._probe = probe
        self._snapshot = probe.snapshot(None)  # so that the first reading has rates

    def values(self, at_ms: int) -> Mapping[str, float | None]:
        """Every channel now; rates are since the call before."""
        self._snapshot = self._probe.snapshot(self._snapshot)
        return read_all(PI_SENSORS, self._snapshot)


def source_from(settings: AgentSettings) -> RaspberrySource:
    """This Raspberry Pi as the settings describe it. Raises SettingsError."""
    probe = PiProbe(
        HostProbe(),
        Firmware(path=shutil.which("vcgencmd")),
        fan_pin=settings.fan_pin,
        rating=fan_rating(settings.fan_rated_rpm, settings.fan_rated_cfm),
    )
    if probe.missing:
        log.warning("missing here, going on without: %s", "; ".join(probe.missing))
    return RaspberrySource(probe)
