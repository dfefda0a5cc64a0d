"""A server as a process that the tests own: started, frozen, killed, started again on its data."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.services.missing import Unavailable

LOOK_S = 0.05
WORDS = 2_000  # characters of what it said last


class Server(ABC):
    """One server. A subclass says how it is started and what an answer of it is."""

    name: str
    start_s = 60.0
    stop_signal = signal.SIGTERM  # of an orderly shutdown
    is_stubborn = False  # it may refuse to start for a moment after it was killed

    def __init__(self, folder: Path) -> None:
        self._output = folder / "output.txt"
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def _command(self) -> Sequence[str | Path]:
        """What is run."""

    @abstractmethod
    def _answers(self) -> bool:
        """Ask it something."""

    def _how(self) -> dict[str, Any]:
        """More of how it is run, as for subprocess.Popen."""
        return {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def process_id(self) -> int | None:
        """Of the running server; None: it is down."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start it on the data it has, and wait until it answers. Raises Unavailable."""
        until = time.monotonic() + self.start_s
        while self._process is None:
            self._launch()
            if self._comes_up(until):
                return
            self.kill()
            if not self.is_stubborn or time.monotonic() > until:
                raise Unavailable(f"{self.name} does not start; it said:\n{self._last_words()}")
            time.sleep(LOOK_S)

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it as an orderly shutdown does."""
        self._end(self.stop_signal)

    def restart(self) -> None:
        """Kill it and start it again on the same data and ports."""
        self.kill()
        self.start()

    @contextlib.contextmanager
    def down(self) -> Iterator[None]:
        """Kill it for the length of a block; it is up again afterwards, whatever happens."""
        self.kill()
        try:
            yield
        finally:
            self.start()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Have it answer nothing for the length of a block, though its connections stay."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def _launch(self) -> None:
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # a Ctrl-C is for the tests, not for the server
                **self._how(),
            )

    def _comes_up(self, until: float) -> bool:
        """Whether it answers before it ends and before that moment."""
        assert self._process is not None
        while time.monotonic() < until and self._process.poll() is None:
            if self._answers():
                return True
            time.sleep(LOOK_S)
        return False

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=self.start_s)
            self._process = None

    def _last_words(self) -> str:
        return self._output.read_text(errors="replace")[-WORDS:]
