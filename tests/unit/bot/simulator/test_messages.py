"""What the bot sends and changes: texts, buttons, photos, commands."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest

from bot.simulator import LOCAL_TOKEN
from bot.simulator.chat import LocalChat
from fleetpulse.clock import ManualClock
from tests.unit.bot.simulator.conftest import Api, a_png

NOT_MODIFIED = (
    "Bad Request: message is not modified: specified new message content and reply markup are"
    " exactly the same as a current content and reply markup of the message"
)


def keys(*buttons: dict[str, Any]) -> dict[str, Any]:
    return {"inline_keyboard": [list(buttons)]}


SNOOZE = {"text": "Snooze", "callback_data": "snooze"}


def test_a_message_tells_who_where_and_when(api: Api, clock: ManualClock) -> None:
    sent = api.send("hello")

    assert sent["from"]["id"] == 2
    assert sent["chat"]["id"] == 1
    assert sent["date"] == clock.now_ms() // 1000
    assert sent["message_id"] == 1
    assert "edit_date" not in sent


def test_message_ids_grow(api: Api) -> None:
    assert [api.send("a")["message_id"], api.send("b")["message_id"]] == [1, 2]


@pytest.mark.parametrize("text", ["", "   ", "\n", "<b> </b>"])
def test_an_empty_text_is_refused(api: Api, text: str) -> None:
    refusal = api.refusal("sendMessage", chat_id=1, text=text, parse_mode="HTML")

    assert refusal == "Bad Request: message text is empty"


def test_a_text_of_4096_characters_is_the_longest(api: Api) -> None:
    assert len(api.send("a" * 4096)["text"]) == 4096
    assert api.refusal("sendMessage", chat_id=1, text="a" * 4097) == (
        "Bad Request: message is too long"
    )


def test_the_length_counts_after_the_markup_is_read(api: Api) -> None:
    assert api.send("<b>" + "a" * 4096 + "</b>", parse_mode="HTML")["entities"][0]["length"] == 4096


def test_an_unknown_parse_mode_is_refused(api: Api) -> None:
    refusal = api.refusal("sendMessage", chat_id=1, text="x", parse_mode="BBCode")

    assert refusal.startswith("Bad Request: unsupported parse_mode")


def test_entities_may_be_listed_instead_of_marked_up(api: Api) -> None:
    sent = api.send("bold", entities=[{"type": "bold", "offset": 0, "length": 4}])

    assert sent["entities"] == [{"type": "bold", "offset": 0, "length": 4}]


def test_half_a_character_is_refused(api: Api) -> None:
    refusal = api.refusal("sendMessage", chat_id=1, text="\ud83d")

    assert refusal == "Bad Request: strings must be encoded in UTF-8"


def test_what_changes_nothing_here_is_accepted(api: Api) -> None:
    sent = api.send(
        "x",
        disable_notification=True,
        link_preview_options={"is_disabled": True},
        protect_content=True,
    )

    assert sent["text"] == "x"


def test_a_reply_shows_the_message_it_answers(api: Api) -> None:
    api.send("question")

    reply = api.send("answer", reply_parameters={"message_id": 1})

    assert reply["reply_to_message"]["text"] == "question"


def test_a_reply_to_nothing_is_refused_unless_it_may_go_without(api: Api) -> None:
    lost = {"message_id": 99}

    refusal = api.refusal("sendMessage", chat_id=1, text="x", reply_parameters=lost)
    sent = api.send("x", reply_parameters=lost | {"allow_sending_without_reply": True})

    assert refusal == "Bad Request: message to be replied not found"
    assert "reply_to_message" not in sent


def test_callback_data_of_64_bytes_is_the_longest(api: Api) -> None:
    longest = {"text": "x", "callback_data": "é" * 32}
    too_long = {"text": "x", "callback_data": "é" * 32 + "a"}

    assert api.send("x", reply_markup=keys(longest))["reply_markup"] == keys(longest)
    assert api.refusal("sendMessage", chat_id=1, text="x", reply_markup=keys(too_long)) == (
        "Bad Request: BUTTON_DATA_INVALID"
    )


@pytest.mark.parametrize("button", [{"text": "x"}, {"text": "x", "callback_data": ""}])
def test_a_button_that_does_nothing_is_refused(api: Api, button: dict[str, str]) -> None:
    refusal = api.refusal("sendMessage", chat_id=1, text="x", reply_markup=keys(button))

    assert refusal == (
        "Bad Request: can't parse inline keyboard button:"
        " Text buttons are unallowed in the inline keyboard"
    )


@pytest.mark.parametrize("url", ["javascript:alert(1)", "http://localhost:8000/", "ftp://a.b"])
def test_a_button_opens_only_what_telegram_would_open(api: Api, url: str) -> None:
    refusal = api.refusal(
        "sendMessage", chat_id=1, text="x", reply_markup=keys({"text": "x", "url": url})
    )

    assert f"inline keyboard button URL '{url}' is invalid" in refusal


def test_a_button_may_open_an_address_of_this_machine(api: Api) -> None:
    button = {"text": "Dashboard", "url": "http://127.0.0.1:8000/"}

    assert api.send("x", reply_markup=keys(button))["reply_markup"] == keys(button)


def test_an_edit_changes_the_text_and_dates_it(api: Api, clock: ManualClock) -> None:
    api.send("before")
    clock.advance(60)

    edited = api.result("editMessageText", chat_id=1, message_id=1, text="after")

    assert edited["text"] == "after"
    assert edited["edit_date"] == edited["date"] + 60


def test_an_edit_without_buttons_takes_them_away(api: Api) -> None:
    api.send("before", reply_markup=keys(SNOOZE))

    edited = api.result("editMessageText", chat_id=1, message_id=1, text="after")

    assert "reply_markup" not in edited


def test_an_edit_that_changes_nothing_is_refused(api: Api) -> None:
    api.send("same", reply_markup=keys(SNOOZE))

    refusal = api.refusal(
        "editMessageText", chat_id=1, message_id=1, text="same", reply_markup=keys(SNOOZE)
    )

    assert refusal == NOT_MODIFIED


def test_only_a_message_that_exists_is_edited(api: Api) -> None:
    refusal = api.refusal("editMessageText", chat_id=1, message_id=7, text="x")

    assert refusal == "Bad Request: message to edit not found"


def test_only_the_bots_own_messages_are_edited(api: Api, chat: LocalChat) -> None:
    said = chat.say("mine")

    refusal = api.refusal("editMessageText", chat_id=1, message_id=said.message_id, text="x")

    assert refusal == "Bad Request: message can't be edited"


def test_new_buttons_alone_do_not_count_as_an_edit_of_the_message(
    api: Api, clock: ManualClock
) -> None:
    api.send("x", reply_markup=keys(SNOOZE))
    clock.advance(60)

    edited = api.result("editMessageReplyMarkup", chat_id=1, message_id=1)

    assert "reply_markup" not in edited
    assert "edit_date" not in edited


def test_a_photo_is_sent_with_its_size_and_caption(api: Api) -> None:
    picture = a_png(30, 20)

    sent = api.send_photo(picture, caption="<b>hot</b>", parse_mode="HTML").get_json()["result"]

    [size] = sent["photo"]
    assert (size["width"], size["height"], size["file_size"]) == (30, 20, len(picture))
    assert sent["caption"] == "hot"
    assert sent["caption_entities"] == [{"type": "bold", "offset": 0, "length": 3}]


def test_a_photo_may_be_attached_under_another_name(api: Api) -> None:
    form = {"chat_id": "1", "photo": "attach://chart", "chart": (BytesIO(a_png()), "c.png")}
    answer = api.client.post(f"/bot{LOCAL_TOKEN}/sendPhoto", data=form).get_json()

    assert answer["result"]["photo"][0]["width"] == 3


def test_a_photo_is_sent_again_by_its_file_id(api: Api) -> None:
    first = api.send_photo(a_png()).get_json()["result"]["photo"][0]

    again = api.result("sendPhoto", chat_id=1, photo=first["file_id"])

    assert again["photo"] == [first]


def test_a_photo_is_loaded_by_the_path_that_get_file_gives(api: Api) -> None:
    picture = a_png()
    size = api.send_photo(picture).get_json()["result"]["photo"][0]

    path = api.result("getFile", file_id=size["file_id"])["file_path"]
    with api.client.get(f"/file/bot{LOCAL_TOKEN}/{path}") as response:
        assert response.data == picture
    assert api.client.get(f"/file/bot{LOCAL_TOKEN}/photos/other.png").status_code == 404
    assert api.client.get(f"/file/bot{LOCAL_TOKEN}/photos/../chat.db").status_code == 404


def test_a_jpeg_tells_its_size_too(api: Api) -> None:
    jpeg = bytes.fromhex("ffd8 ffe0 0010 4a46494600010100000100010000 ffc0 0011 08 0014 001e")
    jpeg += bytes(20)

    [size] = api.send_photo(jpeg).get_json()["result"]["photo"]

    assert (size["width"], size["height"]) == (30, 20)


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (b"", "file must be non-empty"),
        (b"GIF89a" + bytes(50), "IMAGE_PROCESS_FAILED"),
        (b"\xff\xd8\xff", "IMAGE_PROCESS_FAILED"),
        (a_png(2000, 10), "PHOTO_INVALID_DIMENSIONS"),
    ],
)
def test_what_is_no_photo_is_refused(api: Api, picture: bytes, reason: str) -> None:
    response = api.send_photo(picture)

    assert response.status_code == 400
    assert response.get_json()["description"] == f"Bad Request: {reason}"


def test_a_photo_is_not_fetched_from_elsewhere(api: Api) -> None:
    refusal = api.refusal("sendPhoto", chat_id=1, photo="http://example.org/x.png")

    assert refusal == "Bad Request: failed to get HTTP URL content"


def test_a_call_without_a_photo_is_refused(api: Api) -> None:
    assert api.refusal("sendPhoto", chat_id=1) == "Bad Request: there is no photo in the request"


def test_a_caption_of_1024_characters_is_the_longest(api: Api) -> None:
    assert api.send_photo(a_png(), caption="a" * 1024).status_code == 200

    response = api.send_photo(a_png(), caption="a" * 1025)

    assert response.get_json()["description"] == "Bad Request: message caption is too long"


def test_a_caption_is_edited_and_a_text_is_not_a_caption(api: Api) -> None:
    api.send_photo(a_png(), caption="before")
    api.send("text")

    edited = api.result("editMessageCaption", chat_id=1, message_id=1, caption="after")

    assert edited["caption"] == "after"
    assert api.refusal("editMessageCaption", chat_id=1, message_id=2, caption="x") == (
        "Bad Request: there is no caption in the message to edit"
    )
    assert api.refusal("editMessageText", chat_id=1, message_id=1, text="x") == (
        "Bad Request: there is no text in the message to edit"
    )


def test_a_photo_is_replaced_with_its_caption(api: Api) -> None:
    api.send_photo(a_png(), caption="before")
    media = {"type": "photo", "media": "attach://new", "caption": "<i>after</i>"}
    form = {
        "chat_id": "1",
        "message_id": "1",
        "media": json.dumps(media | {"parse_mode": "HTML"}),
        "new": (BytesIO(a_png(9, 9)), "new.png"),
    }

    answer = api.client.post(f"/bot{LOCAL_TOKEN}/editMessageMedia", data=form).get_json()

    assert answer["result"]["photo"][0]["width"] == 9
    assert answer["result"]["caption_entities"][0]["type"] == "italic"


def test_a_chat_action_is_one_of_the_documented(api: Api) -> None:
    assert api.result("sendChatAction", chat_id=1, action="typing") is True
    assert api.refusal("sendChatAction", chat_id=1, action="dancing") == (
        "Bad Request: wrong parameter action in request"
    )


def test_commands_are_kept_per_scope(api: Api) -> None:
    menu = [{"command": "start", "description": "begin"}]
    private = {"type": "all_private_chats"}

    api.result("setMyCommands", commands=menu)
    api.result("setMyCommands", commands=[], scope=private)

    assert api.result("getMyCommands") == menu
    assert api.result("getMyCommands", scope=private) == []
    assert api.result("deleteMyCommands") is True
    assert api.result("getMyCommands") == []


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ({"command": "Start", "description": "x"}, "BOT_COMMAND_INVALID"),
        ({"command": "", "description": "x"}, "BOT_COMMAND_INVALID"),
        ({"command": "a" * 33, "description": "x"}, "BOT_COMMAND_INVALID"),
        ({"command": "start", "description": ""}, "BOT_COMMAND_DESCRIPTION_INVALID"),
    ],
)
def test_a_command_has_a_name_and_a_description(
    api: Api, command: dict[str, str], reason: str
) -> None:
    assert api.refusal("setMyCommands", commands=[command]) == f"Bad Request: {reason}"
