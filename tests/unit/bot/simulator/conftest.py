"""A local chat in a folder of the test, its Bot API and its page."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client, TestResponse

from bot.simulator import LOCAL_CHAT_ID, LOCAL_TOKEN
from bot.simulator.app import create_bot_api, create_chat_page
from bot.simulator.chat import LocalChat
from fleetpulse.clock import ManualClock


class Api:
    """The Bot API as a bot calls it: JSON in, the whole answer out."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def call(self, method: str, **parameters: Any) -> TestResponse:
        return self.client.post(f"/bot{LOCAL_TOKEN}/{method}", json=parameters)

    def result(self, method: str, **parameters: Any) -> Any:
        answer = self.call(method, **parameters).get_json()
        assert answer["ok"], answer
        return answer["result"]

    def refusal(self, method: str, **parameters: Any) -> str:
        response = self.call(method, **parameters)
        answer = response.get_json()
        assert answer["ok"] is False
        assert answer["error_code"] == response.status_code
        return str(answer["description"])

    def send(self, text: str, **parameters: Any) -> Any:
        return self.result("sendMessage", chat_id=LOCAL_CHAT_ID, text=text, **parameters)

    def send_photo(self, picture: bytes, **parameters: Any) -> TestResponse:
        form = {"chat_id": str(LOCAL_CHAT_ID), "photo": (BytesIO(picture), "chart.png")}
        return self.client.post(f"/bot{LOCAL_TOKEN}/sendPhoto", data=form | parameters)


def a_png(width: int = 3, height: int = 2) -> bytes:
    """A black picture of this size in pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"\x00" * (width + 1) * height)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def chat(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LocalChat]:
    """Its folder is relative, as that of `fleetpulse up` is."""
    monkeypatch.chdir(tmp_path)
    made = LocalChat(Path("chat"), clock)
    yield made
    made.close()


@pytest.fixture
def api(chat: LocalChat) -> Api:
    return Api(create_bot_api(chat).test_client())


@pytest.fixture
def browser(chat: LocalChat) -> Client:
    """The page, mounted where the local stack has it."""
    return Client(DispatcherMiddleware(create_bot_api(chat), {"/chat": create_chat_page(chat)}))
