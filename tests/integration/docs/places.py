"""What `<!-- run: NAME -->` stands for: where a block of our pages is run."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fleetpulse.alerts import State
from fleetpulse.clock import SystemClock
from fleetpulse.kafka import EmbeddedBroker
from fleetpulse.keys import make_key
from fleetpulse.stores import open_store
from fleetpulse.stores.protocols import Scope
from tests.contracts.builders import a_device, a_reading, an_event, scored, told
from tests.integration.processes import running, until
from tests.services.missing import without
from tests.services.ports import free_ports
from tests.services.schema_registry import SchemaRegistry
from tests.source import ROOT, copy_source

SECOND_MS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a block is run: its folder, its settings, and what stands for what in it."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    instead: Mapping[str, str] = field(default_factory=dict)

    def script(self, text: str) -> str:
        """The block as it is run here."""
        for written, meant in self.instead.items():
            text = text.replace(written, meant)
        return text.replace(".venv/bin/fleetpulse", "fleetpulse")

    @property
    def environment(self) -> dict[str, str]:
        """With our command, and a curl that fails when the answer is an error."""
        programs = self.folder / "bin"
        programs.mkdir(exist_ok=True)
        a_program(programs / "fleetpulse", f'exec {sys.executable} -m fleetpulse.cli "$@"')
        a_program(programs / "python", f'exec {sys.executable} "$@"')
        curl = shutil.which("curl") or without("curl", how="install it (apt install curl)")
        a_program(programs / "curl", f'exec {curl} -sS --fail-with-body "$@"')
        return os.environ | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "FLEETPULSE_DATA": str(self.folder / "data"),
            **self.settings,
        }

    def run(self, text: str) -> subprocess.CompletedProcess[str]:
        """The block, run to its end; it stops at the first command that fails."""
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.script(text)],
            cwd=self.folder,
            env=self.environment,
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )


def a_program(path: Path, line: str) -> None:
    """A program of one line of shell."""
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


@contextmanager
def a_folder(folder: Path) -> Iterator[Place]:
    """A folder in which nothing was done yet."""
    yield Place(folder=folder)


@contextmanager
def a_clone(folder: Path) -> Iterator[Place]:
    """A clone in which everything is installed."""
    copy_source(folder)
    programs = Path(sys.executable).parent
    yield Place(
        folder=folder,
        instead={"make ": f"make --old-file=.venv/.all --old-file=.venv/.test BIN={programs} "},
    )


@contextmanager
def an_api(folder: Path) -> Iterator[Place]:
    """An API that asks for keys, a broker, and pi-attic in its third episode of heat."""
    data = folder / "data"
    data.mkdir()
    now_ms = SystemClock().now_ms()
    with closing(open_store(f"sqlite:///{data / 'fleetpulse.db'}")) as store:
        key, text = make_key("docs", [Scope.ADMIN], now_ms=now_ms)
        store.keys.put(key)
        event = an_event(State.STRESSED, device_id="pi-attic", episode=3, at=now_ms)
        store.save(scored(new_devices=[a_device("pi-attic", first_seen_at=now_ms)]))
        store.save(told(event, stored_at=now_ms))
    [port] = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    api = ["api", "--host", "0.0.0.0", "--port", str(port)]  # noqa: S104
    with closing(EmbeddedBroker(data)), running(api, data):
        until(lambda: answers(port))
        yield Place(
            folder=folder,
            instead={
                "fp_…": text,
                "http://fleet.lan:8000": address,
                "http://127.0.0.1:8000": address,
                "curl ": f"curl -H 'X-API-Key: {text}' ",
            },
        )


def answers(port: int) -> bool:
    """Whether something listens there."""
    with socket.socket() as door:
        return door.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def a_simulator(folder: Path) -> Iterator[Place]:
    """A Bot API of ours."""
    [port] = free_ports(1)
    with running(["bot.simulator", "--port", str(port)], folder):
        until(lambda: (folder / "output").read_text().strip())
        root = (folder / "output").read_text().strip()
        yield Place(folder=folder, instead={"http://127.0.0.1:8000/telegram": root})


@contextmanager
def a_registry(folder: Path) -> Iterator[Place]:
    """A schema registry that asks for a login."""
    with SchemaRegistry(login="me:secret") as registry:
        yield Place(
            folder=folder, instead={"KEY:SECRET": "me:secret", "ENDPOINT": registry.endpoint}
        )


@contextmanager
def a_history(folder: Path) -> Iterator[Place]:
    """A store with readings of some simulated machines."""
    data = folder / "data"
    data.mkdir()
    with closing(open_store(f"sqlite:///{data / 'fleetpulse.db'}")) as store:
        began = SystemClock().now_ms() - 720 * 5 * SECOND_MS
        readings = [
            a_reading(
                at=began + 5 * SECOND_MS * tick, seq=tick, temperature_c=60.0 + tick % 240 / 10
            )
            for tick in range(720)
        ]
        store.save(scored(*readings, new_devices=[a_device(first_seen_at=began)]))
    yield Place(folder=folder)


@contextmanager
def a_file(folder: Path) -> Iterator[Place]:
    """A file of readings."""
    lines = ["device_id,measured_at,temperature_c,load_pct"]
    lines += [f"pi-1,{5000 * tick},{50 + tick / 4:g},{min(99, 20 + tick)}" for tick in range(120)]
    (folder / "readings.csv").write_text("\n".join(lines) + "\n")
    yield Place(folder=folder)


PLACES: Mapping[str, Callable[[Path], AbstractContextManager[Place]]] = {
    "clone": a_clone,
    "api": an_api,
    "simulator": a_simulator,
    "registry": a_registry,
    "stack": a_folder,
    "history": a_history,
    "files": a_file,
    "until stopped": a_folder,
}
