"""Copies of a SQLite store: whole, checked, and there at once or not at all.

A store is copied as it is, its tables not migrated: a copy made before an upgrade is for the
fleetpulse that was there before, too.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from fleetpulse.errors import StoreError
from fleetpulse.stores.sql_schema import FIRST, refuse_unknown

WAIT_FOR_LOCK_S = 5.0
BESIDE = ("-wal", "-shm", "-journal")  # files that SQLite keeps beside a database


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What was copied."""

    version: str  # of the store's tables
    readings: int
    size_bytes: int


def back_up(store: Path, copy: Path, *, replace: bool = False) -> Copied:
    """Copy the store at `store` to the file `copy` while others read and write it.

    The copy has what was committed when it began, and opens as a store. Raises StoreError, and
    leaves `copy` as it was then.
    """
    if not store.is_file():
        raise StoreError(f"There is no store {store}: name another in FLEETPULSE_STORE.")
    if copy.exists() and (not replace or copy.samefile(store)):
        raise StoreError(f"{copy} is there already: name another file.")
    if not copy.parent.is_dir():  # a disk that is not mounted must not go unseen
        raise StoreError(f"There is no folder {copy.parent}: make it, or mount what it is on.")
    return _copied(store, copy, lambda _: None)


def restore(copy: Path, store: Path) -> Copied:
    """Put a copy where there is no store.

    Raises StoreError for a copy that is damaged, newer or no store, and if a store is there.
    """
    if not copy.is_file():
        raise StoreError(f"There is no copy {copy}: name a file that `fleetpulse backup` made.")
    # SQLite would take what lies beside a lost database for the newest part of this one.
    in_the_way = [path for path in (store, *_beside(store)) if path.exists()]
    if in_the_way:
        names = ", ".join(path.name for path in in_the_way)
        raise StoreError(
            f"There is a store already: stop fleetpulse, and move {names} in"
            f" {store.absolute().parent} away."
        )
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise StoreError(f"{store.parent} cannot be made ({problem.strerror}).") from problem
    return _copied(copy, store, lambda version: refuse_unknown(version, str(copy)))


def _copied(source: Path, target: Path, check_version: Callable[[str], None]) -> Copied:
    try:
        with closing(_opened(source)) as reading:
            check_version(_version(reading, source))
            with _part_of(target) as part, closing(sqlite3.connect(part)) as writing:
                # All pages in one step, so that a writer cannot make it begin again and again.
                reading.backup(writing, pages=-1)
                return _looked_over(writing, source, part)
    except sqlite3.Error as problem:
        raise StoreError(f"{source} cannot be copied to {target}: {problem}.") from problem
    except OSError as problem:
        raise StoreError(
            f"{source} cannot be copied to {target}: {problem.strerror or problem}."
        ) from problem


def _opened(path: Path) -> sqlite3.Connection:
    """A connection to read from, which makes no database that is not there."""
    # A finished copy on a medium that cannot be written to: SQLite wants files beside it otherwise.
    alone = not os.access(path.parent, os.W_OK) and not any(each.exists() for each in _beside(path))
    # Who may write takes away, at the end, what is beside it.
    how = "mode=ro&immutable=1" if alone else "mode=rw"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=WAIT_FOR_LOCK_S)


def _version(connection: sqlite3.Connection, path: Path) -> str:
    """The version of the store's tables. Raises StoreError for what is no store."""
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    found = None
    if "fleetpulse_version" in names:
        found = connection.execute("SELECT version_num FROM fleetpulse_version").fetchone()
    elif "schema_version" in names and "readings" in names:  # from before there were migrations
        found = connection.execute("SELECT version FROM schema_version").fetchone()
    if found is not None:
        return FIRST if found[0] == 1 else str(found[0])
    raise StoreError(f"{path} is not a fleetpulse store: name another file.")


def _looked_over(connection: sqlite3.Connection, source: Path, part: Path) -> Copied:
    """What the copy has. Raises StoreError if it is damaged, which the source is then too."""
    (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise StoreError(f"{source} is damaged ({verdict}): it was not copied.")
    (readings,) = connection.execute("SELECT count(*) FROM readings").fetchone()
    version = _version(connection, source)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()  # all of it in one file
    return Copied(version=version, readings=readings, size_bytes=part.stat().st_size)


@contextlib.contextmanager
def _part_of(target: Path) -> Iterator[Path]:
    """A file of its owner alone, which becomes the target in one step if nothing goes wrong."""
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    os.close(handle)
    part = Path(name)
    if os.geteuid() == 0:  # who is root restores for the user whose folder it is
        owner = target.parent.stat()
        os.chown(part, owner.st_uid, owner.st_gid)
    try:
        yield part
        _sync(part)
        part.replace(target)
        _sync(target.parent)
    finally:
        for left in (part, *_beside(part)):
            left.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _beside(path: Path) -> list[Path]:
    return [path.with_name(path.name + ending) for ending in BESIDE]
