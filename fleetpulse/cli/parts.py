"""The processes of the local stack, and keeping them alive."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fleetpulse.errors import StartError

WRONG_SETTINGS = 2  # the exit code of a part that will never start as things are
_HOPELESS = 5  # starts of a part that has never lived for _STARTED_S
_STARTED_S = 10.0
STOP_S = 9.0  # SIGTERM first; who still runs after this is killed
_BACKOFF_S = (1.0, 2.0, 5.0, 10.0)
_STEADY_S = 60.0  # after this long a start counts as good, and the wait begins small again
_LOG_BYTES = 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A process of the stack: a module of ours with its arguments and its own variables."""

    name: str
    arguments: Sequence[str]  # after `python -m`
    environment: Mapping[str, str] = field(default_factory=dict)


class Supervised:
    """One part, started again when it ends."""

    def __init__(
        self, part: Part, environment: Mapping[str, str], logs: Path, say: Callable[[str], None]
    ) -> None:
        self._part, self._say = part, say
        self._environment = dict(environment) | dict(part.environment)
        self._log = logs / f"{part.name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._failures = 0
        self._has_lived = False
        self._log_begins = 0
        self._restart_at = 0.0

    @property
    def pid(self) -> int | None:
        """The process id, while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process, its output going to its log file."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        if self._log.exists() and self._log.stat().st_size > _LOG_BYTES:
            self._log.replace(self._log.with_suffix(".log.1"))
        with self._log.open("ab") as log:
            self._log_begins = log.tell()
            self._process = subprocess.Popen(  # noqa: S603
                [*_end_with_parent(), sys.executable, "-m", *self._part.arguments],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,  # Ctrl-C is for the launcher, which ends the parts in order
            )
        self._started_at = time.monotonic()

    def look_after(self) -> None:
        """Say so when it has ended, and start it again after a while.

        Raises StartError for a part that cannot start: by its settings, or again and again.
        """
        if self._process is None:
            if time.monotonic() >= self._restart_at:
                self.start()
            return
        code = self._process.poll()
        if code is None:
            return
        self._process = None
        lived_s = time.monotonic() - self._started_at
        self._has_lived = self._has_lived or lived_s > _STARTED_S
        self._failures = 1 if lived_s > _STEADY_S else self._failures + 1
        hopeless = self._failures >= _HOPELESS and not self._has_lived
        if code == WRONG_SETTINGS or hopeless:
            raise StartError(f"{self._part.name} cannot start: {self._last_words()}")
        wait_s = _BACKOFF_S[min(self._failures, len(_BACKOFF_S)) - 1]
        self._restart_at = time.monotonic() + wait_s
        self._say(
            f"{self._part.name} ended ({_reason(code)})"
            f"{': ' + self._last_words() if code > 0 else '.'}"
            f" Starting it again in {wait_s:.0f} s; its log is {self._log}."
        )

    def terminate(self) -> None:
        """Ask it to stop."""
        if self._process is not None:
            self._process.terminate()

    def end(self, deadline: float) -> None:
        """Wait for it until `deadline` (monotonic), then kill it."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _last_words(self) -> str:
        try:
            said = self._log.read_bytes()[self._log_begins :].decode(errors="replace")
        except OSError as problem:
            return f"its log cannot be read ({problem.strerror})."
        lines = said.strip().splitlines()
        # A part that ends on purpose says why in one sentence behind its name.
        lines = [line for line in lines if line.startswith("fleetpulse ")] or lines
        return lines[-1].strip() if lines else "it said nothing."


def stop_all(parts: Sequence[Supervised]) -> None:
    """End every part: all are asked at once, then waited for."""
    deadline = time.monotonic() + STOP_S
    for part in parts:
        part.terminate()
    for part in parts:
        part.end(deadline)


def _reason(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _end_with_parent() -> list[str]:
    """Words before a command that end it should the launcher be killed outright (util-linux)."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
