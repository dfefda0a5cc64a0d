"""What the service can see of its system: its program, the files that settings name, the groups.

A path is looked up as the system below a root has it: absolute links lead there, not to here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from fleetpulse.errors import SettingsError, StartError

# What the unit hides from the agent: ProtectHome and PrivateTmp.
HIDDEN = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))  # noqa: S108
PROGRAM = Path(__file__).resolve()
FILE_SETTINGS = ("FLEETPULSE_KAFKA_CA",)
_TOP = Path("/")
_MOST_LINKS = 40  # as Linux
_READ_BY_ALL = 0o004


def need_a_program(root: Path, *, runs_here: bool) -> None:
    """Raises StartError when the service would not find, or not see, its own program.

    runs_here: the root is this system's, so that our own modules are the service's.
    """
    for path in (Path(sys.executable), *([PROGRAM] if runs_here else [])):
        fault = _fault(root, path)
        if fault is not None:
            raise StartError(
                f"The service cannot run {path}: {fault}. Install fleetpulse where it can, such as"
                " with `python3 -m venv /opt/fleetpulse` and"
                " `/opt/fleetpulse/bin/pip install 'fleetpulse[agent]'`, and use that one."
            )


def need_files(root: Path, values: Mapping[str, str]) -> None:
    """Raises SettingsError for a setting that names a file which the service cannot read."""
    for name in FILE_SETTINGS:
        if name not in values:
            continue
        path = Path(values[name])
        fault = _fault(root, path) or _unreadable(root, path)
        if fault is not None:
            raise SettingsError(
                f"{name}: the service cannot read {path}: {fault}. Put it where every user may"
                " read it, such as /etc/fleetpulse/ca.pem (mode 644), and say so."
            )


def groups_of(root: Path) -> list[str]:
    """The groups of the system below the root."""
    try:
        lines = (root / "etc/group").read_text(errors="replace").splitlines()
    except OSError:
        return []
    return [line.partition(":")[0] for line in lines]


def _fault(root: Path, path: Path) -> str | None:
    """Why the service cannot see this file; None: it can."""
    if not path.is_absolute():
        return "it must be a whole path, from / on"
    for seen in (steps := list(_steps(root, path))):
        if any(seen.is_relative_to(folder) for folder in HIDDEN):
            return f"{seen} is hidden from services"
    if not _below(root, steps[-1]).is_file():
        return "it is not there" if root == _TOP else f"it is not there below {root}"
    return None


def _unreadable(root: Path, path: Path) -> str | None:
    *_, file = _steps(root, path)
    return None if _below(root, file).stat().st_mode & _READ_BY_ALL else "not every user may"


def _steps(root: Path, path: Path) -> Iterator[Path]:
    """The path, each link on its way, and at last the file that it leads to."""
    yield path
    found, left, links = _TOP, list(reversed(path.parts[1:])), 0
    while left:
        part = left.pop()
        step = found.parent if part == ".." else found / part
        if links < _MOST_LINKS and _below(root, step).is_symlink():
            links += 1
            yield step
            target = _below(root, step).readlink()
            found = _TOP if target.is_absolute() else found
            left += reversed([each for each in target.parts if each != "/"])
        else:
            found = step
    yield found


def _below(root: Path, path: Path) -> Path:
    return root / path.relative_to(_TOP)
