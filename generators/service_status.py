"""How the agent that is a service is: what systemd says of it, and what its spool holds."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fleetpulse import wire
from fleetpulse.errors import DecodeError
from generators.service_unit import SERVICE, SETTINGS_FILE, STATE_FOLDERS
from generators.spool_files import last_entry, position_in
from generators.supervisor import trouble_in

ANSWER_S = 10.0
_PROPERTIES = ("ActiveState", "SubState", "NRestarts", "StatusText")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningState:
    """What systemd says of the service."""

    active: str
    sub: str
    restarts: str
    status: str  # what the agent last said of itself
    trouble: str = ""  # why its readings are not taken, as it last said; empty: they are

    @property
    def runs(self) -> bool:
        """Whether it runs now."""
        return self.active == "active"


def running_state() -> RunningState | None:
    """The state of the service on this system; None: systemd does not answer."""
    words = [shutil.which("systemctl") or "systemctl", "show", SERVICE]
    try:
        done = subprocess.run(  # noqa: S603
            [*words, *(f"--property={name}" for name in _PROPERTIES)],
            capture_output=True,
            text=True,
            timeout=ANSWER_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return state_in(done.stdout)


def state_in(answer: str) -> RunningState:
    """The state in an answer of `systemctl show`."""
    said = dict(line.partition("=")[::2] for line in answer.splitlines())
    active, sub, restarts, status = (said.get(name, "") for name in _PROPERTIES)
    said_last, trouble = trouble_in(status)
    return RunningState(
        active=active, sub=sub, restarts=restarts, status=said_last, trouble=trouble
    )


def lines(
    state: RunningState | None, root: Path, now_s: Callable[[], float] = time.time
) -> Iterator[str]:
    """How the service is, a line each. state: None for a system that does not run."""
    yield _said_of(state)
    if state is not None and state.trouble:
        yield f"Its readings do not arrive: {state.trouble}"
        yield (
            f"Its settings are in /{SETTINGS_FILE}; after a change:"
            f" `sudo systemctl restart {SERVICE}`."
        )
    folder = root / STATE_FOLDERS[1] / "spool"
    try:
        spools = sorted(path for path in folder.iterdir() if path.is_dir())
    except PermissionError:
        yield "What it read last and what waits: only root may look; run this with sudo."
        return
    except OSError:
        spools = []
    if not spools:
        yield "Nothing was read yet."
    for spool in spools:
        yield f"{spool.name}: {_last_reading(spool, now_s())}; {_waiting(spool)}"


def _said_of(state: RunningState | None) -> str:
    if state is None:
        return "Installed; whether it runs is not known, as no systemd answers."
    word = "runs" if state.runs else "does not run"
    restarts = "" if state.restarts in ("", "0") else f", was started again {state.restarts} times"
    status = f": {state.status}" if state.status else ""
    return f"The agent {word} ({state.active}, {state.sub}{restarts}){status}"


def _last_reading(spool: Path, now_s: float) -> str:
    entry = last_entry(spool)
    try:
        reading, _ = wire.decode(b"" if entry is None else entry.payload)
    except DecodeError:
        return "no reading is on the disk"
    values = ", ".join(
        f"{channel.label} {value:g} {channel.unit}"
        for channel, value in reading.channels()
        if value is not None
    )
    return f"read {max(0.0, now_s - reading.measured_at / 1000):.0f} s ago ({values or 'nothing'})"


def _waiting(spool: Path) -> str:
    position = position_in(spool / "position")
    if position is None:
        return "what waits is not known"
    return f"{position.waiting or 0} wait to be delivered, {position.dropped} were dropped"
