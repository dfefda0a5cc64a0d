"""The unit that runs an agent: each of its settings is held, as a line that goes is hardly seen."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fleetpulse.errors import SettingsError
from generators.service_unit import unit_text
from tests.services.missing import without

PYTHON = "/opt/fleetpulse/bin/python"
Settings = dict[str, list[str]]

INSTALL: Settings = {"WantedBy": ["multi-user.target"]}
SERVICE: Settings = {
    "Type": ["notify"],
    "EnvironmentFile": ["/etc/fleetpulse/agent.env"],
    "Environment": ["FLEETPULSE_DATA=%S/fleetpulse-agent"],
    "StateDirectory": ["fleetpulse-agent"],
    "StateDirectoryMode": ["0700"],
    "UMask": ["0077"],
    "Restart": ["always"],
    "RestartSec": ["5"],
    "WatchdogSec": ["180"],
    "TimeoutStopSec": ["15"],
    "RestartPreventExitStatus": ["2"],
    "DynamicUser": ["yes"],
    "User": ["fleetpulse-agent"],
    "DevicePolicy": ["closed"],
    "CapabilityBoundingSet": [""],
    "AmbientCapabilities": [""],
    "NoNewPrivileges": ["yes"],
    "ProtectSystem": ["strict"],
    "ProtectHome": ["yes"],
    "PrivateTmp": ["yes"],
    "ProtectProc": ["invisible"],
    "ProtectClock": ["yes"],
    "ProtectHostname": ["yes"],
    "ProtectControlGroups": ["yes"],
    "ProtectKernelLogs": ["yes"],
    "ProtectKernelModules": ["yes"],
    "ProtectKernelTunables": ["yes"],
    "RestrictAddressFamilies": ["AF_UNIX AF_INET AF_INET6"],
    "RestrictNamespaces": ["yes"],
    "RestrictRealtime": ["yes"],
    "RestrictSUIDSGID": ["yes"],
    "RemoveIPC": ["yes"],
    "LockPersonality": ["yes"],
    "KeyringMode": ["private"],
    "SystemCallArchitectures": ["native"],
    "SystemCallFilter": ["@system-service", "~@privileged @resources"],
    "SystemCallErrorNumber": ["EPERM"],
    "MemoryMax": ["256M"],
    "TasksMax": ["64"],
}
OF_A_KIND: dict[str, Settings] = {
    "pc": {"ExecStart": [f"{PYTHON} -m generators pc"], "PrivateDevices": ["yes"]},
    "raspberry": {
        "ExecStart": [f"{PYTHON} -m generators raspberry"],
        "DeviceAllow": [
            "/dev/vcio rw",
            "/dev/vchiq rw",
            "/dev/gpiomem rw",
            "char-gpiochip rw",
        ],
        "SupplementaryGroups": ["video gpio"],
    },
}
# What `systemd-analyze security` gives, times ten, and one more for its rules of tomorrow.
EXPOSURE = {"pc": 15, "raspberry": 18}


def sections(unit: str) -> dict[str, Settings]:
    """What a unit says: by section and name the values, in their order."""
    found: dict[str, Settings] = {}
    for line in unit.splitlines():
        if line.startswith("["):
            section = found[line.strip("[]")] = {}
        elif line and not line.startswith("#"):
            name, _, value = line.partition("=")
            section.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize("kind", ["pc", "raspberry"])
def test_the_unit_says_just_this(kind: str) -> None:
    said = sections(unit_text(kind, PYTHON, ["users", "gpio", "video"]))

    assert said["Service"] == SERVICE | OF_A_KIND[kind]
    assert said["Install"] == INSTALL
    assert said["Unit"] == {
        "Description": [f"fleetpulse agent ({kind}): measures this machine"],
        "Wants": ["network-online.target"],
        "After": ["network-online.target time-sync.target"],
    }


@pytest.mark.parametrize(
    ("groups", "named"),
    [(["video", "users"], ["video"]), (["gpio"], ["gpio"]), (["users"], None)],
    ids=repr,
)
def test_a_pi_is_given_only_groups_that_there_are(
    groups: list[str], named: list[str] | None
) -> None:
    said = sections(unit_text("raspberry", PYTHON, groups))["Service"]

    assert said.get("SupplementaryGroups") == named


@pytest.mark.parametrize(
    ("interpreter", "word"),
    [
        ("/opt/a b/python", '"/opt/a b/python"'),
        ("/opt/100%/python", "/opt/100%%/python"),
        ('/opt/"a"\\b/python', '"/opt/\\"a\\"\\\\b/python"'),
    ],
)
def test_odd_paths_are_one_word_of_the_command(interpreter: str, word: str) -> None:
    assert f"ExecStart={word} -m generators pc\n" in unit_text("pc", interpreter, [])


@pytest.mark.parametrize("interpreter", ["/opt/x\nUser=root", "/opt/$HOME/python"], ids=repr)
def test_a_path_that_systemd_would_read_otherwise_is_refused(interpreter: str) -> None:
    with pytest.raises(SettingsError):
        unit_text("pc", interpreter, [])


@pytest.mark.parametrize("kind", ["pc", "raspberry"])
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path, kind: str) -> None:
    analyze = shutil.which("systemd-analyze") or without("systemd-analyze", how="install systemd")
    unit = tmp_path / "fleetpulse-agent.service"
    unit.write_text(unit_text(kind, sys.executable, ["video", "gpio"]))

    verify = run(analyze, "verify", "--man=no", str(unit))
    exposed = run(analyze, "security", "--offline=true", f"--threshold={EXPOSURE[kind]}", str(unit))

    assert (verify.returncode, verify.stdout + verify.stderr) == (0, "")
    assert exposed.returncode == 0, exposed.stdout


def test_the_exposure_that_the_decision_tells_is_the_one_that_is_held() -> None:
    decision = Path(__file__).parents[3] / "docs/decisions/0011-agent-service.md"

    [told] = re.findall(r"\((\d\.\d) for a PC, (\d\.\d) for a Pi\)", decision.read_text())

    assert [round(float(each) * 10) + 1 for each in told] == list(EXPOSURE.values())


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False)
