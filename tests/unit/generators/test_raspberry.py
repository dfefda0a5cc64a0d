"""What a Raspberry Pi sends, with gpiozero's mock pins and a firmware that answers by the book."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import gpiozero
import pytest
from gpiozero.pins.mock import MockFactory

from generators.pc import HostProbe
from generators.raspberry import Firmware, PiProbe, RaspberrySource, ask_vcgencmd
from generators.sensors import FanRating
from tests.unit.generators.fakes import FIXTURES, FakePsutil, Frequency, Seconds, plant, put

PI5 = {
    "get_throttled": "throttled=0x50005\n",
    "measure_clock arm": "frequency(0)=1500398464\n",
    "pmic_read_adc": (FIXTURES / "pmic_read_adc.txt").read_text(),
}
PI4 = {**PI5, "pmic_read_adc": 'error=1 error_msg="Command not registered"\n'}


class FakeVcgencmd:
    """Answers from a table, and counts what it was asked."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(self, words: Sequence[str]) -> str | None:
        self.asked.append(" ".join(words[1:]))
        return self.answers.get(" ".join(words[1:]))


@pytest.fixture
def pins() -> Iterator[MockFactory]:
    factory = MockFactory()
    yield factory
    factory.reset()


class Pi:
    """A Raspberry Pi of files, mock pins and a fake vcgencmd."""

    def __init__(
        self,
        root: Path,
        pins: MockFactory | None,
        answers: dict[str, str] | None = None,
        fan_pin: int | None = None,
        rating: FanRating | None = None,
    ) -> None:
        self.seconds = Seconds()
        self.vcgencmd = FakeVcgencmd(answers or {})
        put(root / "loadavg", "0.42 0.50 0.60 1/200 4242")
        system = FakePsutil(frequency=Frequency(2400.0), load_1m=9.0)
        path = "/usr/bin/vcgencmd" if answers is not None else None
        self.probe = PiProbe(
            HostProbe(system=system, root=root, seconds=self.seconds),
            Firmware(self.vcgencmd, path),
            root=root,
            load_average_file=root / "loadavg",
            fan_pin=fan_pin,
            rating=rating,
            factory=pins,
        )
        self.source = RaspberrySource(self.probe)

    def after(self, seconds: float) -> dict[str, float | None]:
        self.seconds.now += seconds
        return dict(self.source.values(0))


def test_gpiozero_gives_temperature_and_load_average(tmp_path: Path, pins: MockFactory) -> None:
    values = Pi(plant("pi5", tmp_path), pins, PI5).after(5.0)

    assert values["temperature_c"] == 61.3
    assert values["load_1m"] == 0.42


@pytest.mark.parametrize(
    ("flags", "undervoltage", "throttled"),
    [
        ("0x0", 0.0, 0.0),
        ("0x1", 1.0, 0.0),
        ("0x2", 0.0, 1.0),
        ("0x4", 0.0, 1.0),
        ("0x8", 0.0, 1.0),
        ("0x50005", 1.0, 1.0),
        ("0xe0000", 0.0, 0.0),  # only what has been, not what is
    ],
)
def test_flags_of_now_count_and_those_of_the_past_do_not(
    tmp_path: Path, pins: MockFactory, flags: str, undervoltage: float, throttled: float
) -> None:
    answers = {"get_throttled": f"throttled={flags}\n"}

    values = Pi(plant("pi5", tmp_path), pins, answers).after(5.0)

    assert (values["undervoltage"], values["throttled"]) == (undervoltage, throttled)


def test_the_clock_is_the_firmwares_and_the_set_clock_the_kernels(
    tmp_path: Path, pins: MockFactory
) -> None:
    values = Pi(plant("pi5", tmp_path), pins, PI5).after(5.0)

    assert values["clock_ghz"] == pytest.approx(1.5, abs=0.001)
    assert values["requested_clock_ghz"] == 2.4


def test_a_pi_5_measures_its_supply_and_the_power_of_its_rails(
    tmp_path: Path, pins: MockFactory
) -> None:
    values = Pi(plant("pi5", tmp_path), pins, PI5).after(5.0)

    assert values["voltage_v"] == 5.02
    expected_w = 0.00390372 * 3.717576 + 0.05953173 * 3.310318 + 0.1805539 * 1.803666 + 1.25 * 0.8
    assert values["power_w"] == pytest.approx(expected_w)


def test_a_pi_4_sends_neither_voltage_nor_power_and_is_not_asked_again(
    tmp_path: Path, pins: MockFactory
) -> None:
    pi = Pi(plant("pi5", tmp_path), pins, PI4)

    values = [pi.after(5.0) for _ in range(3)][-1]

    assert (values["voltage_v"], values["power_w"]) == (None, None)
    assert pi.vcgencmd.asked.count("pmic_read_adc") == 1
    assert not any("measure_volts" in question for question in pi.vcgencmd.asked)


def test_off_a_pi_what_is_missing_is_said_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpiozero.Device, "pin_factory", None)
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "none-of-them")

    pi = Pi(plant("zones_only", tmp_path), None)
    values = pi.after(5.0)

    assert [what.split(" (")[0] for what in pi.probe.missing] == ["GPIO pins", "vcgencmd"]
    assert (values["temperature_c"], values["load_1m"]) == (43.0, 9.0)
    assert (values["throttled"], values["undervoltage"]) == (None, None)
    assert pi.vcgencmd.asked == []


def test_without_vcgencmd_the_kernels_own_alarm_tells_of_the_supply(
    tmp_path: Path, pins: MockFactory
) -> None:
    values = Pi(plant("pi5", tmp_path), pins).after(5.0)

    assert values["undervoltage"] == 1.0
    assert values["throttled"] is None
    assert values["clock_ghz"] == 2.4


def test_a_vcgencmd_without_rights_is_found_once(tmp_path: Path, pins: MockFactory) -> None:
    pi = Pi(plant("pi5", tmp_path), pins, {})

    pi.after(5.0)

    assert len(pi.vcgencmd.asked) == 3  # each question once, at the start
    assert "vcgencmd" in pi.probe.missing[0]


def test_an_answer_that_fails_to_come_is_missing_for_that_reading_only(
    tmp_path: Path, pins: MockFactory
) -> None:
    pi = Pi(plant("pi5", tmp_path), pins, dict(PI5))
    flags = pi.vcgencmd.answers.pop("get_throttled")
    without = pi.after(5.0)
    pi.vcgencmd.answers["get_throttled"] = flags

    assert without["throttled"] is None
    assert pi.after(5.0)["throttled"] == 1.0


def test_a_tachometer_pin_counts_two_pulses_a_turn(tmp_path: Path, pins: MockFactory) -> None:
    pi = Pi(tmp_path, pins, fan_pin=17, rating=FanRating(rpm=3000.0, cfm=6.0), answers=PI4)
    fan = pins.pin(17)
    for _ in range(100):  # 50 turns
        fan.drive_low()
        fan.drive_high()

    values = pi.after(2.0)

    assert values["fan_cfm"] == pytest.approx(3.0)  # 1,500 RPM


def test_a_fan_that_stands_still_is_zero_and_no_fan_is_none(
    tmp_path: Path, pins: MockFactory
) -> None:
    rating = FanRating(rpm=3000.0, cfm=6.0)
    stopped = Pi(tmp_path / "stopped", pins, fan_pin=17, rating=rating)
    without = Pi(tmp_path / "without", pins, rating=rating)

    assert stopped.after(5.0)["fan_cfm"] == 0.0
    assert without.after(5.0)["fan_cfm"] is None


def test_a_pi_5_cooler_is_read_from_the_kernel(tmp_path: Path, pins: MockFactory) -> None:
    pi = Pi(plant("pi5", tmp_path), pins, PI5, rating=FanRating(rpm=6108.0, cfm=2.0))

    assert pi.after(5.0)["fan_cfm"] == pytest.approx(1.0)


def test_a_thermometer_that_goes_away_falls_back_to_the_kernels_chip(
    tmp_path: Path, pins: MockFactory
) -> None:
    pi = Pi(plant("pi5", tmp_path), pins, PI5)
    (tmp_path / "class/thermal/thermal_zone0/temp").unlink()

    assert pi.after(5.0)["temperature_c"] == pytest.approx(61.3)


def test_vcgencmd_that_is_not_there_or_fails_has_no_answer() -> None:
    assert ask_vcgencmd(["/nonexistent/vcgencmd", "get_throttled"]) is None
    assert ask_vcgencmd(["false"]) is None
    assert ask_vcgencmd(["echo", "throttled=0x0"]) == "throttled=0x0\n"
