"""What a PC sends: every channel it has, None for those it lacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetpulse.errors import SettingsError
from fleetpulse.settings import AgentSettings, load
from fleetpulse.telemetry import CHANNEL_NAMES
from generators import pc, raspberry
from generators.pc import HOST_SENSORS, HostProbe, PcSource
from generators.sensors import Sensor
from tests.unit.generators.fakes import CpuTimes, FakePsutil, Frequency, Seconds, plant

README = Path(pc.__file__).with_name("README.md")


def test_a_machine_without_sensors_still_sends_what_the_system_knows(tmp_path: Path) -> None:
    system = FakePsutil(load_1m=1.5, memory=48.0, disk=71.0)
    seconds = Seconds()
    source = PcSource(HostProbe(system=system, root=tmp_path, seconds=seconds))
    system.times, seconds.now = CpuTimes(user=1.0, idle=3.0), seconds.now + 1

    values = source.values(0)

    assert {name: value for name, value in values.items() if value is not None} == {
        "load_pct": 25.0,
        "clock_ghz": 1.8,
        "load_1m": 1.5,
        "memory_pct": 48.0,
        "disk_pct": 71.0,
    }


def test_zeros_are_sent_as_readings(tmp_path: Path) -> None:
    system = FakePsutil()
    source = PcSource(HostProbe(system=system, root=tmp_path, seconds=Seconds()))
    system.times = CpuTimes(idle=3.0)

    values = source.values(0)

    zeros = [name for name, value in values.items() if value == 0.0]
    assert zeros == ["load_pct", "load_1m", "memory_pct", "disk_pct"]


@pytest.mark.parametrize("frequency", [None, Frequency(0.0)])
def test_a_machine_that_does_not_tell_its_clock_sends_none(
    tmp_path: Path, frequency: Frequency | None
) -> None:
    system = FakePsutil(frequency=frequency)
    source = PcSource(HostProbe(system=system, root=tmp_path, seconds=Seconds()))

    assert source.values(0)["clock_ghz"] is None


def test_a_psutil_that_cannot_tell_the_clock_costs_only_the_clock(tmp_path: Path) -> None:
    class Without(FakePsutil):
        def cpu_freq(self) -> Frequency | None:
            raise NotImplementedError("can't find current frequency file")

    source = PcSource(HostProbe(system=Without(disk=3.0), root=tmp_path, seconds=Seconds()))

    values = source.values(0)

    assert (values["clock_ghz"], values["disk_pct"]) == (None, 3.0)


def test_the_promised_clock_is_the_base_clock_or_a_lower_limit_that_was_set(
    tmp_path: Path,
) -> None:
    promised = {
        name: HostProbe(system=FakePsutil(), root=plant(name, tmp_path / name), seconds=Seconds())
        .snapshot(None)
        .promised_clock_ghz
        for name in ("intel_desktop", "amd_laptop", "zones_only")
    }

    assert promised == {"intel_desktop": 3.6, "amd_laptop": 1.7, "zones_only": None}


def test_a_fan_rating_needs_both_halves() -> None:
    settings = load(AgentSettings, fan_rated_rpm=2000.0)

    with pytest.raises(SettingsError, match="FLEETPULSE_FAN_RATED_CFM"):
        pc.source_from(settings)


def test_this_very_machine_can_be_measured() -> None:
    values = pc.source_from(load(AgentSettings)).values(0)

    assert values["memory_pct"] is not None
    assert 0 < values["memory_pct"] < 100


@pytest.mark.parametrize("sensors", [HOST_SENSORS, raspberry.PI_SENSORS])
def test_sensors_are_channels_in_their_order(sensors: tuple[Sensor[object], ...]) -> None:
    names = [sensor.name for sensor in sensors]

    assert names == [name for name in CHANNEL_NAMES if name in names]


@pytest.mark.parametrize("sensors", [HOST_SENSORS, raspberry.PI_SENSORS])
def test_the_readme_lists_every_sensor_with_its_unit_and_origin(
    sensors: tuple[Sensor[object], ...],
) -> None:
    text = README.read_text()

    missing = [
        sensor.name
        for sensor in sensors
        if f"| {sensor.name} | {sensor.unit} | {sensor.origin} |" not in text
    ]
    assert missing == []
