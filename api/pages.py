"""Lists that are answered in pages; a cursor is the place after which the next page begins."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from flask import Response

from api.errors import InvalidParameter

Item = TypeVar("Item")
Key = TypeVar("Key")

# Within what a store can compare; a cursor is a text from outside like any other.
Whole = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


def answer(content: Any) -> Response:
    """`content` as JSON. Flask-RESTX's marshalling takes 25 times as long."""
    found = Response(msgspec.json.encode(content), content_type="application/json")
    found.headers["Cache-Control"] = "no-store"
    return found


def page(
    found: Sequence[Item],
    limit: int,
    *,
    listed: str,
    key: Callable[[Item], Any],
    view: Callable[[Item], Any],
    **more: Any,
) -> Response:
    """A page of a list, made of up to `limit` + 1 items: the one too many says that more follow.

    listed: the list's name, so that its cursors serve no other list.
    """
    shown = found[:limit]
    follows = len(found) > limit
    return answer(
        {
            "items": [view(item) for item in shown],
            "next_cursor": cursor(listed, key(shown[-1])) if follows else None,
            **more,
        }
    )


def named_page(
    found: Mapping[str, Item],
    limit: int,
    after: str | None,
    *,
    listed: str,
    view: Callable[[str, Item], Any],
) -> Response:
    """A page of what is kept by name and is read whole, in the order of names.

    after: the cursor that was given. Raises InvalidParameter.
    """
    last = place(after, listed, str)
    names = sorted(name for name in found if last is None or name > last)
    return page(
        names[: limit + 1],
        limit,
        listed=listed,
        key=lambda name: name,
        view=lambda name: view(name, found[name]),
    )


def cursor(listed: str, key: Any) -> str:
    """The place after `key` in a list, as a URL-safe text."""
    return base64.urlsafe_b64encode(msgspec.json.encode((listed, key))).rstrip(b"=").decode()


def place(text: str | None, listed: str, key: type[Key]) -> Key | None:
    """The key in a cursor; None without one. Raises InvalidParameter."""
    if text is None:
        return None
    of, found = _read(text, key)
    if of != listed:
        raise InvalidParameter("cursor", _WRONG)
    return found


def list_of(text: str) -> str:
    """The name of the list that a cursor is of. Raises InvalidParameter."""
    return _read(text, object)[0]


def _read(text: str, key: type[Key]) -> tuple[str, Key]:
    try:
        padded = text + "=" * (-len(text) % 4)
        decoded = base64.b64decode(padded, altchars=b"-_", validate=True)
        found: tuple[str, Key] = msgspec.json.decode(
            decoded,
            type=tuple[str, key],  # type: ignore[valid-type]
        )
    except (ValueError, msgspec.MsgspecError) as problem:
        raise InvalidParameter("cursor", _WRONG) from problem
    return found


_WRONG = "is not one that this list gave; leave it out to begin at the start."
