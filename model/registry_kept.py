"""The models that were last found good, kept on this machine for a restart without a registry.

`last-good.json` says what they are, with their cards; each file is named by its digest.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from fleetpulse.errors import ModelError
from model.registry_cards import ModelCard, Promotion, sha256
from model.registry_folder import locked, written_beside


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A promotion that was found good."""

    place: str  # the registry that it is from
    promotion: Promotion
    cards: dict[str, ModelCard]  # by rule


class LastGood:
    """A folder with the last good models of one registry."""

    def __init__(self, folder: Path, place: str) -> None:
        self._folder, self._place = folder, place
        self._index = folder / "last-good.json"

    def kept(self) -> Kept:
        """What is kept of this registry. Raises ModelError: nothing, or nothing that is whole."""
        try:
            kept = msgspec.json.decode(self._index.read_bytes(), type=Kept)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as problem:
            raise ModelError(f"No models are kept in {self._folder}.") from problem
        if kept.place != self._place:
            raise ModelError(f"The models that are kept in {self._folder} are from {kept.place}.")
        return kept

    def read(self, card: ModelCard) -> bytes:
        """A kept model's file, checked against the card's digest. Raises ModelError."""
        path = self._file(card)
        try:
            content = path.read_bytes()
        except OSError as problem:
            raise ModelError(
                f"The kept model file {path} cannot be read ({problem.strerror})."
            ) from problem
        if sha256(content) != card.sha256:
            raise ModelError(f"The kept model file {path} was changed.")
        return content

    def keep(
        self, promotion: Promotion, cards: Mapping[str, ModelCard], contents: Mapping[str, bytes]
    ) -> None:
        """Keep these models instead of those before.

        contents: the file of each rule of `cards`. Raises OSError; then those before are kept on.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        index = Kept(place=self._place, promotion=promotion, cards=dict(cards))
        with locked(self._folder):
            for rule, card in cards.items():
                _write(self._file(card), contents[rule])
            _write(self._index, msgspec.json.encode(index))
            known = set(self._folder.glob("[0-9a-f]" * 64 + ".skops"))
            for path in known - {self._file(card) for card in cards.values()}:
                path.unlink()

    def _file(self, card: ModelCard) -> Path:
        return self._folder / f"{card.sha256}.skops"


def _write(path: Path, content: bytes) -> None:
    """Write a file at once."""
    with written_beside(path, content) as written:
        os.replace(written, path)
