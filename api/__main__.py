"""`python -m api`: the REST API and the dashboard on this machine."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack

from flask import Flask

from api.app import create_app
from api.door import door_of
from api.publish import FramedPublisher, InTurns, KafkaPublisher
from api.resources.health import not_ready
from api.server import serve
from fleetpulse.clock import SystemClock
from fleetpulse.errors import FleetpulseError, SettingsError, StoreAway, StoreBusy
from fleetpulse.health import Health
from fleetpulse.lifetime import ToldToStop, on_stop_signal, when_there
from fleetpulse.logs import configure
from fleetpulse.metrics import new_registry
from fleetpulse.ops import ops_server
from fleetpulse.schemas import record_headers
from fleetpulse.settings import ApiSettings, load
from fleetpulse.stores import open_store
from fleetpulse.stores.protocols import Store
from model.registry import open_registry


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until stopped; the exit code."""
    try:
        settings = _settings(argv)
        configure("api", settings)
        check(settings)
        return serve(
            lambda opened: application(settings, opened),
            settings.host,
            settings.port,
            greeting=f"Dashboard {address(settings)}/ and REST API {address(settings)}/docs\n",
        )
    except ToldToStop:
        return 0
    except FleetpulseError as problem:
        sys.stderr.write(f"{problem}\n")
        return 2 if isinstance(problem, SettingsError) else 1


def check(settings: ApiSettings) -> None:
    """Return once the application can be made; a store that is away is waited for.

    Whatever is wrong is said here, once; the serving process opens its own. Raises FleetpulseError,
    and ToldToStop.
    """
    door_of(settings)
    _await_store(settings)
    with record_headers(settings):
        return


def _await_store(settings: ApiSettings) -> None:
    """Meanwhile /healthz and /readyz are answered at the API's own address."""
    try:
        opened_store(settings).close()
    except (StoreAway, StoreBusy):
        health, stop = Health(), threading.Event()
        on_stop_signal(stop.set)
        metrics = new_registry("api", health)
        with ops_server(settings.host, settings.port, health, metrics, readiness=not_ready):
            when_there(
                lambda: opened_store(settings),
                part="store",
                health=health,
                clock=SystemClock(),
                stop=stop,
            ).close()


def application(settings: ApiSettings, opened: ExitStack, *, chat_url: str | None = None) -> Flask:
    """The application on the store, the models and the broker of these settings.

    opened: what must be closed at the end is put there.
    """
    store = opened_store(settings)
    opened.callback(store.close)
    headers = opened.enter_context(record_headers(settings))
    publisher = InTurns(FramedPublisher(KafkaPublisher(settings), headers))
    opened.callback(publisher.close)
    return create_app(
        store,
        open_registry(settings.models, aws=settings.aws, key=settings.model_key),
        clock=SystemClock(),
        interval_s=settings.interval_s,
        door=door_of(settings),
        publisher=publisher,
        retention=settings.retention,
        chat_url=chat_url,
    )


def opened_store(settings: ApiSettings) -> Store:
    """The store of these settings."""
    return open_store(settings.store_url, aws=settings.aws, retention=settings.retention)


def address(settings: ApiSettings) -> str:
    """Where the API is found."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


def _settings(argv: Sequence[str] | None) -> ApiSettings:
    parser = argparse.ArgumentParser(prog="fleetpulse api", description=__doc__)
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (default: 8000)")
    given = parser.parse_args(argv)
    return load(ApiSettings, host=given.host, port=given.port)


if __name__ == "__main__":
    sys.exit(main())
