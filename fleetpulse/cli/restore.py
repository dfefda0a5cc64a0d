"""`fleetpulse restore`: a copy that `fleetpulse backup` made, put where the store is to be.

Stop fleetpulse and move a store that is there away first. The copy is checked and stays as it is;
one of an older fleetpulse is brought up to date when the store is opened.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fleetpulse.cli.backup import store_file, told
from fleetpulse.errors import FleetpulseError, SettingsError
from fleetpulse.stores import sqlite_backup


def main(argv: Sequence[str] | None = None) -> int:
    """Put the copy in its place; the exit code."""
    parser = argparse.ArgumentParser(prog="fleetpulse restore", description=__doc__)
    parser.add_argument("file", type=Path, metavar="FILE", help="a copy of a store")
    options = parser.parse_args(argv)
    try:
        store = store_file()
        copied = sqlite_backup.restore(options.file, store)
    except FleetpulseError as problem:
        sys.stderr.write(f"{parser.prog}: {problem}\n")
        return 2 if isinstance(problem, SettingsError) else 1
    sys.stdout.write(f"{store}: {told(copied)}.\n")
    return 0
