"""`python -m api`: the REST API and the dashboard on this machine."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from flask import Flask

from api.app import create_app
from api.security import is_loopback
from api.server import serve
from fleetpulse.clock import SystemClock
from fleetpulse.errors import FleetpulseError, SettingsError
from fleetpulse.settings import ApiSettings, load
from fleetpulse.stores import open_store
from model.registry import open_registry


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until stopped; the exit code."""
    try:
        settings = _settings(argv)
        # Whatever is wrong with the store is said here, once; the serving process opens its own.
        open_store(settings.store_url).close()
        return serve(
            lambda: application(settings),
            settings.host,
            settings.port,
            greeting=f"Dashboard {address(settings)}/ and REST API {address(settings)}/docs\n",
        )
    except FleetpulseError as problem:
        sys.stderr.write(f"{problem}\n")
        return 2 if isinstance(problem, SettingsError) else 1


def application(settings: ApiSettings) -> Flask:
    """The application on the store and the models of these settings."""
    return create_app(
        open_store(settings.store_url),
        open_registry(settings.models),
        clock=SystemClock(),
        interval_s=settings.interval_s,
    )


def address(settings: ApiSettings) -> str:
    """Where the API is found."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


def _settings(argv: Sequence[str] | None) -> ApiSettings:
    parser = argparse.ArgumentParser(prog="fleetpulse api", description=__doc__)
    parser.add_argument("--host", help="loopback address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (default: 8000)")
    given = parser.parse_args(argv)
    settings = load(ApiSettings, host=given.host, port=given.port)
    if not is_loopback(settings.host):
        raise SettingsError(
            f"FLEETPULSE_HOST is {settings.host}, which other machines can reach: the API has no"
            " keys yet and listens on 127.0.0.1 only."
        )
    return settings


if __name__ == "__main__":
    sys.exit(main())
