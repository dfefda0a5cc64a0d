"""Posts into chats, and what the Bot API's refusals mean: its answers are scripted over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from telegram.ext import ExtBot
from telegram.request import HTTPXRequest

from bot.telegram_sender import TelegramSender, plain
from fleetpulse.delivery.messages import Button, Post
from fleetpulse.errors import NotifyError

TOKEN = "12:secret"
SENT = httpx.Response(
    200,
    json={
        "ok": True,
        "result": {"message_id": 77, "date": 1, "chat": {"id": 42, "type": "private"}},
    },
)
PNG = b"\x89PNG\r\n\x1a\n"
PICTURED = Post("<b>pi-1</b> is stressed", (Button("Status now", "/status pi-1"),), PNG)


def refused(code: int, description: str, **parameters: int) -> httpx.Response:
    answer: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
    return httpx.Response(code, json=answer | ({"parameters": parameters} if parameters else {}))


class Script:
    """A Bot API that gives these answers in this order, and keeps what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self._answers = list(answers)
        self.methods: list[str] = []
        self.forms: list[dict[str, str]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.methods.append(request.url.path.rpartition("/")[2])
        if request.headers["content-type"].startswith("application/x-www-form-urlencoded"):
            fields = parse_qs(request.content.decode())
            self.forms.append({name: values[0] for name, values in fields.items()})
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def put(script: Script, post: Post, how: Callable[..., Any] = TelegramSender.put) -> Any:
    """Put the post into chat 42 of a Bot API with this script."""

    async def putting() -> Any:
        request = HTTPXRequest(httpx_kwargs={"transport": httpx.MockTransport(script)})
        bot: ExtBot[None] = ExtBot(TOKEN, request=request)
        return await how(TelegramSender(bot, asyncio.get_running_loop()), "42", post)

    return asyncio.run(putting())


@pytest.fixture(autouse=True)
def _new_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the process sets it: without it python-telegram-bot warns at every wait."""
    monkeypatch.setenv("PTB_TIMEDELTA", "true")


def test_words_are_sent_as_html_with_their_buttons() -> None:
    script = Script(SENT)

    message_id = put(script, Post("a <b>b</b>", (Button("Now", "/status x"),)))

    assert message_id == "77"
    assert script.methods == ["sendMessage"]
    (form,) = script.forms
    assert (form["chat_id"], form["text"], form["parse_mode"]) == ("42", "a <b>b</b>", "HTML")
    keys = json.loads(form["reply_markup"])["inline_keyboard"]
    assert keys == [[{"text": "Now", "callback_data": "/status x"}]]


def test_a_picture_is_sent_with_the_words_under_it() -> None:
    script = Script(SENT)

    assert put(script, PICTURED) == "77"
    assert script.methods == ["sendPhoto"]


def test_a_picture_that_is_refused_does_not_cost_the_words() -> None:
    script = Script(refused(400, "Bad Request: PHOTO_INVALID_DIMENSIONS"), SENT)

    assert put(script, PICTURED) == "77"
    assert script.methods == ["sendPhoto", "sendMessage"]


def test_markup_that_is_refused_does_not_cost_the_words() -> None:
    script = Script(refused(400, "Bad Request: can't parse entities"), SENT)

    put(script, Post("<b>a</b> &lt; b"))

    assert script.forms[-1]["text"] == "a < b"
    assert "parse_mode" not in script.forms[-1]


def test_plain_words_fit_one_message() -> None:
    assert len(plain("x" * 9_000)) == 4096


@pytest.mark.parametrize(
    ("code", "description"),
    [
        (403, "Forbidden: bot was blocked by the user"),
        (400, "Bad Request: chat not found"),
    ],
)
def test_a_chat_that_cannot_be_reached_is_given_up(code: int, description: str) -> None:
    script = Script(*[refused(code, description)] * 3)

    with pytest.raises(NotifyError) as problem:
        put(script, PICTURED)

    assert problem.value.permanent


def test_a_group_that_became_another_is_told_with_its_new_id() -> None:
    script = Script(refused(400, "Bad Request: group upgraded", migrate_to_chat_id=-1007))

    with pytest.raises(NotifyError) as problem:
        put(script, PICTURED)

    assert problem.value.moved_to == "-1007"


def test_a_busy_bot_api_says_how_long_to_wait() -> None:
    script = Script(refused(429, "Too Many Requests", retry_after=31))

    with pytest.raises(NotifyError) as problem:
        put(script, PICTURED)

    assert (problem.value.permanent, problem.value.retry_after_s) == (False, 31.0)
    assert script.methods == ["sendPhoto"]


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        refused(500, "Internal Server Error"),
        httpx.Response(502, text="<html>Bad Gateway"),
    ],
    ids=repr,
)
def test_trouble_on_the_way_passes(trouble: httpx.Response | Exception) -> None:
    script = Script(trouble)

    with pytest.raises(NotifyError) as problem:
        put(script, PICTURED)

    assert not problem.value.permanent
    assert problem.value.retry_after_s is None
    assert script.methods == ["sendPhoto"]


def test_a_token_that_is_refused_is_never_shown() -> None:
    with pytest.raises(NotifyError, match="TELEGRAM_TOKEN") as problem:
        put(Script(refused(401, "Unauthorized")), PICTURED)

    assert TOKEN not in f"{problem.value} {problem.value.__cause__}"
    assert not problem.value.permanent


def test_an_answer_is_tried_again_and_then_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("bot.telegram_sender.asyncio.sleep", sleep)
    away = refused(502, "Bad Gateway")

    put(Script(away, refused(429, "slow", retry_after=9), SENT), Post("a"), put_patiently)
    with pytest.raises(NotifyError):
        put(Script(*[away] * 4), Post("a"), put_patiently)

    assert waits == [1, 9, 1, 2, 3]


put_patiently = TelegramSender.put_patiently
