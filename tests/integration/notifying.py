"""The notifier as a process on a folder of its own, and events for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from fleetpulse.clock import SystemClock
from fleetpulse.stores import open_store
from fleetpulse.stores.protocols import Delivery, Store
from tests.contracts.builders import a_reading, an_event, scored
from tests.integration.processes import running, until

WORDS = ("fleetpulse.cli", "notify")


@contextmanager
def opened(data: Path) -> Iterator[Store]:
    """The store of a data folder."""
    with closing(open_store(f"sqlite:///{data / 'fleetpulse.db'}")) as store:
        yield store


def happen(data: Path, *device_ids: str) -> None:
    """These devices will soon be stressed, after half a minute of readings each."""
    now = SystemClock().now_ms()
    readings = [
        a_reading(device_id, at=now - 1_000 * age, seq=30 - age, temperature_c=79.0 - age)
        for device_id in device_ids
        for age in range(30, 0, -5)
    ]
    events = [an_event(device_id=device_id, at=now, limit=80.0) for device_id in device_ids]
    with opened(data) as store:
        store.save(scored(*readings, events=events, stored_at=now))


def deliveries(data: Path, device_id: str) -> list[Delivery]:
    """How far the event of this device is."""
    with opened(data) as store:
        return list(store.deliveries.of_events([an_event(device_id=device_id).event_id]))


@contextmanager
def at_work(data: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """The notifier, once it delivers."""
    with running(WORDS, data, FLEETPULSE_LOG="json", **environment) as process:
        until(lambda: "the notifier is at work" in said(data) or process.poll() is not None)
        until(lambda: _follows(data) or process.poll() is not None)
        yield process


def said(data: Path) -> str:
    """The log of the process that runs, or ran last."""
    return (data / "output").read_text()


def _follows(data: Path) -> bool:
    with opened(data) as store:
        return any(chat.chat_id.startswith("notify:") for chat in store.chats.active())


def tried_out(data: Path, *names: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What `fleetpulse notify --test` says."""
    return subprocess.run(
        [sys.executable, "-m", *WORDS, "--test", *names],
        env=os.environ | {"FLEETPULSE_DATA": str(data)} | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
