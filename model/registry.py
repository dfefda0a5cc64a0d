"""Where model files and their cards are kept. Needs neither numpy nor scikit-learn.

A folder holds two files a model: `heat.skops`, the model, and `heat.json`, its card.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from fleetpulse.errors import ModelError

SHIPPED = Path(__file__).parent / "exported_models"
_RETRAIN = "make it again with `fleetpulse train`, or set FLEETPULSE_MODELS to a good folder"


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A set of data that a model was trained on."""

    name: str
    citation: str
    licence: str
    machines: int
    rows: int


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be known of a model before it is believed."""

    name: str  # of the rule that it predicts
    version: str  # day and digest
    made_at: str  # ISO 8601, UTC
    file: str  # beside the card
    sha256: str
    size_bytes: int
    horizon_s: float
    threshold: float  # probability from which on "soon" is said
    features: list[str]
    libraries: dict[str, str]
    sources: list[Source]
    metrics: dict[str, float | list[float] | str]
    parameters: dict[str, float | int | str]
    question: str
    limits: str  # what it cannot do


class Registry(Protocol):
    """Where models come from."""

    def cards(self) -> Sequence[ModelCard]:
        """Every model, by name and version. Raises ModelError."""

    def current(self) -> Mapping[str, ModelCard]:
        """The model to use of each rule. Raises ModelError."""

    def read(self, card: ModelCard) -> bytes:
        """The model's file, as it was when the card was written. Raises ModelError."""


class FolderRegistry:
    """Models in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def cards(self) -> Sequence[ModelCard]:
        """Every card in the folder, by name and version."""
        if not self._folder.is_dir():
            raise ModelError(f"The model folder {self._folder} does not exist: {_RETRAIN}.")
        found = [self._card(path) for path in sorted(self._folder.glob("*.json"))]
        return sorted(found, key=lambda card: (card.name, card.version))

    def current(self) -> Mapping[str, ModelCard]:
        """The newest card of each rule; versions end in a digest, which says nothing of age."""
        oldest_first = sorted(self.cards(), key=lambda card: card.made_at)
        return {card.name: card for card in oldest_first}

    def read(self, card: ModelCard) -> bytes:
        """The bytes of the card's file, checked against the card's digest."""
        path = self._folder / card.file
        try:
            content = path.read_bytes()
        except OSError as problem:
            raise ModelError(
                f"The model file {path} cannot be read ({problem.strerror}): {_RETRAIN}."
            ) from problem
        if hashlib.sha256(content).hexdigest() != card.sha256:
            raise ModelError(
                f"The model file {path} is not the one that its card describes"
                f" (another digest): {_RETRAIN}."
            )
        return content

    def _card(self, path: Path) -> ModelCard:
        try:
            card = msgspec.json.decode(path.read_bytes(), type=ModelCard)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as problem:
            raise ModelError(
                f"The model card {path} cannot be read ({problem}): {_RETRAIN}."
            ) from problem
        if Path(card.file).name != card.file:
            raise ModelError(f"The model card {path} names a file outside its folder: {_RETRAIN}.")
        return card


def open_registry(url: str | None = None) -> Registry:
    """The registry at `dir:FOLDER`; None: the models that are shipped. Raises ModelError."""
    if url is None:
        return FolderRegistry(SHIPPED)
    scheme, separator, place = url.partition(":")
    if scheme != "dir" or not separator or not place:
        raise ModelError(f"The address of the models must look like dir:FOLDER, not {url!r}.")
    return FolderRegistry(Path(place))
