"""The unit that runs a part on a server: systemd understands it, and so do the commands in it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fleetpulse.cli import COMMANDS
from fleetpulse.joining import PLACE
from generators.service_settings import values_in
from tests.services.missing import without
from tests.source import ROOT

UNIT = ROOT / "deploy/systemd/fleetpulse@.service"
PAGE = (ROOT / "docs/servers.md").read_text()
PARTS = ("consume", "api", "bot", "notify")
# What `systemd-analyze security` gives, times ten, and one more for its rules of tomorrow.
EXPOSURE = 20


def said(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_page_and_the_unit_name_these_parts() -> None:
    first, *_ = UNIT.read_text().splitlines()

    assert set(re.findall(r"@(\w+)", first)) == set(PARTS)
    assert set(re.findall(r"^\| .+ \| `fleetpulse (\w+)` \|", PAGE, re.MULTILINE)) == set(PARTS)
    assert set(PARTS) <= {each.name for each in COMMANDS}
    assert f"ExecStart={PLACE}/bin/fleetpulse %i\n" in UNIT.read_text()


@pytest.mark.parametrize("part", PARTS)
def test_systemd_finds_nothing_wrong_with_the_unit(part: str, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze") or without("systemd-analyze", how="install systemd")
    unit = tmp_path / f"fleetpulse@{part}.service"
    unit.write_text(UNIT.read_text().replace(f"{PLACE}/bin/fleetpulse", sys.executable))

    assert said(analyze, "verify", "--man=no", str(unit)) == ""
    said(analyze, "security", "--offline=true", f"--threshold={EXPOSURE}", str(unit))


def test_a_shell_and_systemd_read_the_settings_of_the_page_alike(tmp_path: Path) -> None:
    (written,) = re.findall(r"```text\n(.+?)\n *```", PAGE, re.DOTALL)
    file = tmp_path / "fleetpulse.env"
    file.write_text("\n".join(line.strip() for line in written.splitlines()))
    expected = values_in(file.read_text())

    tell = "import json, os; print(json.dumps(dict(os.environ)))"
    found = json.loads(said("sh", "-c", f"set -a; . {file}; {sys.executable} -c '{tell}'"))

    assert "&" in expected["FLEETPULSE_STORE"]
    assert expected.items() <= found.items()


def test_what_draws_has_a_place_for_what_it_keeps() -> None:
    assert "MPLCONFIGDIR=%S/fleetpulse/matplotlib" in UNIT.read_text()
