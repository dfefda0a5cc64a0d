"""`fleetpulse devices`: a machine joins the fleet with a key of its own."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

from fleetpulse.cli.keys import address_of
from fleetpulse.clock import SystemClock
from fleetpulse.errors import FleetpulseError, InvalidWish, SettingsError
from fleetpulse.keys import make_key
from fleetpulse.settings import ApiSettings, load
from fleetpulse.stores import open_store
from fleetpulse.stores.protocols import KeyStore, Scope
from fleetpulse.wire import is_identifier

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PLACE = "/opt/fleetpulse"  # where the service may see it
KINDS = ("raspberry", "pc")


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the first word says; the exit code."""
    options = _parser().parse_args(argv)
    try:
        settings = load(ApiSettings)
        address = api_address(options.address or address_of(settings))
        if not is_identifier(options.name):
            raise InvalidWish("A device's name must be 1 to 64 of A-Z a-z 0-9 . _ -")
        store = open_store(settings.store_url, aws=settings.aws, retention=settings.retention)
        try:
            add(store.keys, options.name, options.kind, address)
        finally:
            store.close()
    except FleetpulseError as problem:
        sys.stderr.write(f"fleetpulse devices: {problem}\n")
        return 2 if isinstance(problem, SettingsError | InvalidWish) else 1
    return 0


def add(keys: KeyStore, device_id: str, kind: str, address: str) -> None:
    """Make a key for this device and show the line that installs its agent, once."""
    key, text = make_key(
        device_id, [Scope.INGEST], now_ms=SystemClock().now_ms(), device_id=device_id
    )
    keys.put(key)
    sys.stdout.write(f"{install_line(device_id, kind, address, text)}\n")
    sys.stderr.write(
        f"Run this on {device_id}; it is shown once. `fleetpulse keys revoke {key.key_id}` ends its"
        " key.\n"
    )


def install_line(device_id: str, kind: str, address: str, key: str) -> str:
    """What to run on the device: it installs fleetpulse, and its agent as a service.

    The key goes through a pipe, so that no list of processes shows it.
    """
    # A Pi's way to its pins (lgpio) comes with the system, not from pip.
    seeing = "--system-site-packages " if kind == "raspberry" else ""
    where = f"--api {shlex.quote(address)} --device-id {device_id} --key-file -"
    return (
        f"sudo python3 -m venv {seeing}{PLACE}"
        f" && sudo {PLACE}/bin/pip install 'fleetpulse[agent]'"
        f" && echo {key} | sudo {PLACE}/bin/fleetpulse agent install {kind} {where}"
    )


def api_address(address: str) -> str:
    """The address, if other machines can find the API there. Raises SettingsError."""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if host is None or parts.scheme not in ("http", "https") or host in LOOPBACK or "@" in address:
        raise SettingsError(
            "Say where other machines find the API: --address https://HOST, or http://HOST:PORT."
        )
    return address.rstrip("/")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fleetpulse devices", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("add", help="make a key, and show the line that installs the agent")
    one.add_argument("name", metavar="NAME", help="of the device")
    one.add_argument("--kind", choices=KINDS, default=KINDS[0], help="(default: %(default)s)")
    one.add_argument(
        "--address", metavar="URL", help="where it finds the API (what the settings say)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
