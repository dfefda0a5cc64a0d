"""`fleetpulse up`, started for a measurement in a folder of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.services.ports import free_ports

READY_S = 60.0


class LocalStack:
    """The whole stack on a free port, its data in `data`; a context manager that ends it."""

    def __init__(self, data: Path, *, interval_s: float) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self.data = data
        words = ["--port", str(port), "--interval", f"{interval_s:g}", "--data", str(data)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fleetpulse.cli", "up", *words],
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def process_id(self) -> int:
        """Of the launcher, the parent of all others."""
        return self._process.pid

    def __enter__(self) -> LocalStack:
        until = time.monotonic() + READY_S
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > until:
                self._end()
                raise SystemExit("`fleetpulse up` does not get ready")
            time.sleep(0.2)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def get(self, path: str) -> Any:
        """What the stack answers to GET."""
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:  # noqa: S310
            return json.load(answer)

    def _is_ready(self) -> bool:
        try:
            self.get("/readyz")
        except (urllib.error.URLError, OSError):
            return False
        return True

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
