"""`fleetpulse groups`: devices under one name, for owners, snoozes and subscriptions."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from fleetpulse.cli.tables import table
from fleetpulse.cli.with_store import run
from fleetpulse.people import GROUP, People, checked_group, remove_group
from fleetpulse.stores.protocols import Store


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the first word says; the exit code."""
    return run(_parser(), argv)


def list_groups(store: Store, _: argparse.Namespace) -> int:
    """Show every group with its devices."""
    groups = People(store.documents).groups.all().values()
    rows = [(f"@{group.name}", " ".join(group.devices)) for group in groups]
    sys.stdout.write(table([("group", "devices"), *rows]))
    return 0


def put(store: Store, options: argparse.Namespace) -> int:
    """Make or replace a group. Raises InvalidWish for names that are none."""
    group = checked_group(options.group.removeprefix(GROUP), options.devices)
    People(store.documents).groups.put(group.name, group)
    sys.stdout.write(f"{GROUP}{group.name}: {' '.join(group.devices)}\n")
    return 0


def remove(store: Store, options: argparse.Namespace) -> int:
    """Forget a group; its devices stay. Raises GroupInUse."""
    name = options.group.removeprefix(GROUP)
    if remove_group(People(store.documents), name) is None:
        sys.stderr.write(f"fleetpulse groups: there is no group @{name}.\n")
        return 1
    sys.stdout.write(f"@{name} is no more.\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fleetpulse groups", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("list", help="show every group with its devices")
    one.set_defaults(act=list_groups)

    one = commands.add_parser("set", help="make or replace a group")
    one.set_defaults(act=put)
    one.add_argument("group", metavar="NAME")
    one.add_argument("devices", nargs="+", metavar="DEVICE", help="names, or patterns like 'lab-*'")

    one = commands.add_parser("remove", help="forget a group; its devices stay")
    one.set_defaults(act=remove)
    one.add_argument("group", metavar="NAME")
    return parser


if __name__ == "__main__":
    sys.exit(main())
