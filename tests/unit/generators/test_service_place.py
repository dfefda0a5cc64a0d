"""What the service must be able to see: its program and its files, on the system below a root."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fleetpulse.errors import SettingsError, StartError
from generators import service_place
from generators.service_place import groups_of, need_a_program, need_files

PYTHON = Path("/opt/fleetpulse/bin/python")
PROGRAM = Path("/opt/fleetpulse/lib/generators/service_place.py")
HIDDEN = ("/home/me", "/root", "/run/user/1000", "/tmp/some", "/var/tmp/some")  # noqa: S108


@pytest.fixture(autouse=True)
def _installed_in_opt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(PYTHON))
    monkeypatch.setattr(service_place, "PROGRAM", PROGRAM)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def put(root: Path, path: Path | str, *, leads_to: str | None = None) -> Path:
    """A file there, or a link."""
    file = root / Path(path).relative_to("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    if leads_to is None:
        file.write_text("")
        file.chmod(0o644)
    else:
        file.symlink_to(leads_to)
    return file


def test_a_program_in_opt_is_seen(root: Path) -> None:
    put(root, PYTHON, leads_to="/usr/bin/python3")
    put(root, "/usr/bin/python3", leads_to="../lib/python3.11")
    put(root, "/usr/lib/python3.11")
    put(root, PROGRAM)

    need_a_program(root, runs_here=True)


@pytest.mark.parametrize("folder", HIDDEN)
def test_an_interpreter_that_the_unit_hides_is_refused(
    root: Path, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(root, f"{folder}/bin/python")
    monkeypatch.setattr(sys, "executable", f"{folder}/bin/python")

    with pytest.raises(StartError, match=f"{folder}/bin/python is hidden from services"):
        need_a_program(root, runs_here=False)


@pytest.mark.parametrize("folder", HIDDEN)
def test_modules_that_the_unit_hides_are_refused(
    root: Path, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(root, PYTHON)
    put(root, f"{folder}/service_place.py")
    monkeypatch.setattr(service_place, "PROGRAM", Path(folder, "service_place.py"))

    with pytest.raises(StartError, match="is hidden from services"):
        need_a_program(root, runs_here=True)


@pytest.mark.parametrize(
    ("link", "leads_to"),
    [
        (str(PYTHON), "/home/me/.pyenv/bin/python"),
        (str(PYTHON), "../../../home/me/.pyenv/bin/python"),
        ("/opt/fleetpulse", "/home/me/fleetpulse"),
    ],
)
def test_a_link_to_what_is_hidden_is_refused(root: Path, link: str, leads_to: str) -> None:
    put(root, "/home/me/.pyenv/bin/python")
    put(root, "/home/me/fleetpulse/bin/python")
    put(root, link, leads_to=leads_to)

    with pytest.raises(StartError, match="/home/me.* is hidden from services"):
        need_a_program(root, runs_here=False)


def test_a_way_through_what_is_hidden_is_refused_though_it_leads_out_again(root: Path) -> None:
    put(root, PYTHON, leads_to="/home/me/python")
    put(root, "/home/me/python", leads_to="/usr/bin/python3")
    put(root, "/usr/bin/python3")

    with pytest.raises(StartError, match="/home/me/python is hidden"):
        need_a_program(root, runs_here=False)


@pytest.mark.parametrize("leads_to", [None, "/usr/bin/python3", "/opt/fleetpulse/bin/python"])
def test_an_interpreter_that_an_image_lacks_is_refused(root: Path, leads_to: str | None) -> None:
    root.mkdir()
    if leads_to is not None:  # to nothing there, whatever this machine has
        put(root, PYTHON, leads_to=leads_to)

    with pytest.raises(StartError, match=f"it is not there below {root}"):
        need_a_program(root, runs_here=False)


def test_groups_are_those_of_the_image(root: Path) -> None:
    put(root, "/etc/group").write_text("root:x:0:\ngpio:x:997:pi\n")

    assert groups_of(root) == ["root", "gpio"]
    assert groups_of(root / "nowhere") == []


def test_a_ca_that_every_user_may_read_is_taken(root: Path) -> None:
    put(root, "/etc/fleetpulse/ca.pem")

    need_files(root, {"FLEETPULSE_KAFKA_CA": "/etc/fleetpulse/ca.pem"})


@pytest.mark.parametrize(
    ("ca", "why"),
    [
        ("/home/me/ca.pem", "/home/me/ca.pem is hidden from services"),
        ("ca.pem", "it must be a whole path"),
        ("/etc/gone.pem", "it is not there"),
        ("/etc/private.pem", "not every user may"),
    ],
)
def test_a_ca_that_the_service_cannot_read_is_refused(root: Path, ca: str, why: str) -> None:
    put(root, "/home/me/ca.pem")
    put(root, "/etc/private.pem").chmod(0o600)

    with pytest.raises(SettingsError, match=f"FLEETPULSE_KAFKA_CA: .*{ca}: {why}"):
        need_files(root, {"FLEETPULSE_KAFKA_CA": ca})


def test_the_way_to_a_real_interpreter_is_found() -> None:
    real = Path(subprocess.check_output(["/bin/sh", "-c", "command -v sh"], text=True).strip())

    *_, found = service_place._steps(Path("/"), real)

    assert found == real.resolve()
