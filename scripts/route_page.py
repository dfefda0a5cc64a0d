"""The routes of docs/api.md: what each does, as Swagger says, and what it asks of a key.

The table in api/access.py says which routes there are. One that neither Swagger nor this page
describes fails the page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from api.access import NEEDS, Bound, Need
from api.app import create_app
from api.publish import Record
from fleetpulse.clock import ManualClock
from fleetpulse.stores.memory import MemoryStore
from model.registry import open_registry
from scripts.tables import table

BASE = "/api/v1"
# For a browser: Swagger does not describe them.
NOT_DESCRIBED = {
    "/": "The dashboard",
    "/devices/<device_id>": "A device's page",
    "/people": "The page of people, groups and chats",
    "/add": "The page that adds a device",
    "/docs": "The page that tries the API",
    "/swagger.json": "The description of every field",
    "/static/<path:filename>": "Files that pages are drawn with",
    "/static/charts/<name>": "Files that pages are drawn with",
    "/swaggerui/<path:filename>": "Files that `/docs` is drawn with",
    "/login": "The login page",
    "/logout": "Ends a session",
}
# What a key that is bound to one device gets of a route.
OF_ONE_DEVICE = {
    Bound.NOTHING: "no",
    Bound.OWN: "its own",
    Bound.FILTERED: "its own part",
    Bound.ALL: "all",
}


class Nowhere:
    """A publisher for an application that nobody sends to."""

    def publish(self, records: Sequence[Record]) -> None:
        raise NotImplementedError

    def close(self) -> None:
        pass


def routes() -> str:
    """A row per route and method."""
    described = _described()
    rows = [
        _row(rule, method, need, described)
        for rule, methods in NEEDS.items()
        for method, need in methods.items()
    ]
    head = ("method", "path", "what", "scope", "key of one device")
    return table(head, sorted(rows, key=lambda row: not row[1].startswith(f"`{BASE}")))


def _row(rule: str, method: str, need: Need, described: Mapping[str, Any]) -> tuple[str, ...]:
    path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)
    said = NOT_DESCRIBED.get(rule) or described[path][method.lower()]["summary"]
    if need.scope is None:
        return method, f"`{path}`", said, "", "open to everybody"
    return method, f"`{path}`", said, f"`{need.scope.value}`", OF_ONE_DEVICE[need.bound]


def _described() -> Mapping[str, Any]:
    """Path -> method -> operation, as the application itself answers."""
    app = create_app(
        MemoryStore(),
        open_registry(None),
        clock=ManualClock(),
        interval_s=5.0,
        publisher=Nowhere(),
    )
    answer: Mapping[str, Any] = app.test_client().get("/swagger.json").get_json()
    paths: Mapping[str, Any] = answer["paths"]
    return paths
