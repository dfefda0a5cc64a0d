"""Several chats at one Bot API: people and groups, told apart by their ids."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from bot.simulator import LOCAL_CHAT_ID
from bot.simulator.app import create_bot_api, create_chat_page
from bot.simulator.chat import LocalChat
from fleetpulse.clock import ManualClock
from tests.unit.bot.simulator.conftest import Api

PERSON, GROUP, SUPERGROUP = 42, -7, -1_001_234_567_890
KEYBOARD = {"inline_keyboard": [[{"text": "Snooze", "callback_data": "snooze"}]]}


@pytest.fixture
def chat(tmp_path: Path, clock: ManualClock) -> Iterator[LocalChat]:
    made = LocalChat(tmp_path, clock, chat_ids=[LOCAL_CHAT_ID, PERSON, GROUP, SUPERGROUP])
    yield made
    made.close()


def texts(chat: LocalChat, chat_id: int) -> list[str]:
    return [message.text for message in chat.messages(chat_id=chat_id)]


def fed(browser: Client, since: int = -1) -> Any:
    """What the page is told."""
    return browser.get(f"/chat/feed?since={since}").get_json()


@pytest.mark.parametrize(
    ("chat_id", "kind", "name"),
    [
        (LOCAL_CHAT_ID, "private", "You"),
        (PERSON, "private", "Person 42"),
        (GROUP, "group", "Group 7"),
        (SUPERGROUP, "supergroup", "Group 1001234567890"),
    ],
)
def test_the_id_tells_what_a_chat_is(api: Api, chat_id: int, kind: str, name: str) -> None:
    found = api.result("getChat", chat_id=chat_id)

    assert (found["id"], found["type"]) == (chat_id, kind)
    assert found.get("title", found.get("first_name")) == name


@pytest.mark.parametrize("chat_id", [43, -8, "@fleet", "042", "1e3"])
def test_a_chat_that_is_not_there_is_not_found(api: Api, chat_id: object) -> None:
    for method in ("getChat", "sendMessage", "sendChatAction"):
        said = api.refusal(method, chat_id=chat_id, text="x", action="typing")

        assert said == "Bad Request: chat not found"


def test_each_chat_has_its_own_messages(api: Api, chat: LocalChat) -> None:
    sent = api.result("sendMessage", chat_id=GROUP, text="hot")
    api.result("sendMessage", chat_id=PERSON, text="cold")

    assert sent["chat"] == {"id": GROUP, "type": "group", "title": "Group 7"}
    assert (texts(chat, GROUP), texts(chat, PERSON), texts(chat, SUPERGROUP)) == (
        ["hot"],
        ["cold"],
        [],
    )


def test_a_message_is_edited_and_answered_in_its_own_chat_only(api: Api, chat: LocalChat) -> None:
    message_id = api.result("sendMessage", chat_id=GROUP, text="hot")["message_id"]

    edit = {"message_id": message_id, "text": "cool"}
    refused = api.refusal("editMessageText", chat_id=PERSON, **edit)
    api.result("editMessageText", chat_id=GROUP, **edit)
    reply = {"text": "?", "reply_parameters": {"message_id": message_id}}
    lost = api.refusal("sendMessage", chat_id=PERSON, **reply)
    found = api.result("sendMessage", chat_id=GROUP, **reply)

    assert refused == "Bad Request: message to edit not found"
    assert lost == "Bad Request: message to be replied not found"
    assert found["reply_to_message"]["text"] == "cool"
    assert texts(chat, GROUP) == ["cool", "?"]


def test_what_people_do_tells_who_and_where(api: Api, chat: LocalChat) -> None:
    sent = api.result("sendMessage", chat_id=PERSON, text="hot", reply_markup=KEYBOARD)

    chat.say("/devices", chat_id=GROUP)
    chat.press(sent["message_id"], "snooze", chat_id=PERSON)
    said, pressed = api.result("getUpdates")

    assert said["message"]["chat"]["id"] == GROUP
    assert said["message"]["from"]["id"] == LOCAL_CHAT_ID
    assert pressed["callback_query"]["from"]["id"] == PERSON
    assert pressed["callback_query"]["message"]["chat"]["id"] == PERSON


def test_the_page_shows_the_owners_chat_alone(api: Api, chat: LocalChat) -> None:
    browser = Client(DispatcherMiddleware(create_bot_api(chat), {"/chat": create_chat_page(chat)}))
    sent = api.result("sendMessage", chat_id=PERSON, text="hot", reply_markup=KEYBOARD)
    api.result("sendChatAction", chat_id=PERSON, action="typing")
    chat.press(sent["message_id"], "snooze", chat_id=PERSON)
    (update,) = api.result("getUpdates")
    since = fed(browser)["version"]
    query_id = update["callback_query"]["id"]

    api.result("answerCallbackQuery", callback_query_id=query_id, text="Done")
    api.send("for you")
    feed = fed(browser, since)

    assert [item["text"] for item in feed["items"]] == ["for you"]
    assert (feed["notices"], feed["is_typing"]) == ([], False)


def test_a_menu_for_another_chat_is_not_the_owners(api: Api, chat: LocalChat) -> None:
    menu = [{"command": "start", "description": "begin"}]

    api.result("setMyCommands", commands=menu, scope={"type": "chat", "chat_id": PERSON})

    assert chat.commands_shown() == []
    assert api.result("getMyCommands", scope={"type": "chat", "chat_id": PERSON}) == menu
    assert api.result("getMyCommands", scope={"type": "chat", "chat_id": GROUP}) == []
