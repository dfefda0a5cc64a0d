"""The chat page in a real browser, with a bot at the other end of the Bot API."""

from __future__ import annotations

import json
import os
import shutil
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import make_server

from bot.simulator import LOCAL_CHAT_ID, LOCAL_TOKEN
from bot.simulator.app import create_bot_api, create_chat_page
from bot.simulator.chat import LocalChat
from bot.simulator.formatting import Entity, Formatted
from bot.simulator.messages import Button, Draft, photo_of
from tests.unit.bot.simulator.conftest import a_png

pytestmark = pytest.mark.integration

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="module")
def chromium() -> str:
    """The browser's program."""
    found = shutil.which("chromium")
    if found is None:
        message = "Chromium is not installed: apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[LocalChat]:
    made = LocalChat(tmp_path)
    yield made
    made.close()


@pytest.fixture
def root(chat: LocalChat) -> Iterator[str]:
    """The address of the server."""
    app = DispatcherMiddleware(create_bot_api(chat), {"/chat": create_chat_page(chat)})
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    chat.close()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def page(chromium: str, root: str) -> Iterator[Page]:
    """The chat page, opened; any complaint of the browser fails the test."""
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda said: complaints.append(said.text) if said.type == "error" else None,
        )
        page.goto(f"{root}/chat")
        yield page
        browser.close()
    assert complaints == []


def bot_call(root: str, method: str, **parameters: Any) -> Any:
    """One call of the bot."""
    request = urllib.request.Request(  # noqa: S310 - this test's own server
        f"{root}/bot{LOCAL_TOKEN}/{method}",
        json.dumps(parameters).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
        return json.load(response)["result"]


def test_a_question_is_answered_with_a_photo_and_a_button_that_works(
    page: Page, root: str, chat: LocalChat
) -> None:
    page.get_by_label("Message", exact=True).fill("/status pi-attic")
    page.keyboard.press("Enter")
    expect(page.locator(".user .text")).to_contain_text("/status pi-attic")

    [asked] = bot_call(root, "getUpdates", timeout=10)
    assert asked["message"]["text"] == "/status pi-attic"
    photo = a_png(640, 320)
    chat.send(
        Draft(
            sender="bot",
            content=Formatted("hot soon", (Entity(type="bold", offset=0, length=3),)),
            photo=photo_of(photo),
            keyboard=((Button("Snooze", callback_data="snooze"),),),
        ),
        photo,
    )

    expect(page.locator(".bot strong")).to_have_text("hot")
    shown = page.locator(".bot .photo img")
    page.wait_for_function("document.querySelector('.photo img').naturalWidth === 640")
    shown.click()
    expect(page.locator("#viewer")).to_be_visible()
    page.keyboard.press("Escape")

    page.get_by_role("button", name="Snooze").click()
    [pressed] = bot_call(root, "getUpdates", timeout=10, offset=asked["update_id"] + 1)
    assert pressed["callback_query"]["data"] == "snooze"
    bot_call(
        root,
        "answerCallbackQuery",
        callback_query_id=pressed["callback_query"]["id"],
        text="Snoozed for an hour",
    )

    expect(page.locator("#toast")).to_have_text("Snoozed for an hour")


def test_a_device_called_script_is_shown_and_not_run(page: Page, root: str) -> None:
    name = "<script>document.title = 'gone'</script><img src=x onerror=alert(1)>"
    escaped = name.replace("<", "&lt;").replace(">", "&gt;")

    bot_call(
        root,
        "sendMessage",
        chat_id=LOCAL_CHAT_ID,
        text=f"<b>{escaped}</b> is hot",
        parse_mode="HTML",
    )

    expect(page.locator(".bot strong")).to_have_text(name)
    assert page.locator(".log script, .log img").count() == 0
    assert page.title() == "fleetpulse chat"


def test_an_edited_message_changes_in_place(page: Page, root: str) -> None:
    bot_call(root, "sendMessage", chat_id=LOCAL_CHAT_ID, text="before")
    expect(page.locator(".bot .text")).to_contain_text("before")

    bot_call(root, "editMessageText", chat_id=LOCAL_CHAT_ID, message_id=1, text="after")

    expect(page.locator(".bot .text")).to_contain_text("after")
    expect(page.locator(".bot .edited")).to_have_text("edited")
    assert page.locator(".message").count() == 1


def test_a_command_is_sent_from_the_menu(page: Page, root: str) -> None:
    bot_call(root, "setMyCommands", commands=[{"command": "devices", "description": "all"}])
    expect(page.locator("#suggestions button")).to_have_text("/devices")

    page.get_by_role("button", name="Commands").click()
    page.get_by_role("menuitem", name="/devices").click()

    expect(page.locator(".user .text")).to_contain_text("/devices")
    assert bot_call(root, "getUpdates", timeout=10)[0]["message"]["text"] == "/devices"


def test_a_phone_does_not_scroll_sideways(page: Page, root: str) -> None:
    bot_call(root, "sendMessage", chat_id=LOCAL_CHAT_ID, text="x" * 2000)
    expect(page.locator(".bot .text")).to_be_visible()

    widths = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")

    assert widths[0] <= widths[1]
