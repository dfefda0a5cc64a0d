"""Where the chat is kept: a SQLite file for what was said, a folder for the photos."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from bot.simulator.messages import Message, Photo
from fleetpulse.errors import StartError, StoreError

KEPT_MESSAGES = 1000
KEPT_UPDATES = 1000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    message_id INTEGER PRIMARY KEY, version INTEGER NOT NULL, photo TEXT, document BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS messages_version ON messages (version);
CREATE INDEX IF NOT EXISTS messages_photo ON messages (photo);
CREATE TABLE IF NOT EXISTS updates (
    update_id INTEGER PRIMARY KEY, at INTEGER NOT NULL, document BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, document BLOB NOT NULL);
"""
_decode_message = msgspec.json.Decoder(Message).decode


def _opened(path: Path) -> sqlite3.Connection:
    """The database, its tables made. Raises sqlite3.Error, and leaves nothing open then."""
    database = sqlite3.connect(path, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=NORMAL")
        database.executescript(_SCHEMA)
    except BaseException:
        database.close()
        raise
    return database


class Storage:
    """Messages, pending updates and facts on disk. Callers take turns: it has no lock of its own.

    Raises StoreError when the disk refuses.
    """

    def __init__(self, folder: Path) -> None:
        # Flask would look for a relative path beside its own code.
        self._photos = folder.absolute() / "photos"
        try:
            self._photos.mkdir(parents=True, exist_ok=True)
            self._database = _opened(folder / "chat.db")
        except (sqlite3.Error, OSError) as problem:
            raise StartError(
                f"The local chat in {folder} cannot be opened ({problem}):"
                " move that folder away to start with an empty chat."
            ) from problem

    def close(self) -> None:
        """Give the file back."""
        self._database.close()

    @contextmanager
    def changes(self) -> Iterator[None]:
        """Everything within is kept, or nothing."""
        try:
            with self._database:
                yield
        except (sqlite3.Error, OSError) as problem:
            raise StoreError(f"The local chat could not be saved ({problem}).") from problem

    def messages(self, *, after: int = 0, newer_than: int = -1) -> list[Message]:
        """Messages with a greater id and version than these, by id."""
        rows = self._rows(
            "SELECT document FROM messages WHERE message_id > ? AND version > ?"
            " ORDER BY message_id",
            after,
            newer_than,
        )
        return [_decode_message(document) for (document,) in rows]

    def message(self, message_id: int) -> Message | None:
        """One message, or None."""
        rows = self._rows("SELECT document FROM messages WHERE message_id = ?", message_id)
        return _decode_message(rows[0][0]) if rows else None

    def put_message(self, message: Message) -> None:
        """Add or replace a message, and forget the oldest past the cap."""
        self._database.execute(
            "INSERT OR REPLACE INTO messages VALUES (?, ?, ?, ?)",
            (
                message.message_id,
                message.version,
                message.photo.file_name if message.photo else None,
                msgspec.json.encode(message),
            ),
        )
        self._database.execute(
            "DELETE FROM messages WHERE message_id <= ?", (message.message_id - KEPT_MESSAGES,)
        )

    def put_photo(self, photo: Photo, picture: bytes) -> None:
        """Keep a picture; half of one is never seen under its name."""
        path = self._photos / photo.file_name
        unfinished = path.with_suffix(".part")
        try:
            unfinished.write_bytes(picture)
            unfinished.replace(path)
        except OSError as problem:
            raise StoreError(f"The photo could not be saved ({problem}).") from problem

    def drop_unused_photos(self) -> None:
        """Delete the pictures that no message shows any more."""
        used = {name for (name,) in self._rows("SELECT DISTINCT photo FROM messages")}
        for path in self._photos.iterdir():
            if path.name not in used:
                path.unlink(missing_ok=True)

    def photo(self, photo_id: str) -> Photo | None:
        """A photo that some message shows, or None."""
        names = (f"{photo_id}.png", f"{photo_id}.jpg")
        rows = self._rows("SELECT document FROM messages WHERE photo IN (?, ?) LIMIT 1", *names)
        return _decode_message(rows[0][0]).photo if rows else None

    def photo_path(self, photo: Photo) -> Path:
        """Where the picture is."""
        return self._photos / photo.file_name

    def add_update(self, at: int, document: dict[str, Any]) -> None:
        """Queue an update for the bot, and forget the oldest past the cap.

        Its number grows across restarts and is never given twice.
        """
        update_id = int(self.fact("update_id") or 0) + 1
        self.put_fact("update_id", update_id)
        self._database.execute(
            "INSERT INTO updates VALUES (?, ?, ?)",
            (update_id, at, msgspec.json.encode({"update_id": update_id} | document)),
        )
        self._database.execute(
            "DELETE FROM updates WHERE update_id <= ?", (update_id - KEPT_UPDATES,)
        )

    def updates(self, limit: int) -> list[dict[str, Any]]:
        """The oldest pending updates, in order."""
        rows = self._rows("SELECT document FROM updates ORDER BY update_id LIMIT ?", limit)
        return [msgspec.json.decode(document) for (document,) in rows]

    def update_ids(self) -> list[int]:
        """The numbers of all pending updates, in order."""
        rows = self._rows("SELECT update_id FROM updates ORDER BY update_id")
        return [update_id for (update_id,) in rows]

    def drop_updates(self, *, before: int, older_than: int) -> None:
        """Forget the updates numbered below `before`, and those from before `older_than` (ms)."""
        self._database.execute(
            "DELETE FROM updates WHERE update_id < ? OR at < ?", (before, older_than)
        )

    def fact(self, name: str) -> Any:
        """What was last put under this name, or None."""
        rows = self._rows("SELECT document FROM facts WHERE name = ?", name)
        return msgspec.json.decode(rows[0][0]) if rows else None

    def put_fact(self, name: str, value: Any) -> None:
        """Remember a value, of JSON's types."""
        self._database.execute(
            "INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, msgspec.json.encode(value))
        )

    def last_message_id(self) -> int:
        """The greatest id so far; 0 in an empty chat."""
        return int(self._rows("SELECT COALESCE(MAX(message_id), 0) FROM messages")[0][0])

    def _rows(self, statement: str, *values: Any) -> Sequence[tuple[Any, ...]]:
        try:
            return self._database.execute(statement, values).fetchall()
        except sqlite3.Error as problem:
            raise StoreError(f"The local chat could not be read ({problem}).") from problem
