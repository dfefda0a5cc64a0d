"""`fleetpulse up`: everything on this machine, without an account or a server."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from fleetpulse.address import API_FILE, address_left
from fleetpulse.cli.parts import Part, Supervised, stop_all
from fleetpulse.cli.readiness import Readiness
from fleetpulse.errors import FleetpulseError, SettingsError, StartError
from fleetpulse.kafka import EmbeddedBroker
from fleetpulse.settings import AgentSettings, ApiSettings, NotifySettings, check_all, load

OPS_FILE = "ops.json"  # in the data folder: where each part answers /readyz and /metrics
WEB = "web"
_LOOK_S = 0.5
_PI_MODEL = Path("/proc/device-tree/model")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the local stack until Ctrl-C or SIGTERM; the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        check_all(data=arguments.data, interval_s=arguments.interval, port=arguments.port)
        settings = load(AgentSettings, data=arguments.data, interval_s=arguments.interval)
        port = load(ApiSettings, port=arguments.port).port
        with _alone(settings.data):
            _require_free(port)
            with address_left(settings.data / API_FILE, _root(port)):
                _run(settings, port, with_simulation=not arguments.no_simulation)
    except SettingsError as problem:
        _say_error(problem)
        return 2
    except FleetpulseError as problem:
        _say_error(problem)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fleetpulse up",
        description="Run broker, agents, consumer, API, dashboard and bot on this machine; and"
        " `notify`, where FLEETPULSE_NOTIFY names channels.",
    )
    parser.add_argument("--port", type=int, help="port of dashboard, API and chat (8000)")
    parser.add_argument("--interval", type=float, help="seconds between readings (5)")
    parser.add_argument("--data", type=Path, help="folder for what is kept (.fleetpulse)")
    parser.add_argument(
        "--no-simulation", action="store_true", help="this machine only, no simulated ones"
    )
    return parser


def _run(settings: AgentSettings, port: int, *, with_simulation: bool) -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    logs = settings.data / "logs"
    logs.mkdir(exist_ok=True)
    broker = None if settings.bootstrap_servers else EmbeddedBroker(settings.data)
    environment = os.environ | {
        "FLEETPULSE_DATA": str(settings.data),
        "FLEETPULSE_INTERVAL": str(settings.interval_s),
        "FLEETPULSE_PORT": str(port),
        "PYTHONUNBUFFERED": "1",
    }
    has_channels = load(NotifySettings, data=settings.data).channels is not None
    chosen, ports = with_ops_ports(parts(with_simulation=with_simulation, with_notify=has_channels))
    (settings.data / OPS_FILE).write_text(json.dumps(ports, indent=1) + "\n")
    readiness = Readiness(ports, _say)
    running = [Supervised(part, environment, logs, _say) for part in chosen]
    try:
        for part in running:
            part.start()
        _say(f"starting {len(running)} parts; this takes a few seconds …")
        greet = _greeter(settings.data, port)
        while not stop.wait(_LOOK_S):
            for part in running:
                part.look_after()
            greet()
            readiness.look()
    finally:
        _say("stopping …")
        stop_all(running)
        if broker is not None:
            broker.close()


def parts(*, with_simulation: bool, with_notify: bool = False) -> list[Part]:
    """The processes of the local stack; with_notify: there are channels besides Telegram."""
    here = "raspberry" if _is_raspberry() else "pc"
    chosen = [
        Part(name=WEB, arguments=["fleetpulse.cli.local_web"]),
        Part(name="consumer", arguments=["consumer", "hardware"]),
        Part(name="bot", arguments=["bot"]),
        Part(
            name="agent-this-machine",
            arguments=["generators", here],
            environment={"TOPIC_NAME": "telemetry.pc1"},
        ),
    ]
    if with_notify:
        chosen.append(Part(name="notify", arguments=["fleetpulse.actions"]))
    if with_simulation:
        chosen += [_simulated("pc2", "pc"), _simulated("raspberry1", "raspberry")]
    return chosen


def with_ops_ports(chosen: Sequence[Part]) -> tuple[list[Part], dict[str, int]]:
    """The parts, each with a free port for /readyz and /metrics, and these ports by name.

    The web part answers on its own.
    """
    own = [part.name for part in chosen if part.name != WEB]
    ports = dict(zip(own, _free_ports(len(own)), strict=True))
    return [_with_ops_port(part, ports.get(part.name)) for part in chosen], ports


def _with_ops_port(part: Part, port: int | None) -> Part:
    if port is None:
        return part
    own = {"FLEETPULSE_OPS_HOST": "127.0.0.1", "FLEETPULSE_OPS_PORT": str(port)}
    return replace(part, environment={**part.environment, **own})


def _free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on, all different."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def _simulated(device_id: str, kind: str) -> Part:
    return Part(
        name=f"agent-{device_id}",
        arguments=["generators", "simulated", "--kind", kind],
        environment={
            "TOPIC_NAME": f"telemetry.{device_id}",
            "FLEETPULSE_DEVICE_ID": device_id,
        },
    )


def _is_raspberry() -> bool:
    try:
        return "Raspberry Pi" in _PI_MODEL.read_text()
    except OSError:
        return False


@contextlib.contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Hold the data folder for this process. Raises StartError when another has it."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        lock = (data / "up.lock").open("a+")
    except OSError as problem:
        raise StartError(
            f"The data folder {data} cannot be written ({problem.strerror}); use --data."
        ) from problem
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            raise StartError(
                f"Another `fleetpulse up` (process {owner}) uses {data};"
                " stop that one, or give this one a folder with --data."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _require_free(port: int) -> None:
    """Raises StartError when something listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as problem:
            raise StartError(
                f"Port {port} cannot be used ({problem.strerror}); choose one with --port."
            ) from problem


def _greeter(data: Path, port: int) -> Callable[[], None]:
    """A function that says once, when the stack is ready, where to look."""
    started_at, greeted = time.monotonic(), False

    def greet() -> None:
        nonlocal greeted
        if greeted or not _is_ready(port):
            return
        greeted = True
        _say(f"ready after {time.monotonic() - started_at:.0f} s")
        root = _root(port)
        rows = (
            ("dashboard", f"{root}/"),
            ("chat", f"{root}/chat"),
            ("API", f"{root}/docs"),
            ("data, logs", f"{data}/, {data / 'logs'}/"),
        )
        for name, place in rows:
            sys.stdout.write(f"  {name:<12}{place}\n")
        sys.stdout.write("Ctrl-C stops everything; what was measured stays.\n")
        sys.stdout.flush()

    return greet


def _root(port: int) -> str:
    """Where dashboard and API answer."""
    return f"http://127.0.0.1:{port}"


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"{_root(port)}/readyz", timeout=1) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _say(text: str) -> None:
    sys.stdout.write(f"fleetpulse: {text}\n")
    sys.stdout.flush()


def _say_error(problem: FleetpulseError) -> None:
    sys.stderr.write(f"fleetpulse up: {problem}\n")


if __name__ == "__main__":
    sys.exit(main())
