"""Models as files that never change, and one small file that says which of them are in use.

    <rule>/<version>/<rule>.json     the card, with the file's digest
    <rule>/<version>/<rule>.skops    the model
    current.json                     a number that grows, and of each rule version and card's digest

Promoting is one put of `current.json`, so a reader sees all of a promotion or nothing of it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

import msgspec

from fleetpulse.errors import ModelError
from model.registry_cards import RETRAIN, Choice, ModelCard, Promotion, card_in, encoded, sha256
from model.registry_seal import Seal

CURRENT = "current.json"
MOST_BYTES_OF_TEXT = 256 * 1024
MOST_BYTES_OF_A_MODEL = 32 * 1024 * 1024
UNSEALED = Seal()
NOTHING_PROMOTED = Promotion(number=0, promoted_at="", models={})

_PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"
CARD_KEY = re.compile(rf"{_PART}/{_PART}/{_PART}\.json")
_PROMOTE_AGAIN = "publish the model again and promote it, or promote another version"


class Absent(ModelError):
    """There is no such object."""


class Found(NamedTuple):
    """An object, and a tag that changes whenever it does."""

    content: bytes
    tag: str


class Objects(Protocol):
    """Named bytes below one address. Every method raises ModelError."""

    @property
    def place(self) -> str:
        """The address, for people."""

    def get(self, key: str, most_bytes: int) -> Found:
        """An object. Raises Absent, or ModelError when it is larger."""

    def get_unless(self, tag: str, key: str, most_bytes: int) -> Found | None:
        """The same; None: it still has this tag."""

    def create(self, key: str, content: bytes) -> bool:
        """Write what does not exist yet; False: it exists."""

    def replace(self, key: str, content: bytes, tag: str | None) -> bool:
        """Write at once what has this tag (None: does not exist); False: it has another one."""

    def tags(self) -> Mapping[str, str]:
        """The tag of every object."""

    def close(self) -> None:
        """Let go of connections."""


class PublishedModels:
    """A registry on objects, in a bucket or in a folder."""

    def __init__(self, objects: Objects, seal: Seal = UNSEALED) -> None:
        self._objects, self._seal = objects, seal
        self._cards: dict[str, Found] = {}  # by key: asked for again only when their tag changes
        self._digests: dict[str, tuple[str, str]] = {}  # of files by key: tag and SHA-256

    @property
    def place(self) -> str:
        """Its address, for people."""
        return self._objects.place

    def cards(self) -> Sequence[ModelCard]:
        """Every published card, by name and version."""
        tags = self._objects.tags()
        keys = sorted(key for key in tags if CARD_KEY.fullmatch(key))
        found = [self._card_in(self._card(key, tags[key]), self._where(key)) for key in keys]
        return sorted(found, key=lambda card: (card.name, card.version))

    def promotion(self) -> Promotion:
        """What `current.json` says; the number 0 where there is none."""
        promotion, _ = self._read_current()
        if promotion != NOTHING_PROMOTED:
            self._seal.check(promotion, self._where(CURRENT))
        return promotion

    def promoted(self, promotion: Promotion) -> Mapping[str, ModelCard]:
        """The cards of a promotion by rule, each checked against the promotion's digest."""
        return {rule: self._chosen(rule, choice) for rule, choice in promotion.models.items()}

    def candidates(self, promotion: Promotion) -> Mapping[str, ModelCard]:
        """The cards that score in the shadow, by rule, each checked as the promoted ones are."""
        return {rule: self._chosen(rule, choice) for rule, choice in promotion.shadow.items()}

    def current(self) -> Mapping[str, ModelCard]:
        """The promoted cards by rule; empty: nothing is promoted."""
        return self.promoted(self.promotion())

    def shadowing(self) -> Mapping[str, ModelCard]:
        """The cards that score in the shadow, by rule."""
        return self.candidates(self.promotion())

    def read(self, card: ModelCard) -> bytes:
        """The bytes of the card's file, checked against the card's digest."""
        key = self._file_of(card)
        found = self._objects.get(key, MOST_BYTES_OF_A_MODEL)
        self._digests[key] = (found.tag, sha256(found.content))
        self._refuse_changed(key, card)
        return found.content

    def check(self, promotion: Promotion) -> None:
        """Return if cards and files are what they were; only what changed is read again."""
        for card in self.promoted(promotion).values():
            key = self._file_of(card)
            if key not in self._digests:
                self.read(card)
                continue
            changed = self._objects.get_unless(self._digests[key][0], key, MOST_BYTES_OF_A_MODEL)
            if changed is not None:
                self._digests[key] = (changed.tag, sha256(changed.content))
            self._refuse_changed(key, card)

    def publish(self, card: ModelCard, content: bytes) -> None:
        """Add a model, not yet in use; the same one again changes nothing."""
        if sha256(content) != card.sha256:
            raise ModelError(
                f"The card of {card.name} {card.version} describes another file: {RETRAIN}."
            )
        key, card = _card_key(card.name, card.version), self._seal.on(card)
        card_in(encoded(card), key)
        # The card last: whoever sees it finds its file.
        self._publish(f"{posixpath.dirname(key)}/{card.file}", content, MOST_BYTES_OF_A_MODEL)
        self._publish(key, encoded(card), MOST_BYTES_OF_TEXT)

    def promote(self, versions: Mapping[str, str]) -> Promotion:
        """Have these versions used from now on, by rule; other rules stay as they are.

        What is used is no longer in the shadow.
        """
        before, tag = self._read_current()
        chosen = {rule: self._choice(rule, version) for rule, version in versions.items()}
        return self._put(
            tag,
            msgspec.structs.replace(
                before,
                models={**before.models, **chosen},
                before={**before.before, **_left(before, chosen)},
                shadow={
                    rule: choice
                    for rule, choice in before.shadow.items()
                    if chosen.get(rule) != choice
                },
            ),
        )

    def shadow(self, versions: Mapping[str, str]) -> Promotion:
        """Have these versions score in the shadow from now on, by rule, and no others."""
        before, tag = self._read_current()
        if not before.models:
            raise ModelError(f"Nothing is promoted in {self.place}: promote models first.")
        chosen = {rule: self._choice(rule, version) for rule, version in versions.items()}
        return self._put(tag, msgspec.structs.replace(before, shadow=chosen))

    def _put(self, tag: str | None, wanted: Promotion) -> Promotion:
        """Write what is to be used, under the next number. tag: of what was there before."""
        # Signed or not: whose cards are signed may sign what was promoted before there was a key.
        promotion = self._seal.on(
            msgspec.structs.replace(
                wanted,
                number=wanted.number + 1,
                promoted_at=datetime.now(UTC).isoformat(timespec="seconds"),
            )
        )
        for cards in (self.promoted(promotion), self.candidates(promotion)):
            for card in cards.values():
                self.read(card)
        if not self._objects.replace(CURRENT, encoded(promotion), tag):
            raise ModelError(
                f"Somebody else promoted models in {self.place} just now: look what is in use, and"
                " promote again."
            )
        return promotion

    def close(self) -> None:
        """Let go of connections."""
        self._objects.close()

    def _where(self, key: str) -> str:
        return f"{self.place}/{key}"

    def _file_of(self, card: ModelCard) -> str:
        return f"{card.name}/{card.version}/{card.file}"

    def _read_current(self) -> tuple[Promotion, str | None]:
        """What is promoted, signed or not, and the tag of the file that says so."""
        try:
            found = self._objects.get(CURRENT, MOST_BYTES_OF_TEXT)
        except Absent:
            return NOTHING_PROMOTED, None
        try:
            promotion = msgspec.json.decode(found.content, type=Promotion)
        except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
            raise ModelError(
                f"{self._where(CURRENT)} cannot be read ({problem}): promote the models again."
            ) from problem
        for choice in (*promotion.models.values(), *promotion.shadow.values()):
            if not CARD_KEY.fullmatch(choice.card):
                raise ModelError(
                    f"{self._where(CURRENT)} names a card outside its place: promote the models"
                    " again."
                )
        return promotion, found.tag

    def _card_in(self, content: bytes, where: str) -> ModelCard:
        """The card in a file's bytes, if it may be believed."""
        card = card_in(content, where)
        self._seal.check(card, f"The model card {where}")
        return card

    def _card(self, key: str, tag: str | None = None) -> bytes:
        """A card's bytes. tag: it is known to have this one now."""
        known = self._cards.get(key)
        if known is None:
            known = self._cards[key] = self._objects.get(key, MOST_BYTES_OF_TEXT)
        elif known.tag != tag:
            changed = self._objects.get_unless(known.tag, key, MOST_BYTES_OF_TEXT)
            known = self._cards[key] = changed or known
        return known.content

    def _chosen(self, rule: str, choice: Choice) -> ModelCard:
        content, where = self._card(choice.card), self._where(choice.card)
        if sha256(content) != choice.sha256:
            raise ModelError(
                f"The model card {where} is not the one that was promoted (another digest):"
                f" {_PROMOTE_AGAIN}."
            )
        card = self._card_in(content, where)
        if (card.name, card.version) != (rule, choice.version):
            raise ModelError(
                f"The model card {where} is of {card.name} {card.version}, and"
                f" {rule} {choice.version} was promoted: {_PROMOTE_AGAIN}."
            )
        return card

    def _choice(self, rule: str, version: str) -> Choice:
        key = _card_key(rule, version)
        if not CARD_KEY.fullmatch(key):
            raise ModelError(f"{rule!r} {version!r} is no model's name and version.")
        try:
            content = self._card(key)
        except Absent as problem:
            raise ModelError(
                f"There is no version {version} of {rule} in {self.place}: publish it first."
            ) from problem
        return Choice(version=version, card=key, sha256=sha256(content))

    def _publish(self, key: str, content: bytes, most_bytes: int) -> None:
        if len(content) > most_bytes:
            raise ModelError(f"{key} has more than {most_bytes} bytes, which nobody would read.")
        if self._objects.create(key, content):
            return
        found = self._objects.get(key, most_bytes)
        if found.content == content:
            return
        if not (_is_signed_anew(found.content, content) and self._replaced(key, content, found)):
            raise ModelError(
                f"{self._where(key)} exists with other content, and what is published never"
                " changes: make the model again, which gives it another version."
            )

    def _replaced(self, key: str, content: bytes, found: Found) -> bool:
        return self._objects.replace(key, content, found.tag)

    def _refuse_changed(self, key: str, card: ModelCard) -> None:
        if self._digests[key][1] != card.sha256:
            raise ModelError(
                f"The model file {self._where(key)} is not the one that its card describes"
                f" (another digest): {RETRAIN}."
            )


def _is_signed_anew(before: bytes, after: bytes) -> bool:
    """Whether these are a card before and after somebody signed it, with another key perhaps."""
    try:
        cards = [msgspec.json.decode(content, type=ModelCard) for content in (before, after)]
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    old, new = (msgspec.structs.replace(card, signature="") for card in cards)
    return old == new and bool(cards[1].signature)


def _left(before: Promotion, chosen: Mapping[str, Choice]) -> dict[str, str]:
    """The versions that others take the place of."""
    return {
        rule: before.models[rule].version
        for rule, choice in chosen.items()
        if rule in before.models and before.models[rule].version != choice.version
    }


def _card_key(rule: str, version: str) -> str:
    return f"{rule}/{version}/{rule}.json"
