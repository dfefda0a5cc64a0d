"""The chat page and what it gives to programs."""

from __future__ import annotations

import re
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from bot.simulator.chat import LocalChat
from fleetpulse.clock import ManualClock
from tests.unit.bot.simulator.conftest import Api, a_png

KEYBOARD = {
    "inline_keyboard": [
        [{"text": "Snooze", "callback_data": "snooze"}],
        [{"text": "Dashboard", "url": "http://127.0.0.1:8000/"}],
    ]
}


def post(browser: Client, body: Any, **headers: str) -> TestResponse:
    return browser.post("/chat/messages", json=body, headers=headers)


@pytest.mark.parametrize("path", ["/chat", "/chat/"])
def test_the_page_is_served_with_and_without_a_slash(browser: Client, path: str) -> None:
    response = browser.get(path)

    assert response.status_code == 200
    assert response.mimetype == "text/html"


def test_everything_the_page_loads_is_served_from_where_it_is_mounted(browser: Client) -> None:
    page = browser.get("/chat").text

    addresses = re.findall(r'(?:src|href|data-\w+)="(/[^"]+)"', page)

    assert len(addresses) == 4
    for address in addresses:
        with browser.get(address) as response:
            assert response.status_code == 200, address


def test_the_page_loads_nothing_from_elsewhere(browser: Client) -> None:
    response = browser.get("/chat")

    assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert re.findall(r'(?:src|href)="(?:https?:)?//', response.text) == []
    assert " style=" not in response.text


def test_what_was_said_is_listed_oldest_first(
    browser: Client, api: Api, clock: ManualClock
) -> None:
    post(browser, {"text": "/start"})
    clock.advance(1)
    api.send("Hello!", reply_markup=KEYBOARD)

    items = browser.get("/chat/messages").get_json()["items"]

    assert items == [
        {
            "id": 1,
            "from": "user",
            "text": "/start",
            "photo_url": None,
            "buttons": [],
            "at": clock.now_ms() - 1000,
            "edited_at": None,
        },
        {
            "id": 2,
            "from": "bot",
            "text": "Hello!",
            "photo_url": None,
            "buttons": [
                [{"text": "Snooze", "data": "snooze"}],
                [{"text": "Dashboard", "url": "http://127.0.0.1:8000/"}],
            ],
            "at": clock.now_ms(),
            "edited_at": None,
        },
    ]


def test_a_program_may_ask_for_what_came_after_a_message(browser: Client, api: Api) -> None:
    api.send("one")
    api.send("two")

    items = browser.get("/chat/messages?after=1").get_json()["items"]

    assert [item["text"] for item in items] == ["two"]


@pytest.mark.parametrize(("number", "status"), [("x", 400), ("-5", 200), ("9" * 40, 200)])
def test_after_must_be_a_number(browser: Client, number: str, status: int) -> None:
    assert browser.get(f"/chat/messages?after={number}").status_code == status


def test_an_edit_is_dated(browser: Client, api: Api, clock: ManualClock) -> None:
    api.send("before")
    clock.advance(5)
    api.result("editMessageText", chat_id=1, message_id=1, text="after")

    [item] = browser.get("/chat/messages").get_json()["items"]

    assert (item["text"], item["edited_at"]) == ("after", clock.now_ms())


def test_a_photo_is_loaded_from_its_address(browser: Client, api: Api) -> None:
    picture = a_png()
    api.send_photo(picture, caption="chart")

    [item] = browser.get("/chat/messages").get_json()["items"]

    assert item["text"] == "chart"
    assert item["photo_url"].startswith("/chat/photos/")
    with browser.get(item["photo_url"]) as response:
        assert response.data == picture
        assert response.mimetype == "image/png"
        assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("photo_id", ["0", "..%2fchat.db", "%25"])
def test_there_are_no_other_photos(browser: Client, photo_id: str) -> None:
    assert browser.get(f"/chat/photos/{photo_id}").status_code == 404


def test_a_text_that_is_posted_is_answered_with_its_item(browser: Client, api: Api) -> None:
    response = post(browser, {"text": " /status pi-attic "})

    assert response.status_code == 201
    assert response.get_json()["text"] == "/status pi-attic"
    assert api.result("getUpdates")[0]["message"]["text"] == "/status pi-attic"


def test_a_button_that_is_pressed_reaches_the_bot(browser: Client, api: Api) -> None:
    api.send("Hot!", reply_markup=KEYBOARD)

    response = post(browser, {"button": "snooze", "message_id": 1})

    assert response.status_code == 201
    assert response.get_json()["id"] == 1
    assert api.result("getUpdates")[0]["callback_query"]["data"] == "snooze"


@pytest.mark.parametrize("press", [("other", 1), ("snooze", 2), ("http://127.0.0.1:8000/", 1)])
def test_only_a_button_that_is_there_is_pressed(
    browser: Client, api: Api, press: tuple[str, int]
) -> None:
    api.send("Hot!", reply_markup=KEYBOARD)

    response = post(browser, {"button": press[0], "message_id": press[1]})

    assert response.status_code == 400
    assert response.get_json()["detail"] == "There is no such button under that message."
    assert api.result("getUpdates") == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "text",
        {"text": 5},
        {"text": None},
        {"text": ""},
        {"text": "  "},
        {"text": "a" * 4097},
        {"text": "x", "button": "y"},
        {"text": "\ud800"},
        {"button": "snooze"},
        {"button": "snooze", "message_id": 10**30},
        {"text": "x", "more": 1},
    ],
)
def test_what_the_chat_does_not_take_is_a_problem(browser: Client, body: Any) -> None:
    response = post(browser, body)

    problem = response.get_json()
    assert response.status_code == problem["status"] == 400
    assert response.mimetype == "application/problem+json"
    assert set(problem) == {"type", "title", "status", "detail"}
    assert browser.get("/chat/messages").get_json()["items"] == []


def test_broken_json_is_a_problem(browser: Client) -> None:
    response = browser.post("/chat/messages", data="{", content_type="application/json")

    assert response.status_code == 400


def test_a_text_of_4096_characters_is_taken(browser: Client) -> None:
    assert post(browser, {"text": "🔥" * 4096}).status_code == 201


def test_a_huge_body_is_refused(browser: Client) -> None:
    assert post(browser, {"text": "a" * 100_000}).status_code == 413


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_only_json_is_taken(browser: Client, content_type: str) -> None:
    response = browser.post("/chat/messages", data='{"text": "x"}', content_type=content_type)

    assert response.status_code == 415
    assert response.mimetype == "application/problem+json"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_page_of_another_site_may_not_write(browser: Client, headers: dict[str, str]) -> None:
    response = post(browser, {"text": "x"}, **headers)

    assert response.status_code == 403
    assert response.mimetype == "application/problem+json"
    assert browser.get("/chat/messages").get_json()["items"] == []


def test_the_page_itself_may_write(browser: Client) -> None:
    own = {"Host": "127.0.0.1:8000", "Origin": "http://127.0.0.1:8000"}

    assert post(browser, {"text": "x"}, **own).status_code == 201


@pytest.mark.parametrize("host", ["evil.example", "192.168.0.2:8000"])
def test_a_foreign_host_reads_nothing(browser: Client, host: str) -> None:
    assert browser.get("/chat/messages", headers={"Host": host}).status_code == 403


def test_an_unknown_address_is_a_problem(browser: Client) -> None:
    response = browser.get("/chat/nowhere")

    assert response.status_code == 404
    assert response.mimetype == "application/problem+json"


def test_another_verb_is_a_problem(browser: Client) -> None:
    assert browser.delete("/chat/messages").status_code == 405


def test_markup_in_a_message_stays_text(browser: Client, api: Api) -> None:
    api.send("<b>&lt;script&gt;</b>", parse_mode="HTML")

    [item] = browser.get("/chat/feed").get_json()["items"]

    assert item["text"] == "<script>"
    assert item["entities"] == [{"type": "bold", "offset": 0, "length": 8}]


def test_the_feed_gives_only_what_has_changed_since(browser: Client, api: Api) -> None:
    api.send("one")
    api.send("two")
    seen = browser.get("/chat/feed").get_json()["version"]
    api.result("editMessageText", chat_id=1, message_id=1, text="one!")

    feed = browser.get(f"/chat/feed?since={seen}").get_json()

    assert [item["text"] for item in feed["items"]] == ["one!"]
    assert browser.get(f"/chat/feed?since={feed['version']}").get_json()["items"] == []


def test_the_feed_shows_the_commands_of_a_private_chat(browser: Client, api: Api) -> None:
    api.result("setMyCommands", commands=[{"command": "start", "description": "begin"}])
    assert browser.get("/chat/feed").get_json()["commands"][0]["command"] == "start"

    narrower = [{"command": "help", "description": "what I can do"}]
    api.result("setMyCommands", commands=narrower, scope={"type": "all_private_chats"})

    assert browser.get("/chat/feed").get_json()["commands"] == narrower


def test_the_feed_shows_that_the_bot_is_at_work_until_it_sends(
    browser: Client, api: Api, clock: ManualClock
) -> None:
    def is_typing() -> Any:
        return browser.get("/chat/feed").get_json()["is_typing"]

    api.result("sendChatAction", chat_id=1, action="typing")
    assert is_typing()
    clock.advance(6)
    assert not is_typing()

    api.result("sendChatAction", chat_id=1, action="typing")
    api.send("done")
    assert not is_typing()


def test_the_feed_tells_when_nobody_asks_for_updates(
    browser: Client, api: Api, clock: ManualClock
) -> None:
    def is_listening() -> Any:
        return browser.get("/chat/feed").get_json()["is_listening"]

    assert is_listening()  # a bot that is just starting is not missed yet
    clock.advance(11)
    assert not is_listening()

    api.result("getUpdates")
    assert is_listening()


def test_answers_to_buttons_are_not_shown_again_to_a_new_page(
    browser: Client, api: Api, chat: LocalChat
) -> None:
    api.send("Hot!", reply_markup=KEYBOARD)
    chat.press(1, "snooze")
    seen = browser.get("/chat/feed").get_json()["version"]
    api.result("answerCallbackQuery", callback_query_id="1", text="Snoozed", show_alert=True)

    watching = browser.get(f"/chat/feed?since={seen}").get_json()
    arriving = browser.get("/chat/feed").get_json()

    assert watching["notices"] == [{"message_id": 1, "text": "Snoozed", "is_alert": True}]
    assert arriving["notices"] == []
