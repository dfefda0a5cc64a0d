"""Cards and promotions that are signed with a key which a bucket's thief does not have.

A card names its file's SHA-256, and a promotion its cards', so signing these two signs everything.
The signature is HMAC-SHA256 (RFC 2104) over the document as JSON with an empty signature.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TypeVar

import msgspec

from fleetpulse.errors import ModelError
from fleetpulse.secrets import Secret
from model.registry_cards import ModelCard, Promotion

Signed = TypeVar("Signed", ModelCard, Promotion)


class Seal:
    """A key that publishers sign with and readers check; None: nobody signs and nobody checks."""

    def __init__(self, key: Secret | None = None) -> None:
        self._key = key

    def on(self, document: Signed) -> Signed:
        """The document, signed anew."""
        return msgspec.structs.replace(document, signature=self._signature(document))

    def check(self, document: ModelCard | Promotion, where: str) -> None:
        """Return if the document may be believed. where: for people. Raises ModelError."""
        if self._key is None:
            return
        if not hmac.compare_digest(document.signature, self._signature(document)):
            raise ModelError(
                f"{where} is not signed with FLEETPULSE_MODEL_KEY: publish and promote the models"
                " with the same key as the consumers have."
            )

    def _signature(self, document: ModelCard | Promotion) -> str:
        if self._key is None:
            return ""
        bare = msgspec.json.encode(msgspec.structs.replace(document, signature=""))
        key = self._key.get_secret_value().encode()
        return hmac.new(key, type(document).__name__.encode() + bare, hashlib.sha256).hexdigest()
