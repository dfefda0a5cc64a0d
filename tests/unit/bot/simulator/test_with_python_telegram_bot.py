"""The real client library against the local Bot API, over HTTP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator

import pytest
from telegram import (
    Bot,
    BotCommand,
    BotCommandScopeAllPrivateChats,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaPhoto,
    Message,
    ReplyParameters,
)
from telegram.constants import ChatAction, ParseMode
from telegram.error import BadRequest, Conflict, InvalidToken
from werkzeug.serving import make_server

from bot.simulator import LOCAL_BOT_ID, LOCAL_BOT_USERNAME, LOCAL_CHAT_ID, LOCAL_TOKEN
from bot.simulator.app import create_bot_api
from bot.simulator.chat import LocalChat
from fleetpulse.clock import ManualClock
from tests.unit.bot.simulator.conftest import a_png

KEYBOARD = InlineKeyboardMarkup([[InlineKeyboardButton("Snooze", callback_data="snooze")]])


@pytest.fixture
def root(chat: LocalChat) -> Iterator[str]:
    """The address of the server."""
    server = make_server("127.0.0.1", 0, create_bot_api(chat), threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    chat.close()  # ends calls that wait
    server.shutdown()
    thread.join()
    server.server_close()


def run(root: str, talk: Callable[[Bot], Awaitable[None]], token: str = LOCAL_TOKEN) -> None:
    """Let a bot talk to the server."""

    async def main() -> None:
        bot = Bot(token, base_url=f"{root}/bot", base_file_url=f"{root}/file/bot")
        async with bot:
            await talk(bot)

    asyncio.run(main())


def test_the_bot_knows_itself_and_the_chat(root: str) -> None:
    async def talk(bot: Bot) -> None:
        assert (bot.id, bot.username) == (LOCAL_BOT_ID, LOCAL_BOT_USERNAME)
        chat = await bot.get_chat(LOCAL_CHAT_ID)
        assert (chat.type, chat.first_name) == ("private", "You")
        assert (await bot.get_webhook_info()).url == ""
        assert await bot.delete_webhook(drop_pending_updates=True)

    run(root, talk)


def test_a_wrong_token_is_an_invalid_token(root: str) -> None:
    async def talk(bot: Bot) -> None:
        raise AssertionError("the bot was let in")

    with pytest.raises(InvalidToken):
        run(root, talk, token="local")


def test_texts_are_sent_answered_and_edited(root: str) -> None:
    async def talk(bot: Bot) -> None:
        sent = await bot.send_message(
            LOCAL_CHAT_ID, "<b>hot</b> 🔥", ParseMode.HTML, reply_markup=KEYBOARD
        )
        assert sent.text_html == "<b>hot</b> 🔥"
        assert sent.reply_markup == KEYBOARD
        reply = await bot.send_message(
            LOCAL_CHAT_ID, "why?", reply_parameters=ReplyParameters(sent.message_id)
        )
        assert reply.reply_to_message is not None
        assert reply.reply_to_message.text == "hot 🔥"
        edited = await bot.edit_message_text("cool", LOCAL_CHAT_ID, sent.message_id)
        assert isinstance(edited, Message)
        assert edited.text == "cool"
        assert edited.edit_date is not None
        with pytest.raises(BadRequest, match="Message is not modified"):
            await bot.edit_message_text("cool", LOCAL_CHAT_ID, sent.message_id)
        with pytest.raises(BadRequest, match="Chat not found"):
            await bot.send_message(99, "x")

    run(root, talk)


def test_photos_are_sent_replaced_and_loaded(root: str) -> None:
    async def talk(bot: Bot) -> None:
        sent = await bot.send_photo(
            LOCAL_CHAT_ID, a_png(40, 30), caption="*chart*", parse_mode=ParseMode.MARKDOWN_V2
        )
        assert (sent.photo[0].width, sent.photo[0].height) == (40, 30)
        assert sent.caption_markdown_v2 == "*chart*"
        file = await bot.get_file(sent.photo[0].file_id)
        assert bytes(await file.download_as_bytearray()) == a_png(40, 30)
        edited = await bot.edit_message_media(
            InputMediaPhoto(a_png(50, 30), caption="new"), LOCAL_CHAT_ID, sent.message_id
        )
        assert isinstance(edited, Message)
        assert (edited.photo[0].width, edited.caption) == (50, "new")

    run(root, talk)


def test_commands_are_set_and_read(root: str) -> None:
    menu = (BotCommand("start", "begin"), BotCommand("help", "what I can do"))

    async def talk(bot: Bot) -> None:
        assert await bot.set_my_commands(menu)
        assert await bot.get_my_commands() == menu
        assert await bot.get_my_commands(BotCommandScopeAllPrivateChats()) == ()
        assert await bot.delete_my_commands()

    run(root, talk)


def test_what_the_user_does_arrives(root: str, chat: LocalChat) -> None:
    async def talk(bot: Bot) -> None:
        await bot.send_chat_action(LOCAL_CHAT_ID, ChatAction.TYPING)
        sent = await bot.send_message(LOCAL_CHAT_ID, "Hot!", reply_markup=KEYBOARD)
        chat.say("/status pi-attic")
        chat.press(sent.message_id, "snooze")
        said, pressed = await bot.get_updates(allowed_updates=["message", "callback_query"])
        assert said.message is not None
        assert said.message.parse_entities() == {said.message.entities[0]: "/status"}
        assert pressed.callback_query is not None
        assert pressed.callback_query.data == "snooze"
        assert pressed.callback_query.message == sent
        assert await pressed.callback_query.answer("Done")
        assert await bot.get_updates(offset=pressed.update_id + 1) == ()

    run(root, talk)


def test_a_waiting_poll_gives_way_to_another(
    root: str, chat: LocalChat, clock: ManualClock
) -> None:
    async def talk(bot: Bot) -> None:
        clock.advance(60)  # from now on only a call that waits counts as listening
        first = asyncio.create_task(bot.get_updates(timeout=20))
        while not chat.feed(-1).is_listening:
            await asyncio.sleep(0)
        async with Bot(LOCAL_TOKEN, base_url=f"{root}/bot") as second:
            await second.get_updates()
        with pytest.raises(Conflict):
            await first

    run(root, talk)
