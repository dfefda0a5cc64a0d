"""Rates: load, power and throttling from two snapshots and the time between them."""

from __future__ import annotations

from pathlib import Path

import pytest

from generators.pc import Counters, Energy, HostProbe, HostSnapshot, package_watts
from tests.unit.generators.fakes import CpuTimes, FakePsutil, Seconds, plant, put

PACKAGE = "class/powercap/intel-rapl:0/energy_uj"


class Machine:
    """A PC whose counters a test turns on."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.system = FakePsutil()
        self.seconds = Seconds()
        self.probe = HostProbe(system=self.system, root=root, seconds=self.seconds)
        self.before = self.probe.snapshot(None)

    def after(self, seconds: float) -> HostSnapshot:
        self.seconds.now += seconds
        return self.probe.snapshot(self.before)


def test_load_is_the_busy_share_since_the_last_snapshot(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.system.times = CpuTimes(user=3.0, idle=5.0, iowait=2.0)

    assert machine.after(5.0).cpu_percent == 30.0


def test_guests_are_counted_once(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.system.times = CpuTimes(user=5.0, idle=5.0, guest=5.0)

    assert machine.after(5.0).cpu_percent == 50.0


def test_an_idle_machine_has_a_load_of_zero_not_none(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.system.times = CpuTimes(idle=10.0)

    assert machine.after(5.0).cpu_percent == 0.0


def test_a_first_snapshot_has_no_rates(tmp_path: Path) -> None:
    first = Machine(plant("intel_desktop", tmp_path)).before

    assert (first.cpu_percent, first.power_w, first.throttled) == (None, None, None)


def test_power_counts_each_package_once_through_a_wraparound(tmp_path: Path) -> None:
    machine = Machine(plant("intel_desktop", tmp_path))
    put(tmp_path / PACKAGE, 299_671_150)  # past 262,143,328,850 and on: 300 J later

    assert machine.after(5.0).power_w == pytest.approx(60.0)


def test_a_counter_that_did_not_move_is_zero_watts(tmp_path: Path) -> None:
    machine = Machine(plant("intel_desktop", tmp_path))

    assert machine.after(5.0).power_w == 0.0


def test_packages_add_up(tmp_path: Path) -> None:
    before = Counters(
        at_s=0.0, busy_s=0, total_s=0, energy={"a": Energy(0, 1e12), "b": Energy(5e6, 1e12)}
    )
    now = Counters(
        at_s=2.0, busy_s=0, total_s=0, energy={"a": Energy(20e6, 1e12), "b": Energy(35e6, 1e12)}
    )

    assert package_watts(before, now) == 25.0


def test_a_counter_that_may_have_gone_round_twice_tells_nothing(tmp_path: Path) -> None:
    machine = Machine(plant("intel_desktop", tmp_path))
    put(tmp_path / PACKAGE, 262_143_100_000)

    assert machine.after(3600.0).power_w is None


def test_a_counter_that_was_reset_tells_nothing(tmp_path: Path) -> None:
    root = plant("intel_desktop", tmp_path)
    put(root / PACKAGE, 100_000_000_000)
    machine = Machine(root)
    put(root / PACKAGE, 1_000_000)  # as after a suspend

    assert machine.after(5.0).power_w is None


def test_power_is_missing_where_only_root_may_read_it(tmp_path: Path) -> None:
    root = plant("intel_desktop", tmp_path)
    (root / PACKAGE).unlink()  # root reads through any mode, so the file is simply not there

    assert Machine(root).after(5.0).power_w is None


def test_a_power_meter_of_the_whole_machine_is_preferred(tmp_path: Path) -> None:
    machine = Machine(plant("two_sockets", tmp_path))

    assert machine.after(5.0).power_w == 412.0


def test_throttled_is_told_by_counters_that_grew(tmp_path: Path) -> None:
    machine = Machine(plant("intel_desktop", tmp_path))
    calm = machine.after(5.0)
    put(tmp_path / "devices/system/cpu/cpu1/thermal_throttle/core_throttle_count", 1)
    hot = machine.after(5.0)

    assert calm.throttled == 0.0
    assert hot.throttled == 1.0


def test_throttling_is_missing_where_it_is_not_counted(tmp_path: Path) -> None:
    assert Machine(plant("amd_laptop", tmp_path)).after(5.0).throttled is None
