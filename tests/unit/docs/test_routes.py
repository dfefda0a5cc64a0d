"""The list of routes in docs/api.md leaves none out."""

from __future__ import annotations

import pytest

from api.access import NEEDS, READ
from scripts import route_page


def test_every_route_and_method_has_a_row_with_what_it_asks() -> None:
    rows = [line.split(" | ") for line in route_page.routes().splitlines()[2:]]

    assert len(rows) == sum(map(len, NEEDS.values()))
    assert all(what.strip() for _, _, what, *_ in rows)
    assert [
        "| PUT", "`/api/v1/people`", "Add a person, or change what one may do", "`admin`", "no |",
    ] in rows  # fmt: skip


def test_a_route_that_nobody_describes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route_page, "NEEDS", {**NEEDS, "/api/v1/secret": {"GET": READ}})

    with pytest.raises(KeyError, match="/api/v1/secret"):
        route_page.routes()
