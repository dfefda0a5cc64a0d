"""What `fleetpulse doctor` says of this machine: each channel, and where it comes from or would."""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fleetpulse.cli.tables import table
from fleetpulse.clock import Clock, SystemClock
from fleetpulse.errors import FleetpulseError
from fleetpulse.settings import AgentSettings, load
from fleetpulse.telemetry import CHANNEL

MEASURE_S = 1.0  # rates are over this time
_TO_SET = {"fan_cfm": " (FLEETPULSE_FAN_RATED_RPM, FLEETPULSE_FAN_RATED_CFM)"}
DEVICE_TREE = Path("/proc/device-tree/model")


def told(clock: Clock | None = None, device_tree: Path = DEVICE_TREE) -> str:
    """What this machine can measure, a channel a line."""
    try:
        settings = load(AgentSettings)
        kind = (settings.device or "").lower() or kind_here(device_tree)
        with warnings_of("generators") as notes:
            sensors, values = measured(kind, settings, clock or SystemClock())
    except ModuleNotFoundError as problem:
        return (
            f"What this machine can measure is not known: {problem.name} is not installed; run:"
            " pip install 'fleetpulse[agent]'\n"
        )
    except FleetpulseError as problem:
        return f"What this machine can measure is not known: {problem}\n"
    rows = [row_of(sensor.name, sensor.origin, values.get(sensor.name)) for sensor in sensors]
    said = "".join(f"  note: {note}\n" for note in notes)
    return f"What this machine measures, as agent {kind}\n{table(rows)}{said}"


def row_of(channel: str, origin: str, value: float | None) -> tuple[str, str, str, str]:
    """A channel as a row. value: None for one that this machine lacks."""
    if value is None:
        return f"  {channel}", "lacking", "", f"not found here: {origin}{_TO_SET.get(channel, '')}"
    unit = CHANNEL[channel].unit
    return f"  {channel}", "ok", f"{value:.4g} {unit}", origin


def kind_here(device_tree: Path) -> str:
    """Which agent fits this machine: raspberry or pc."""
    try:
        return "raspberry" if "Raspberry Pi" in device_tree.read_text() else "pc"
    except (OSError, ValueError):
        return "pc"


def measured(
    kind: str, settings: AgentSettings, clock: Clock
) -> tuple[Sequence[Any], Mapping[str, float | None]]:
    """The sensors of this kind, and what they give now. Raises FleetpulseError."""
    module = importlib.import_module(f"generators.{kind}")
    source = module.source_from(settings)
    clock.wait(MEASURE_S, threading.Event())
    sensors = module.PI_SENSORS if kind == "raspberry" else module.HOST_SENSORS
    return sensors, source.values(clock.now_ms())


@contextmanager
def warnings_of(name: str) -> Iterator[list[str]]:
    """What this logger and those below it warn of while the block runs, and nowhere else."""
    said: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    logger, keep = logging.getLogger(name), Keep(logging.WARNING)
    before, logger.propagate = logger.propagate, False
    logger.addHandler(keep)
    try:
        yield said
    finally:
        logger.removeHandler(keep)
        logger.propagate = before
