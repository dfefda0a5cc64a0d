"""What is known of a model, and which models are in use. Needs neither numpy nor scikit-learn."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

from fleetpulse.errors import ModelError

RETRAIN = "make it again with `fleetpulse train`, or set FLEETPULSE_MODELS to good models"
# Names of rules, versions and files: a part of a path, never more.
Signature = Annotated[str, Meta(pattern="^[0-9a-f]*\\Z")]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


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
    threshold: Annotated[float, Meta(gt=0, le=1)]  # probability from which on "soon" is said
    features: list[str]
    libraries: dict[str, str]
    sources: list[Source]
    metrics: dict[str, float | list[float] | str]
    parameters: dict[str, float | int | str]
    question: str
    limits: str  # what it cannot do
    signature: Signature = ""  # HMAC-SHA256 by FLEETPULSE_MODEL_KEY; empty: nobody signed it


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The model of one rule that is to be used."""

    version: str
    card: str  # its card's place in the registry; the model's file is beside it
    sha256: str  # of the card


class Promotion(msgspec.Struct, frozen=True, kw_only=True):
    """Which models are to be used: what `current.json` holds."""

    number: Annotated[int, Meta(ge=0)]  # grows with each promotion; 0: nobody has ever promoted
    promoted_at: str  # ISO 8601, UTC; empty for number 0
    models: dict[str, Choice]  # by rule
    before: dict[str, str] = {}  # by rule, the version that was in use before: to go back to
    shadow: dict[str, Choice] = {}  # by rule, candidates that score beside and warn nobody
    signature: Signature = ""


class Registry(Protocol):
    """Where models come from."""

    def cards(self) -> Sequence[ModelCard]:
        """Every model, by name and version. Raises ModelError."""

    def current(self) -> Mapping[str, ModelCard]:
        """The model to use of each rule. Raises ModelError."""

    def shadowing(self) -> Mapping[str, ModelCard]:
        """The model that scores beside it, of each rule that has one. Raises ModelError."""

    def read(self, card: ModelCard) -> bytes:
        """The model's file, as it was when the card was written. Raises ModelError."""


class ModelRegistry(Registry, Protocol):
    """Where models are published, promoted and followed.

    Every method raises ModelError. What was published never changes; promoting an older version is
    how one goes back.
    """

    @property
    def place(self) -> str:
        """Its address, for people."""

    def promotion(self) -> Promotion:
        """Which models are to be used, as it is written; their cards may be missing."""

    def promoted(self, promotion: Promotion) -> Mapping[str, ModelCard]:
        """The cards of a promotion by rule, each checked against the promotion's digest."""

    def candidates(self, promotion: Promotion) -> Mapping[str, ModelCard]:
        """The cards that score in the shadow, by rule, each checked as the promoted ones are."""

    def check(self, promotion: Promotion) -> None:
        """Return if cards and files are what they were; only what changed is read again."""

    def publish(self, card: ModelCard, content: bytes) -> None:
        """Add a model, not yet in use; the same one again changes nothing."""

    def promote(self, versions: Mapping[str, str]) -> Promotion:
        """Have these versions used from now on, by rule; other rules stay as they are."""

    def shadow(self, versions: Mapping[str, str]) -> Promotion:
        """Have these versions score in the shadow from now on, by rule, and no others."""

    def close(self) -> None:
        """Let go of connections."""


def encoded(what: ModelCard | Promotion) -> bytes:
    """A card or a promotion as its file has it."""
    return msgspec.json.format(msgspec.json.encode(what), indent=2) + b"\n"


def card_in(content: bytes, where: str) -> ModelCard:
    """The card in a file's bytes. where: the file, for people. Raises ModelError."""
    try:
        card = msgspec.json.decode(content, type=ModelCard)
    except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
        raise ModelError(
            f"The model card {where} cannot be read ({problem}): {RETRAIN}."
        ) from problem
    if not NAME.fullmatch(card.file):
        raise ModelError(f"The model card {where} names a file outside its folder: {RETRAIN}.")
    if not (NAME.fullmatch(card.name) and NAME.fullmatch(card.version)):
        raise ModelError(f"The model card {where} has no usable name or version: {RETRAIN}.")
    return card


def sha256(content: bytes) -> str:
    """The digest by which cards and files are known."""
    return hashlib.sha256(content).hexdigest()
