"""`fleetpulse agent install | uninstall | status`: the agent as a service of this machine.

`install` writes a unit and, readable by root only, a file with the agent's settings. A key comes
from a file, from standard input or from the environment: what is on a command line is read by
everybody on the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from fleetpulse.errors import StartError
from generators import service_status
from generators.agent import host_name
from generators.service_place import groups_of, need_a_program, need_files
from generators.service_settings import agent_values, kept_values
from generators.service_unit import (
    KINDS,
    SERVICE,
    SETTINGS_FILE,
    STATE_FOLDERS,
    UNIT_FILE,
    WANTED_FILE,
    settings_text,
    unit_text,
)
from generators.upload import Poster, key_tried, told

SYSTEM = Path("/")
SYSTEMCTL_S = 60.0
NOT_DELIVERED = 3  # exit code of `status`
TRY_S = 10.0


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the first word says; the exit code. Raises SettingsError and StartError."""
    options = _parser().parse_args(argv)
    return int(options.act(options))


def install(options: argparse.Namespace) -> int:
    """Write settings and unit; on this system, start the agent as well."""
    root: Path = options.root
    if root == SYSTEM:
        _need_rights("install")
    need_a_program(root, runs_here=root == SYSTEM)
    values = agent_values(options, kept_values(root))
    need_files(root, values)
    tried = _tried(values) if root == SYSTEM and "FLEETPULSE_API" in values else None
    unit = unit_text(options.kind, sys.executable, groups_of(root))
    _write(root / SETTINGS_FILE, settings_text(values), mode=0o600)
    _write(root / UNIT_FILE, unit, mode=0o644)
    if root == SYSTEM:
        _systemctl("daemon-reload")
        _systemctl("enable", SERVICE)
        _systemctl("restart", SERVICE)
        if tried is not None:
            _say(tried)
        _say(f"The agent runs; `{_command('status')}` tells how it is.")
        _say(f"Its settings are in /{SETTINGS_FILE}.")
    else:
        _enable_below(root)
        _say(f"Written below {root}; the agent starts with that system.")
    return 0


def uninstall(options: argparse.Namespace) -> int:
    """Stop the agent and remove what `install` wrote; with --purge, what waits in the spool too."""
    root: Path = options.root
    was_there = (root / UNIT_FILE).exists()
    had_spool = any((root / folder).exists() for folder in STATE_FOLDERS)
    if root == SYSTEM:
        _need_rights("uninstall")
        if was_there:
            _systemctl("disable", "--now", SERVICE)
    for file in (WANTED_FILE, UNIT_FILE, SETTINGS_FILE):
        _remove(root / file)
    if root == SYSTEM:
        _systemctl("daemon-reload")
    if options.purge:
        for folder in STATE_FOLDERS:
            _remove(root / folder)
    if not was_there:
        purged = options.purge and had_spool
        _say(f"The agent was not installed{'; its spool is removed' if purged else ''}.")
    elif options.purge:
        _say("The agent is removed, and its spool.")
    else:
        _say(f"The agent is removed; readings that wait stay in /{STATE_FOLDERS[0]}.")
    if was_there:
        _say(
            f"The program stays in {sys.prefix}, and its key in force: `fleetpulse keys list` and"
            " `keys revoke`, where the API's store is, end it."
        )
    return 0


def status(options: argparse.Namespace) -> int:
    """Say whether it runs, what it read last and what waits.

    Exit code 1: it does not run; 3: it runs, but its readings are not taken.
    """
    root: Path = options.root
    if not (root / UNIT_FILE).exists():
        _say(f"The agent is not installed; `{_command('install')} pc` (or raspberry) does that.")
        return 1
    state = service_status.running_state() if root == SYSTEM else None
    for line in service_status.lines(state, root):
        _say(line)
    if root == SYSTEM and (state is None or not state.runs):
        return 1
    return NOT_DELIVERED if state is not None and state.trouble else 0


def _tried(values: Mapping[str, str]) -> str:
    """What the API says of the key. Raises StartError when it refuses it for this device."""
    device_id = values.get("FLEETPULSE_DEVICE_ID") or host_name()
    with contextlib.closing(
        Poster(values["FLEETPULSE_API"], values["FLEETPULSE_INGEST_KEY"], TRY_S)
    ) as post:
        answer = key_tried(post, device_id)
    if answer.accepted is not None:
        return "The API takes the key."
    if answer.status is None or answer.status == 429 or answer.status >= 500:  # it may pass
        return f"{told(answer)} Readings wait on the disk until it takes them."
    raise StartError(f"{told(answer)} Nothing was changed.")


def _command(word: str) -> str:
    """How to say this to a shell: sudo looks for programs in places of its own."""
    program = Path(sys.executable).with_name("fleetpulse")
    return f"sudo {shlex.quote(str(program))} agent {word}"


def _need_rights(word: str) -> None:
    if os.geteuid() != 0:
        raise StartError(
            f"`agent {word}` changes this system: run it with sudo, as `{_command(word)} …`,"
            " or with --root."
        )
    if shutil.which("systemctl") is None:
        raise StartError(f"`agent {word}` needs systemd, and there is no systemctl here.")


def _write(path: Path, text: str, *, mode: int) -> None:
    """Put the text there at once, never readable by more than `mode` says. Raises StartError."""
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        # O_EXCL: not into a file or through a link that somebody put there meanwhile.
        file = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(file, "w") as opened:
            os.fchmod(file, mode)
            opened.write(text)
        partial.replace(path)
    except OSError as problem:
        raise StartError(f"{path} cannot be written ({problem.strerror}).") from problem


def _enable_below(root: Path) -> None:
    """What `systemctl enable` does, for a system that does not run."""
    link = root / WANTED_FILE
    link.parent.mkdir(parents=True, exist_ok=True)
    _remove(link)
    link.symlink_to(SYSTEM / UNIT_FILE)


def _remove(path: Path) -> None:
    """Remove a file, a link or a folder, if it is there. Raises StartError."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as problem:
        raise StartError(f"{path} cannot be removed ({problem.strerror}).") from problem
    with contextlib.suppress(OSError):  # a folder of ours that is empty now
        if path.parent.name == "fleetpulse":
            path.parent.rmdir()


def _systemctl(*words: str) -> None:
    """Have systemd do this. Raises StartError with what it says."""
    try:
        subprocess.run(  # noqa: S603
            [shutil.which("systemctl") or "systemctl", *words],
            capture_output=True,
            text=True,
            timeout=SYSTEMCTL_S,
            check=True,
        )
    except subprocess.CalledProcessError as problem:
        said = " ".join(problem.stderr.split()) or f"exit code {problem.returncode}"
        raise StartError(
            f"`systemctl {' '.join(words)}` failed ({said});"
            f" `journalctl -u {SERVICE}` may tell why."
        ) from problem
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise StartError(f"`systemctl {' '.join(words)}` does not answer.") from problem


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fleetpulse agent", description="The agent as a systemd service of this machine."
    )
    words = parser.add_subparsers(required=True, metavar="COMMAND")
    one = words.add_parser("install", help="write the unit and the settings, and start the agent")
    one.set_defaults(act=install)
    one.add_argument("kind", choices=KINDS, help="what this machine is")
    target = one.add_mutually_exclusive_group()
    target.add_argument("--api", metavar="URL", help="the fleetpulse API that takes the readings")
    target.add_argument("--kafka", metavar="SERVERS", help="the Kafka that takes them")
    one.add_argument(
        "--key-file", metavar="FILE", help="holds the device's own key for --api; - is stdin"
    )
    one.add_argument("--interval", metavar="S", help="seconds between readings (5)")
    one.add_argument("--device-id", metavar="ID", help="name of the device (this host's name)")
    _add_root(one)
    one = words.add_parser("uninstall", help="stop the agent and remove unit and settings")
    one.set_defaults(act=uninstall)
    one.add_argument("--purge", action="store_true", help="remove the readings that wait, too")
    _add_root(one)
    one = words.add_parser("status", help="whether it runs, what it read last, and what waits")
    one.set_defaults(act=status)
    _add_root(one)
    return parser


def _add_root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--root",
        type=Path,
        default=SYSTEM,
        metavar="DIR",
        help="of a system that does not run, such as an image: nothing is started there",
    )
