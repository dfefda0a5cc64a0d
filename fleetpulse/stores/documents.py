"""Small things that people decide, kept as JSON: who is who, snoozes, quiet hours, groups, codes.

They are few, they are read whole, and there will be more kinds of them: so a store keeps them all
in one place, and what they look like is said where they are used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar

import msgspec

Kind = TypeVar("Kind", bound=msgspec.Struct)


class DocumentStore(Protocol):
    """Documents by collection and name."""

    def put(self, collection: str, name: str, document: bytes) -> None:
        """Add or replace. document: JSON."""

    def get(self, collection: str, name: str) -> bytes | None:
        """One document, or None."""

    def all(self, collection: str) -> Mapping[str, bytes]:
        """Every document of a collection by its name, in the order of names."""

    def take(self, collection: str, name: str) -> bytes | None:
        """Remove a document and return it; of several at once exactly one gets it."""


class Kept(Generic[Kind]):
    """One collection of documents, as values of one kind."""

    def __init__(self, documents: DocumentStore, collection: str, kind: type[Kind]) -> None:
        self._documents, self._collection = documents, collection
        self._decode = msgspec.json.Decoder(kind).decode

    def put(self, name: str, value: Kind) -> None:
        """Add or replace."""
        self._documents.put(self._collection, name, msgspec.json.encode(value))

    def get(self, name: str) -> Kind | None:
        """One value, or None."""
        found = self._documents.get(self._collection, name)
        return None if found is None else self._decode(found)

    def all(self) -> Mapping[str, Kind]:
        """Every value by its name, in the order of names."""
        found = self._documents.all(self._collection)
        return {name: self._decode(document) for name, document in found.items()}

    def take(self, name: str) -> Kind | None:
        """Remove a value and return it; of several at once exactly one gets it."""
        found = self._documents.take(self._collection, name)
        return None if found is None else self._decode(found)
