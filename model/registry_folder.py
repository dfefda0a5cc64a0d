"""Models in a folder: as `fleetpulse train` leaves them, or published and promoted."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fleetpulse.errors import ModelError
from model.registry_cards import RETRAIN, Choice, ModelCard, Promotion, sha256
from model.registry_objects import CURRENT, UNSEALED, Absent, Found, PublishedModels
from model.registry_seal import Seal


class FolderObjects:
    """Files of a folder as objects; each is written at once or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def place(self) -> str:
        """The folder."""
        return str(self._folder)

    def get(self, key: str, most_bytes: int) -> Found:
        """A file."""
        path = self._folder / key
        try:
            with path.open("rb") as file:
                tag = _tag(os.fstat(file.fileno()))
                content = file.read(most_bytes + 1)
        except FileNotFoundError as problem:
            raise Absent(f"The model file {path} does not exist: {RETRAIN}.") from problem
        except OSError as problem:
            raise _unusable(path, problem) from problem
        if len(content) > most_bytes:
            raise ModelError(f"The model file {path} has more than {most_bytes} bytes: {RETRAIN}.")
        return Found(content, tag)

    def get_unless(self, tag: str, key: str, most_bytes: int) -> Found | None:
        """A file; None: it still has this tag."""
        with contextlib.suppress(OSError):  # get() says what is wrong
            if _tag((self._folder / key).stat()) == tag:
                return None
        return self.get(key, most_bytes)

    def create(self, key: str, content: bytes) -> bool:
        """Write a file that does not exist yet; False: it exists."""
        path = self._folder / key
        try:
            with written_beside(path, content) as written:
                os.link(written, path)
        except FileExistsError:
            return False
        except OSError as problem:
            raise _unusable(path, problem) from problem
        return True

    def replace(self, key: str, content: bytes, tag: str | None) -> bool:
        """Write at once what has this tag (None: does not exist); False: it has another one."""
        path = self._folder / key
        try:
            with written_beside(path, content) as written, locked(self._folder):
                if (_tag(path.stat()) if path.exists() else None) != tag:
                    return False
                os.replace(written, path)
        except OSError as problem:
            raise _unusable(path, problem) from problem
        return True

    def tags(self) -> Mapping[str, str]:
        """The tag of every file."""
        try:
            return {
                path.relative_to(self._folder).as_posix(): _tag(path.stat())
                for path in sorted(self._folder.rglob("*"))
                if path.is_file()
            }
        except OSError as problem:
            raise _unusable(self._folder, problem) from problem

    def close(self) -> None:
        """Nothing is held open."""


class FolderRegistry(PublishedModels):
    """Models in a folder.

    As long as nothing is promoted in it, the newest model of each rule beside each other in the
    folder is the one to use: `heat.json`, its card, and `heat.skops`, as `fleetpulse train` writes.
    """

    def __init__(self, folder: Path, seal: Seal = UNSEALED) -> None:
        super().__init__(FolderObjects(folder), seal)
        self._folder = folder

    def cards(self) -> Sequence[ModelCard]:
        """Every card in the folder, published or not, by name and version."""
        found = {(card.name, card.version): card for _, card in self._loose()}
        found |= {(card.name, card.version): card for card in super().cards()}
        return [found[key] for key in sorted(found)]

    def promotion(self) -> Promotion:
        """What is promoted; if nothing is, the newest of each rule under the number 0."""
        promotion = super().promotion()
        return promotion if promotion.number else self._newest()

    def _file_of(self, card: ModelCard) -> str:
        published = super()._file_of(card)
        return published if (self._folder / published).exists() else card.file

    def _newest(self) -> Promotion:
        oldest_first = sorted(self._loose(), key=lambda loose: loose[1].made_at)
        return Promotion(
            number=0,
            promoted_at="",
            models={
                card.name: Choice(version=card.version, card=key, sha256=sha256(self._card(key)))
                for key, card in oldest_first  # versions end in a digest, which says nothing of age
            },
        )

    def _loose(self) -> Sequence[tuple[str, ModelCard]]:
        """The cards that lie in the folder itself, with their file names."""
        if not self._folder.is_dir():
            raise ModelError(f"The model folder {self._folder} does not exist: {RETRAIN}.")
        names = sorted(path.name for path in self._folder.glob("*.json") if path.name != CURRENT)
        return [(name, self._card_in(self._card(name), self._where(name))) for name in names]


@contextlib.contextmanager
def written_beside(path: Path, content: bytes) -> Iterator[Path]:
    """A file with this content next to `path`, safe on the disk; it is gone afterwards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o644)  # mkstemp's is for its owner alone
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """No other process that asks for this lock changes the folder meanwhile."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _tag(status: os.stat_result) -> str:
    return f"{status.st_ino}-{status.st_size}-{status.st_mtime_ns}"


def _unusable(path: Path, problem: OSError) -> ModelError:
    return ModelError(
        f"The model file {path} cannot be read or written ({problem.strerror}): look at its disk"
        " and permissions."
    )
