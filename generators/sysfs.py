"""Numbers out of /sys: which files hold the CPU's heat, fans, voltages and energy.

The root is handed in, so that a test hands in a small tree. What each file means:
https://docs.kernel.org/hwmon/sysfs-interface.html and https://docs.kernel.org/power/powercap/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# Chips that measure the CPU, best first, and which of their inputs stands for the whole of it.
CPU_CHIPS: dict[str, tuple[str, ...]] = {
    "coretemp": ("package",),
    "k10temp": ("tdie", "tctl"),  # Tctl carries an offset on some models, Tdie does not
    "zenpower": ("tdie", "tctl"),
    "k8temp": (),
    "via_cputemp": (),
    "cpu_thermal": (),
    "soc_thermal": (),
}
CPU_LABELS = ("cpu package", "cpu", "cpu temperature", "peci agent 0", "tsi0_temp")
# acpitz comes last: on many boards it is some other place, or a constant.
CPU_ZONES = ("x86_pkg_temp", "cpu-thermal", "cpu_thermal", "cpu", "soc", "acpitz")
CORE_VOLTAGE_LABELS = ("vcore", "cpu core", "cpu core voltage", "cpu vcore", "svi2_core")
# Nuvoton's own pin name of in0 is CPUVCORE; the driver gives it no label.
CORE_VOLTAGE_CHIPS = re.compile(r"nct67(75|76|7[79]|9\d)")
NOT_COOLING_THE_CPU = ("amdgpu", "radeon", "nouveau", "i915", "xe", "nvme")


@dataclass(frozen=True, slots=True)
class Input:
    """One measured value of a chip: `temp1_input` with the text of `temp1_label`."""

    chip: str
    label: str  # lower case, "" where the driver gives none
    path: Path


def read_text(path: Path) -> str | None:
    """What the file says, stripped; None where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def read_number(path: Path) -> float | None:
    """The number in the file; None where there is none to be read."""
    try:
        return float(path.read_bytes())
    except (OSError, ValueError):
        return None


def highest(paths: Sequence[Path], scale: float) -> float | None:
    """The highest of the numbers that can be read, times `scale`; None when none can."""
    numbers = [number for path in paths if (number := read_number(path)) is not None]
    return max(numbers) * scale if numbers else None


def numbered(folder: Path, pattern: str) -> list[Path]:
    """The entries that match, hwmon10 after hwmon9."""
    return sorted(folder.glob(pattern), key=lambda path: (len(path.name), path.name))


def inputs(root: Path, quantity: str) -> Iterator[Input]:
    """Every input of a quantity (temp, fan, in, power, …) of every hwmon chip."""
    for folder in numbered(root / "class/hwmon", "hwmon*"):
        chip = read_text(folder / "name") or ""
        for path in numbered(folder, f"{quantity}[0-9]*_input"):
            label = read_text(path.with_name(path.name.replace("_input", "_label"))) or ""
            yield Input(chip, label.lower(), path)


def cpu_temperatures(root: Path) -> tuple[Path, ...]:
    """The files, in millidegrees, of the CPU's temperature: one, or one per package."""
    found = list(inputs(root, "temp"))
    for chip, labels in CPU_CHIPS.items():
        of_chip = [each for each in found if each.chip == chip]
        for label in labels:
            if best := [each.path for each in of_chip if each.label.startswith(label)]:
                return tuple(best)
        if of_chip:
            return tuple(each.path for each in of_chip)
    for label in CPU_LABELS:
        if best := [each.path for each in found if each.label == label]:
            return tuple(best)
    return _cpu_zones(root)


def _cpu_zones(root: Path) -> tuple[Path, ...]:
    zones = [
        (read_text(folder / "type") or "", folder / "temp")
        for folder in numbered(root / "class/thermal", "thermal_zone*")
    ]
    for kind in CPU_ZONES:
        if best := [path for name, path in zones if name.startswith(kind)]:
            return tuple(best)
    return ()


def cpu_fans(root: Path) -> tuple[Path, ...]:
    """The files, in RPM, of the fan that is labelled as the CPU's, or else of all but the GPU's."""
    found = [each for each in inputs(root, "fan") if each.chip not in NOT_COOLING_THE_CPU]
    labelled = [each.path for each in found if "cpu" in each.label]
    return tuple(labelled or [each.path for each in found])


def core_voltages(root: Path) -> tuple[Path, ...]:
    """The files, in millivolts, of the CPU's core voltage, where it is known to be that."""
    found = [each for each in inputs(root, "in") if each.chip not in NOT_COOLING_THE_CPU]
    labelled = [each.path for each in found if each.label in CORE_VOLTAGE_LABELS]
    known = [
        each.path
        for each in found
        if each.path.name == "in0_input" and CORE_VOLTAGE_CHIPS.match(each.chip)
    ]
    return tuple((labelled or known)[:1])


def energy_zones(root: Path) -> tuple[Path, ...]:
    """The folders of the RAPL counters of whole CPU packages.

    intel-rapl-mmio repeats the same packages and is left out; AMD's are called intel-rapl too.
    """
    zones = numbered(root / "class/powercap", "intel-rapl:[0-9]*")
    return tuple(zone for zone in zones if (read_text(zone / "name") or "").startswith("package"))


def board_powers(root: Path) -> tuple[Path, ...]:
    """The file, in microwatts, of an ACPI power meter: what the whole machine draws."""
    return _of_chip(root, "power_meter", "power1_average")


def undervoltage_alarms(root: Path) -> tuple[Path, ...]:
    """The kernel's own watch over a Raspberry Pi's supply: 1 while it is too low."""
    return _of_chip(root, "rpi_volt", "in0_lcrit_alarm")


def _of_chip(root: Path, chip: str, file: str) -> tuple[Path, ...]:
    folders = numbered(root / "class/hwmon", "hwmon*")
    return tuple(folder / file for folder in folders if read_text(folder / "name") == chip)[:1]


def promised_clock_khz(root: Path) -> float | None:
    """The clock that the CPU promises under load: its base clock, or a lower one that was set.

    Turbo above it is a gift, so a CPU below its turbo clock is not throttled. None where the
    kernel does not tell the base clock.
    """
    folder = root / "devices/system/cpu/cpu0"
    base = read_number(folder / "cpufreq/base_frequency")  # Intel, kHz
    nominal = read_number(folder / "acpi_cppc/nominal_freq")  # AMD and Arm, MHz
    allowed = read_number(folder / "cpufreq/scaling_max_freq")
    promised = base or (nominal * 1000 if nominal else None)
    if promised is None or allowed is None:
        return promised
    return min(promised, allowed)


def throttle_counters(root: Path) -> tuple[Path, ...]:
    """The files that count how often each Intel package and core was too hot to run on."""
    folder = root / "devices/system/cpu"
    return tuple(numbered(folder, "cpu[0-9]*/thermal_throttle/*_throttle_count"))
