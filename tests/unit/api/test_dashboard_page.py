"""The page's files are served from here alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

import api.dashboard
from api import create_app
from fleetpulse.clock import ManualClock
from fleetpulse.stores.memory import MemoryStore
from tests.unit.api.builders import FakePublisher, FakeRegistry

STATIC = Path(api.dashboard.__file__).parent / "static"


@pytest.mark.parametrize("path", ["/", "/devices/pi-1", "/devices/%3Cb%3E", "/people", "/add"])
def test_the_page_is_the_same_everywhere_and_holds_no_names(client: FlaskClient, path: str) -> None:
    answer = client.get(path)

    assert answer.status_code == 200
    assert answer.content_type.startswith("text/html")
    assert answer.data == client.get("/").data


def test_everything_that_the_page_needs_is_served_from_here(client: FlaskClient) -> None:
    page = client.get("/").text
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)

    assert any("uPlot" in address for address in addresses)
    for address in addresses:
        assert address.startswith("/")
        with client.get(address) as answer:
            assert answer.status_code == 200


def test_no_script_writes_html_or_asks_another_server() -> None:
    for script in STATIC.glob("*.js"):
        source = script.read_text()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", source)
        assert not re.search(r"https?://", source)


def test_the_chat_is_linked_only_where_there_is_one(client: FlaskClient) -> None:
    app = create_app(
        MemoryStore(),
        FakeRegistry([]),
        clock=ManualClock(),
        interval_s=5.0,
        chat_url="/chat",
        publisher=FakePublisher(),
    )

    assert "Chat" not in client.get("/").text
    assert 'href="/chat"' in app.test_client().get("/").text
