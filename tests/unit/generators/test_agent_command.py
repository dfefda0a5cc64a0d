"""The command line: which agent runs, and what is said when it cannot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import gpiozero
import pytest

from fleetpulse.settings import AgentSettings
from generators import __main__ as command


class Runs:
    """What would have been run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.source: Any = None
        self.settings: Any = None
        self.device_id = ""
        monkeypatch.setattr(command, "run_agent", self)

    def __call__(self, source: Any, settings: AgentSettings, device_id: str) -> None:
        self.source, self.settings, self.device_id = source, settings, device_id


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    return Runs(monkeypatch)


def test_options_go_over_the_environment(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEETPULSE_INTERVAL", "30")
    monkeypatch.setenv("TOPIC_NAME", "telemetry.old")

    code = command.main(
        ["pc", "--interval", "2", "--topic", "telemetry.new", "--device-id", "x", "--data", "d"]
    )

    assert code == 0
    assert (runs.settings.interval_s, runs.settings.topic) == (2.0, "telemetry.new")
    assert (runs.device_id, runs.settings.data) == ("x", Path("d"))


@pytest.mark.parametrize(("device", "kind"), [("PC", "pc"), ("RASPBERRY", "raspberry")])
def test_device_picks_the_agent(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, device: str, kind: str
) -> None:
    monkeypatch.setenv("DEVICE", device)
    monkeypatch.setattr(gpiozero.Device, "pin_factory", None)
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")

    assert command.main(["--interval", "2"]) == 0

    assert runs.source.kind == kind
    assert runs.settings.interval_s == 2.0


def test_a_word_that_is_none_is_answered_with_all_that_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.main(["instal", "pc"]) == 2

    said = capsys.readouterr().err
    assert said.startswith("fleetpulse agent: There is no 'instal'; say pc, raspberry, ")
    assert said.endswith(", or install, uninstall, status.\n")


def test_a_simulated_machine_has_a_name_of_its_own(runs: Runs) -> None:
    assert command.main(["simulated", "--kind", "pc"]) == 0

    assert runs.device_id == "simulated-pc"
    assert runs.source.kind == "pc"


def test_a_host_name_becomes_a_device_id(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "büro pc.local")

    command.main(["pc"])

    assert runs.device_id == "b-ro-pc.local"


def test_without_an_agent_the_choice_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([]) == 2

    assert capsys.readouterr().err == (
        "fleetpulse agent: Say which agent to run (pc, raspberry, simulated, replay),"
        " or set DEVICE to PC or RASPBERRY.\n"
    )


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--device-id", "a/b"], "FLEETPULSE_DEVICE_ID"),
        (["--topic", "with spaces"], "TOPIC_NAME"),
        (["--interval", "0"], "FLEETPULSE_INTERVAL"),
    ],
)
def test_a_wrong_option_is_one_sentence_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], named: str
) -> None:
    assert command.main(["pc", "--data", str(tmp_path), *words]) == 2

    error = capsys.readouterr().err
    assert named in error
    assert error.count("\n") == 1


def test_without_a_broker_it_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["pc", "--data", str(tmp_path)]) == 2

    assert "run `fleetpulse up` first, or set KAFKA_BROKER_SETTINGS" in capsys.readouterr().err


def test_help_and_the_pc_agent_import_nothing_heavy() -> None:
    script = (
        "import sys, generators.__main__, generators.pc;"
        "heavy = {'numpy', 'rich', 'gpiozero', 'sqlalchemy', 'flask', 'boto3', 'sklearn'};"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")
