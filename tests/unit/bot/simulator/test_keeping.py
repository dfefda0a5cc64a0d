"""What the local chat keeps across restarts, and what it lets go."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from bot.simulator.app import create_bot_api, create_chat_page
from bot.simulator.chat import LocalChat
from bot.simulator.formatting import Formatted
from bot.simulator.messages import Draft, photo_of
from bot.simulator.storage import KEPT_MESSAGES, KEPT_UPDATES
from fleetpulse.clock import ManualClock
from fleetpulse.errors import StartError, StoreError
from tests.unit.bot.simulator.conftest import Api, a_png


def send(chat: LocalChat, text: str) -> None:
    chat.send(Draft(sender="bot", content=Formatted(text)))


def send_photo(chat: LocalChat, picture: bytes) -> None:
    draft = Draft(sender="bot", content=Formatted(""), photo=photo_of(picture))
    chat.send(draft, picture)


def test_everything_survives_a_restart(tmp_path: Path, clock: ManualClock) -> None:
    first = LocalChat(tmp_path, clock)
    first.say("/start")
    send_photo(first, a_png())
    first.set_commands("default", [{"command": "start", "description": "begin"}])
    before = first.messages()
    version = first.feed(-1).version
    first.close()

    second = LocalChat(tmp_path, clock)

    assert second.messages() == before
    assert before[1].photo is not None
    assert second.photo_path(before[1].photo).read_bytes() == a_png()
    assert [update["update_id"] for update in second.updates()] == [1]
    assert second.commands("default") == [{"command": "start", "description": "begin"}]
    assert second.feed(-1).version == version
    second.close()


def test_numbers_go_on_after_a_restart(tmp_path: Path, clock: ManualClock) -> None:
    first = LocalChat(tmp_path, clock)
    first.say("one")
    first.updates(offset=2)
    first.close()

    second = LocalChat(tmp_path, clock)
    said = second.say("two")

    assert said.message_id == 2
    assert [update["update_id"] for update in second.updates()] == [2]
    second.close()


def test_the_press_of_a_button_can_be_answered_after_a_restart(
    tmp_path: Path, clock: ManualClock
) -> None:
    first = LocalChat(tmp_path, clock)
    api = Api(create_bot_api(first).test_client())
    keyboard = {"inline_keyboard": [[{"text": "x", "callback_data": "x"}]]}
    api.send("x", reply_markup=keyboard)
    first.press(1, "x")
    first.close()

    second = LocalChat(tmp_path, clock)
    second.answer("1", "Done", is_alert=False)

    assert [notice.text for notice in second.feed(0).notices] == ["Done"]
    second.close()


def test_the_oldest_messages_go_past_the_cap(chat: LocalChat) -> None:
    for number in range(KEPT_MESSAGES + 3):
        send(chat, f"message {number}")

    kept = chat.messages()

    assert len(kept) == KEPT_MESSAGES
    assert kept[0].text == "message 3"


def test_the_oldest_updates_go_past_the_cap(chat: LocalChat) -> None:
    for number in range(KEPT_UPDATES + 3):
        chat.say(f"message {number}")

    assert chat.pending_updates() == KEPT_UPDATES
    assert chat.updates(limit=1)[0]["update_id"] == 4


def test_a_photo_goes_with_the_last_message_that_shows_it(chat: LocalChat, tmp_path: Path) -> None:
    send_photo(chat, a_png(5, 5))
    send_photo(chat, a_png(5, 5))
    photos = tmp_path / "chat/photos"
    assert len(os.listdir(photos)) == 1

    for number in range(KEPT_MESSAGES - 1):
        send(chat, f"message {number}")
    assert len(os.listdir(photos)) == 1
    send(chat, "one more")

    assert os.listdir(photos) == []


def test_threads_may_use_the_chat_at_once(chat: LocalChat) -> None:
    def talk() -> None:
        for number in range(20):
            chat.say(f"said {number}")
            send(chat, f"sent {number}")
            chat.feed(0)
            chat.updates(limit=1)

    threads = [threading.Thread(target=talk) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [message.message_id for message in chat.messages()] == list(range(1, 321))
    assert chat.pending_updates() == 160


def test_a_folder_that_holds_no_chat_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "chat.db").write_bytes(b"not a database" * 100)

    with pytest.raises(StartError, match="move that folder away to start with an empty chat"):
        LocalChat(tmp_path)


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StartError, match="cannot be opened"):
        LocalChat(tmp_path / "file" / "chat")


def test_a_disk_that_refuses_is_told_to_the_bot_and_to_the_page(
    chat: LocalChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise StoreError("The local chat could not be saved (disk is full).")

    monkeypatch.setattr(chat._storage, "put_message", refuse)

    bot = create_bot_api(chat).test_client().get("/bot2:local/sendMessage?chat_id=1&text=x")
    page = create_chat_page(chat).test_client().post("/messages", json={"text": "x"})

    assert (bot.status_code, bot.get_json()["error_code"]) == (500, 500)
    assert page.status_code == 503
    assert "disk is full" in page.get_json()["detail"]


def test_a_full_disk_keeps_nothing_of_a_message_that_failed(
    chat: LocalChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(at: int, document: object) -> None:
        raise StoreError("The local chat could not be saved (disk is full).")

    monkeypatch.setattr(chat._storage, "add_update", refuse)
    with pytest.raises(StoreError):
        chat.say("lost")

    assert chat.messages() == []
    assert chat.pending_updates() == 0
