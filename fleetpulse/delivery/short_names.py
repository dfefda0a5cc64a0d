"""Long names in the few bytes that a button has."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace

import msgspec

from fleetpulse.delivery.messages import BUTTON_BYTES, Button, Post
from fleetpulse.stores.documents import DocumentStore

COLLECTION = "short names"
MARK = "~"  # no name of a device or an alert begins with it
_HASH_BYTES = 9  # 12 letters; two of a million names are the same once in ten billion times


def fitted(post: Post, documents: DocumentStore) -> Post:
    """The post with buttons that fit: a name that is too long is kept under a short one."""
    if all(_fits(button) for button in post.buttons):
        return post
    return replace(post, buttons=tuple(_fitted(button, documents) for button in post.buttons))


def resolved(word: str, documents: DocumentStore) -> str:
    """The name that a short one stands for; any other word as it is."""
    found = documents.get(COLLECTION, word) if word.startswith(MARK) else None
    return word if found is None else msgspec.json.decode(found, type=str)


def _fits(button: Button) -> bool:
    return len(button.command.encode()) <= BUTTON_BYTES


def _fitted(button: Button, documents: DocumentStore) -> Button:
    if _fits(button):
        return button
    command, name, *rest = button.command.split(" ")
    digest = hashlib.sha256(name.encode()).digest()[:_HASH_BYTES]
    short = MARK + base64.urlsafe_b64encode(digest).decode()
    documents.put(COLLECTION, short, msgspec.json.encode(name))
    return Button(button.label, " ".join([command, short, *rest]))
