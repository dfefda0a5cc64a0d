"""How the bot hears of what the user does: getUpdates."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from bot.simulator.chat import LocalChat
from bot.simulator.refusal import Conflict
from fleetpulse.clock import ManualClock
from tests.unit.bot.simulator.conftest import Api

BUTTON = {"inline_keyboard": [[{"text": "Snooze", "callback_data": "snooze"}]]}


def waiting(chat: LocalChat, clock: ManualClock, answers: list[Any]) -> threading.Thread:
    """A long poll in a thread of its own, which has begun to wait."""

    def poll() -> None:
        try:
            answers.append(chat.updates(timeout_s=30))
        except Conflict as conflict:
            answers.append(conflict)

    clock.advance(60)  # from now on only a call that waits counts as listening
    thread = threading.Thread(target=poll)
    thread.start()
    while not chat.feed(-1).is_listening:
        pass
    return thread


def test_what_the_user_says_becomes_an_update(api: Api, chat: LocalChat) -> None:
    chat.say("/status pi-attic")

    [update] = api.result("getUpdates")

    assert update["update_id"] == 1
    assert update["message"]["text"] == "/status pi-attic"
    assert update["message"]["from"]["first_name"] == "You"
    assert update["message"]["entities"] == [{"type": "bot_command", "offset": 0, "length": 7}]


def test_an_update_comes_again_until_it_is_confirmed(api: Api, chat: LocalChat) -> None:
    chat.say("one")
    chat.say("two")

    assert len(api.result("getUpdates")) == 2
    assert [update["update_id"] for update in api.result("getUpdates", offset=2)] == [2]
    assert [update["update_id"] for update in api.result("getUpdates")] == [2]
    assert api.result("getUpdates", offset=3) == []


def test_update_ids_are_never_given_twice(api: Api, chat: LocalChat) -> None:
    chat.say("one")
    api.result("getUpdates", offset=2)
    chat.say("two")

    assert [update["update_id"] for update in api.result("getUpdates")] == [2]


def test_a_negative_offset_keeps_the_newest_and_forgets_the_rest(api: Api, chat: LocalChat) -> None:
    for word in ("one", "two", "three"):
        chat.say(word)

    assert [update["update_id"] for update in api.result("getUpdates", offset=-1)] == [3]
    assert [update["update_id"] for update in api.result("getUpdates")] == [3]


def test_the_limit_is_kept(api: Api, chat: LocalChat) -> None:
    chat.say("one")
    chat.say("two")

    assert [update["update_id"] for update in api.result("getUpdates", limit=1)] == [1]


def test_kinds_that_the_bot_did_not_ask_for_are_left_out_from_then_on(
    api: Api, chat: LocalChat
) -> None:
    sent = api.send("x", reply_markup=BUTTON)
    chat.press(sent["message_id"], "snooze")
    api.result("getUpdates", offset=2, allowed_updates=["message"])

    chat.press(sent["message_id"], "snooze")
    chat.say("hello")

    assert [list(update) for update in api.result("getUpdates")] == [["update_id", "message"]]
    assert api.result("getWebhookInfo")["allowed_updates"] == ["message"]


def test_an_empty_list_of_kinds_means_all(api: Api, chat: LocalChat) -> None:
    api.result("getUpdates", allowed_updates=["callback_query"])
    api.result("getUpdates", allowed_updates=[])

    chat.say("hello")

    assert len(api.result("getUpdates")) == 1


def test_updates_are_kept_for_a_day(api: Api, chat: LocalChat, clock: ManualClock) -> None:
    chat.say("old")
    clock.advance(24 * 3600 + 1)
    chat.say("new")

    [update] = api.result("getUpdates")

    assert update["message"]["text"] == "new"


def test_a_waiting_poll_ends_when_the_user_says_something(
    chat: LocalChat, clock: ManualClock
) -> None:
    answers: list[Any] = []
    thread = waiting(chat, clock, answers)

    chat.say("hello")
    thread.join(10)

    assert answers[0][0]["message"]["text"] == "hello"


def test_a_second_poll_ends_the_first_with_a_conflict(chat: LocalChat, clock: ManualClock) -> None:
    answers: list[Any] = []
    thread = waiting(chat, clock, answers)

    second = chat.updates()
    thread.join(10)

    assert second == []
    assert answers[0].code == 409
    assert answers[0].description == (
        "Conflict: terminated by other getUpdates request;"
        " make sure that only one bot instance is running"
    )


def test_closing_the_chat_ends_a_waiting_poll_at_once(chat: LocalChat, clock: ManualClock) -> None:
    answers: list[Any] = []
    thread = waiting(chat, clock, answers)

    chat.close()
    thread.join(10)

    assert answers == [[]]


def test_the_press_of_a_button_becomes_a_callback_query(api: Api, chat: LocalChat) -> None:
    sent = api.send("Hot!", reply_markup=BUTTON)

    chat.press(sent["message_id"], "snooze")

    [update] = api.result("getUpdates")
    query = update["callback_query"]
    assert query["data"] == "snooze"
    assert query["message"] == sent
    assert query["from"]["id"] == 1


def test_a_callback_query_is_answered_with_a_notice(api: Api, chat: LocalChat) -> None:
    sent = api.send("Hot!", reply_markup=BUTTON)
    chat.press(sent["message_id"], "snooze")
    before = chat.feed(-1).version
    query_id = api.result("getUpdates")[0]["callback_query"]["id"]

    assert api.result("answerCallbackQuery", callback_query_id=query_id, text="Done") is True

    [notice] = chat.feed(before).notices
    assert (notice.message_id, notice.text, notice.is_alert) == (1, "Done", False)


def test_an_unknown_callback_query_cannot_be_answered(api: Api) -> None:
    assert api.refusal("answerCallbackQuery", callback_query_id="99") == (
        "Bad Request: query is too old and response timeout expired or query ID is invalid"
    )


def test_an_answer_of_200_characters_is_the_longest(api: Api) -> None:
    refusal = api.refusal("answerCallbackQuery", callback_query_id="1", text="a" * 201)

    assert refusal == "Bad Request: MESSAGE_TOO_LONG"


@pytest.mark.parametrize("drop", [True, False])
def test_pending_updates_are_dropped_with_the_webhook_only_if_asked(
    api: Api, chat: LocalChat, drop: bool
) -> None:
    chat.say("old")
    assert api.result("getWebhookInfo")["pending_update_count"] == 1

    assert api.result("deleteWebhook", drop_pending_updates=drop) is True

    assert len(api.result("getUpdates")) == (0 if drop else 1)
