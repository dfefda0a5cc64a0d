"""`fleetpulse backup`: the SQLite store in a file, taken while fleetpulse runs.

The file has what was stored when the copy began. It is checked, and nobody but its owner may read
it: it holds chats, people and the digests of keys. docs/backup.md tells how to keep other stores.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fleetpulse.errors import FleetpulseError, SettingsError
from fleetpulse.settings import StoreSettings, load
from fleetpulse.stores.sqlite_backup import Copied, back_up

_SQLITE = "sqlite:///"
# By how FLEETPULSE_STORE begins: what copies such a store.
_OTHERS = {
    "postgresql+psycopg": "PostgreSQL: use pg_dump and pg_restore",
    "dynamodb": "DynamoDB: use its point-in-time recovery",
    "memory": "memory, which nothing outlives",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Copy the store; the exit code."""
    parser = argparse.ArgumentParser(prog="fleetpulse backup", description=__doc__)
    parser.add_argument("file", type=Path, metavar="FILE", help="where the copy is to be")
    parser.add_argument("--replace", action="store_true", help="even if FILE is there")
    options = parser.parse_args(argv)
    try:
        copied = back_up(store_file(), options.file, replace=options.replace)
    except FleetpulseError as problem:
        sys.stderr.write(f"{parser.prog}: {problem}\n")
        return 2 if isinstance(problem, SettingsError) else 1
    sys.stdout.write(f"{options.file}: {told(copied)}.\n")
    return 0


def store_file() -> Path:
    """The file of the store in the settings. Raises SettingsError for a store that is none."""
    url = load(StoreSettings).store_url
    if url.startswith(_SQLITE) and url != f"{_SQLITE}:memory:" and url != _SQLITE:
        return Path(url.removeprefix(_SQLITE))
    kind = _OTHERS.get(url.partition(":")[0])
    if kind is None:
        raise SettingsError("FLEETPULSE_STORE names no SQLite file; use sqlite:///FILE.")
    raise SettingsError(f"The store is in {kind}; docs/backup.md shows how.")


def told(copied: Copied) -> str:
    """What was copied, for people."""
    return (
        f"{copied.readings:,} readings, {copied.size_bytes / 1e6:,.1f} MB, tables of version"
        f" {copied.version}"
    )
