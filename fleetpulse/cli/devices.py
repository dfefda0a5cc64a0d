"""`fleetpulse devices`: a machine joins the fleet with a key of its own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from fleetpulse import __version__
from fleetpulse.cli.keys import address_of, minute_of
from fleetpulse.clock import SystemClock
from fleetpulse.errors import FleetpulseError, InvalidWish, SettingsError
from fleetpulse.joining import MachineKind, api_address, device_key, install_line, other_keys
from fleetpulse.settings import ApiSettings, load
from fleetpulse.stores import open_store


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the first word says; the exit code."""
    options = _parser().parse_args(argv)
    try:
        settings = load(ApiSettings)
        address = _address_for_others(options.address or address_of(settings))
        key, text = device_key(options.name, now_ms=SystemClock().now_ms())
        line = install_line(options.name, options.kind, address, text, wheel=options.wheel)
        store = open_store(settings.store_url, aws=settings.aws, retention=settings.retention)
        try:
            older = other_keys(store.keys.all(), key)
            store.keys.put(key)
        finally:
            store.close()
    except FleetpulseError as problem:
        sys.stderr.write(f"fleetpulse devices: {problem}\n")
        return 2 if isinstance(problem, SettingsError | InvalidWish) else 1
    # Shown once the key is kept, and never again.
    sys.stdout.write(f"{line}\n")
    sys.stderr.write(
        f"Run this on {options.name}, with a space before it: most shells then keep it out of their"
        f" history. It is shown once; `fleetpulse keys revoke {key.key_id}` ends its key.\n"
    )
    sys.stderr.write("On a bare system run `sudo apt install python3-venv` before it.\n")
    if options.wheel is None:
        sys.stderr.write(
            f"It installs fleetpulse {__version__} from PyPI; before that release, or to install"
            " this clone, name a wheel (`make wheel`) with --wheel.\n"
        )
    for each in older:
        sys.stderr.write(
            f"{options.name} has another key still, of {minute_of(each.created_at)}:"
            f" `fleetpulse keys revoke {each.key_id}` ends it.\n"
        )
    return 0


def _address_for_others(address: str) -> str:
    try:
        return api_address(address)
    except InvalidWish as problem:
        raise InvalidWish(f"--address: {problem}") from problem


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fleetpulse devices", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("add", help="make a key, and show the line that installs the agent")
    one.add_argument("name", metavar="NAME", help="of the device")
    one.add_argument(
        "--kind",
        type=MachineKind,
        choices=list(MachineKind),
        default=MachineKind.RASPBERRY,
        help="(default: %(default)s)",
    )
    one.add_argument(
        "--address", metavar="URL", help="where it finds the API (what the settings say)"
    )
    one.add_argument(
        "--wheel",
        metavar="FILE",
        help="install this one, a file there or an address (this version, from the package index)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
