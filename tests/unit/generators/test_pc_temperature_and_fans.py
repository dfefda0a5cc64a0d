"""Which files of /sys stand for the CPU's heat, its fan and its voltage."""

from __future__ import annotations

from pathlib import Path

import pytest

from generators.pc import HostProbe, HostSnapshot
from generators.sensors import FanRating
from tests.unit.generators.fakes import FakePsutil, Seconds, plant, put


def snapshot(root: Path, rating: FanRating | None = None) -> HostSnapshot:
    probe = HostProbe(system=FakePsutil(), root=root, rating=rating, seconds=Seconds())
    return probe.snapshot(None)


def test_the_package_stands_for_the_cpu_not_a_core_a_disk_or_a_graphics_card(
    tmp_path: Path,
) -> None:
    host = snapshot(plant("intel_desktop", tmp_path))

    assert host.temperature_c == 62.0


def test_tdie_is_believed_before_tctl_which_carries_an_offset(tmp_path: Path) -> None:
    host = snapshot(plant("amd_laptop", tmp_path))

    assert host.temperature_c == 67.0


def test_of_two_packages_the_hotter_counts(tmp_path: Path) -> None:
    host = snapshot(plant("two_sockets", tmp_path))

    assert host.temperature_c == 58.0


def test_a_package_that_cannot_be_read_leaves_the_other(tmp_path: Path) -> None:
    root = plant("two_sockets", tmp_path)
    put(root / "class/hwmon/hwmon1/temp1_input", "")

    assert snapshot(root).temperature_c == 51.0


def test_without_hwmon_the_package_zone_is_read_not_acpitz(tmp_path: Path) -> None:
    host = snapshot(plant("zones_only", tmp_path))

    assert host.temperature_c == 43.0


@pytest.mark.parametrize("label", ["CPU", "CPU Temperature", "PECI Agent 0"])
def test_a_board_chip_that_labels_the_cpu_is_enough(tmp_path: Path, label: str) -> None:
    put(tmp_path / "class/hwmon/hwmon0/name", "thinkpad")
    put(tmp_path / "class/hwmon/hwmon0/temp1_input", 48000)
    put(tmp_path / "class/hwmon/hwmon0/temp1_label", label)

    assert snapshot(tmp_path).temperature_c == 48.0


def test_zero_degrees_is_a_reading(tmp_path: Path) -> None:
    root = plant("zones_only", tmp_path)
    put(root / "class/thermal/thermal_zone1/temp", 0)

    assert snapshot(root).temperature_c == 0.0


def test_the_fan_labelled_cpu_counts_or_else_the_fastest_that_is_not_the_graphics_cards(
    tmp_path: Path,
) -> None:
    laptop = snapshot(plant("amd_laptop", tmp_path / "laptop"))
    desktop = snapshot(plant("intel_desktop", tmp_path / "desktop"))

    assert laptop.fan_rpm == 2400.0
    assert desktop.fan_rpm == 1200.0


def test_flow_grows_with_speed_and_needs_a_rating(tmp_path: Path) -> None:
    root = plant("intel_desktop", tmp_path)

    rated = snapshot(root, FanRating(rpm=2000.0, cfm=50.0))
    unrated = snapshot(root)

    assert rated.fan_cfm == 30.0
    assert unrated.fan_cfm is None


def test_a_fan_that_stands_still_moves_no_air(tmp_path: Path) -> None:
    root = plant("intel_desktop", tmp_path)
    put(root / "class/hwmon/hwmon3/fan2_input", 0)

    assert snapshot(root, FanRating(rpm=2000.0, cfm=50.0)).fan_cfm == 0.0


def test_a_core_voltage_is_sent_only_where_the_chip_says_which_input_it_is(tmp_path: Path) -> None:
    desktop = snapshot(plant("intel_desktop", tmp_path / "desktop"))
    laptop = snapshot(plant("amd_laptop", tmp_path / "laptop"))

    assert desktop.core_voltage_v == pytest.approx(1.128)
    assert laptop.core_voltage_v is None  # in0 there is a battery


def test_a_label_wins_over_what_is_known_of_the_chip(tmp_path: Path) -> None:
    root = plant("intel_desktop", tmp_path)
    put(root / "class/hwmon/hwmon4/name", "zenpower")
    put(root / "class/hwmon/hwmon4/in1_input", 1350)
    put(root / "class/hwmon/hwmon4/in1_label", "SVI2_Core")

    assert snapshot(root).core_voltage_v == pytest.approx(1.35)


def test_a_driver_that_is_loaded_later_is_found_within_five_minutes(tmp_path: Path) -> None:
    seconds = Seconds()
    probe = HostProbe(system=FakePsutil(), root=tmp_path, seconds=seconds)
    plant("intel_desktop", tmp_path)

    at_once = probe.snapshot(None)
    seconds.now += 300
    later = probe.snapshot(at_once)

    assert at_once.temperature_c is None
    assert later.temperature_c == 62.0
