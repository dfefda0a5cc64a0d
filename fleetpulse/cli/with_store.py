"""Commands that read or change the store and end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from fleetpulse.errors import FleetpulseError, InvalidWish, SettingsError
from fleetpulse.settings import StoreSettings, load
from fleetpulse.stores import open_store


def run(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> int:
    """Do what the words say with the store of the settings; the exit code.

    The parser sets `act`, a function of the store and the options that gives the exit code. An
    InvalidWish of it is what a wrong word is.
    """
    options = parser.parse_args(argv)
    try:
        settings = load(StoreSettings)
        store = open_store(settings.store_url, aws=settings.aws, retention=settings.retention)
        try:
            return int(options.act(store, options))
        finally:
            store.close()
    except FleetpulseError as problem:
        sys.stderr.write(f"{parser.prog}: {problem}\n")
        return 2 if isinstance(problem, SettingsError | InvalidWish) else 1
