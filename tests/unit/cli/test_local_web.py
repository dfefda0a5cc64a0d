"""The local chat is for this machine's users; keys it knows none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from werkzeug.test import Client

from fleetpulse.cli.local_web import web_app
from fleetpulse.settings import ApiSettings, load

HERE = {"Host": "127.0.0.1:8000"}
PAGES = ("/chat/messages", "/telegram/bot1:token/getMe")


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ExitStack]:
    monkeypatch.setenv("FLEETPULSE_DATA", str(tmp_path))
    with ExitStack() as stack:
        yield stack


def a_client(opened: ExitStack) -> Client:
    return Client(web_app(load(ApiSettings), opened))


def test_on_this_machine_there_is_a_chat_page(opened: ExitStack) -> None:
    assert a_client(opened).get("/chat/messages", headers=HERE).status_code == 200


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "Via"])
def test_nobody_comes_to_it_by_a_proxy(opened: ExitStack, path: str, name: str) -> None:
    answer = a_client(opened).get(path, headers=HERE | {name: "192.0.2.1"})

    assert answer.status_code == 403


def test_where_everybody_needs_a_key_there_is_no_chat_page(
    opened: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEETPULSE_KEYLESS", "off")
    client = a_client(opened)

    assert client.get("/chat/messages", headers=HERE).status_code in (401, 404)
    assert client.get("/api/v1/fleet", headers=HERE).status_code == 401
