"""Posts into chats through the Bot API, and what its refusals mean for us.

| the Bot API says | we |
|---|---|
| 429 with retry_after | wait so long, in this chat only |
| 5xx, nothing, a time-out | try again later |
| 400 to a photo or to HTML | send the words alone: a picture must not cost a warning |
| 400 with migrate_to_chat_id: a group became a supergroup | go on in that one |
| 403, 400 to plain words | give this chat up |
| 400 to a change: nothing is different | all is well: it was changed before |
| 400 to a change: the message is gone | send a new one |

A message's id here is Telegram's, and for a photo "/photo" after it: its words are a caption, which
is changed by another method.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from concurrent.futures import CancelledError as FutureCancelled
from contextlib import suppress
from datetime import timedelta
from typing import Any, TypeVar

from telegram import (
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputFile,
    LinkPreviewOptions,
    Message,
    ReplyParameters,
)
from telegram.constants import MessageLimit, ParseMode
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    RetryAfter,
    TelegramError,
)
from telegram.ext import ExtBot

from fleetpulse.delivery.messages import Button, Post, plain_text
from fleetpulse.errors import NotifyError

SEND_S = 45.0  # what hangs longer is tried again
ANSWER_TRIES = 4
BUTTONS_A_ROW = 2
# https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this: one message a
# second in a chat, 20 a minute in a group.
CHAT_PAUSE_S = 1.0
GROUP_PAUSE_S = 3.0
PHOTO = "/photo"
# Telegram has no codes for these.
_UNCHANGED = "message is not modified"

log = logging.getLogger(__name__)

# A device may be called pi.example; its message is not about that site.
_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)
Done = TypeVar("Done")


class TelegramSender:
    """Sends posts, from the event loop or from any thread."""

    can_edit = True

    def __init__(self, bot: ExtBot[Any], loop: asyncio.AbstractEventLoop) -> None:
        self._bot = bot
        self._loop = loop

    def pause_s(self, where: str) -> float:
        """How long a chat rests after a message; the id of a group is negative."""
        return GROUP_PAUSE_S if where.startswith("-") else CHAT_PAUSE_S

    def send(self, where: str, post: Post) -> str:
        """The id of the message that the post has become. Not to be called on the loop."""
        return self._waited_for(self.put(where, post))

    def edit(self, where: str, message_id: str, post: Post) -> bool:
        """Change the words and buttons of a message. Not to be called on the loop."""
        return self._waited_for(self.change(where, message_id, post))

    def _waited_for(self, work: Coroutine[Any, Any, Done]) -> Done:
        sending = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return sending.result(SEND_S)
        except TimeoutError as problem:
            sending.cancel()
            raise NotifyError("the Bot API did not answer in time") from problem
        except FutureCancelled as problem:
            raise NotifyError("the bot is stopping") from problem

    async def put(self, chat_id: str, post: Post) -> str:
        """The same on the loop. Raises NotifyError."""
        try:
            message = await self._put(chat_id, post)
        except TelegramError as problem:
            raise refusal(problem) from problem
        return f"{message.message_id}{PHOTO if message.photo else ''}"

    async def change(self, chat_id: str, message_id: str, post: Post) -> bool:
        """The same for a change; False: the message is gone. Raises NotifyError."""
        try:
            await self._change(chat_id, message_id, post)
        except ChatMigrated as problem:
            raise refusal(problem) from problem
        except BadRequest as problem:
            return _UNCHANGED in problem.message.lower()
        except TelegramError as problem:
            raise refusal(problem) from problem
        return True

    async def _change(self, chat_id: str, message_id: str, post: Post) -> None:
        number, markup = int(message_id.removesuffix(PHOTO)), keyboard(post.buttons)
        if message_id.endswith(PHOTO):
            await self._bot.edit_message_caption(
                chat_id,
                number,
                caption=post.text,
                parse_mode=ParseMode.HTML,
                reply_markup=markup,
            )
            return
        await self._bot.edit_message_text(
            post.text,
            chat_id,
            number,
            parse_mode=ParseMode.HTML,
            reply_markup=markup,
            link_preview_options=_NO_PREVIEW,
        )

    async def put_patiently(self, chat_id: str, post: Post) -> None:
        """An answer: tried a few times, since nothing keeps it. Raises NotifyError."""
        for wait_s in range(1, ANSWER_TRIES):
            try:
                await self.put(chat_id, post)
            except NotifyError as problem:
                if problem.permanent:
                    raise
                await asyncio.sleep(problem.retry_after_s or wait_s)
            else:
                return
        await self.put(chat_id, post)

    async def _put(self, chat_id: str, post: Post) -> Message:
        markup, answers = keyboard(post.buttons), _reply(post)
        if post.photo is not None:
            with suppress(BadRequest):
                return await self._bot.send_photo(
                    chat_id,
                    InputFile(post.photo, filename="chart.png"),
                    caption=post.text,
                    parse_mode=ParseMode.HTML,
                    reply_markup=markup,
                    reply_parameters=answers,
                )
        try:
            return await self._say(chat_id, post.text, markup, answers, ParseMode.HTML)
        except BadRequest:
            return await self._say(chat_id, plain(post.text), markup, answers, None)

    async def _say(
        self,
        chat_id: str,
        text: str,
        markup: InlineKeyboardMarkup | None,
        answers: ReplyParameters | None,
        mode: ParseMode | None,
    ) -> Message:
        return await self._bot.send_message(
            chat_id,
            text,
            parse_mode=mode,
            reply_markup=markup,
            reply_parameters=answers,
            link_preview_options=_NO_PREVIEW,
        )


def _reply(post: Post) -> ReplyParameters | None:
    """What the post answers; should that be gone, it is said all the same."""
    if post.reply_to is None:
        return None
    number = int(post.reply_to.removesuffix(PHOTO))
    return ReplyParameters(message_id=number, allow_sending_without_reply=True)


def refusal(problem: TelegramError) -> NotifyError:
    """What a refusal of the Bot API means."""
    if isinstance(problem, RetryAfter):
        return NotifyError("the Bot API asks for time", retry_after_s=seconds(problem.retry_after))
    if isinstance(problem, InvalidToken):
        return NotifyError("the Bot API does not accept the token; check TELEGRAM_TOKEN")
    if isinstance(problem, ChatMigrated):
        return NotifyError(problem.message, permanent=True, moved_to=str(problem.new_chat_id))
    gone = isinstance(problem, Forbidden | BadRequest)
    return NotifyError(problem.message, permanent=gone)


def seconds(wait: timedelta | float) -> float:
    """A wait as python-telegram-bot gives it, now or in its next version."""
    return wait.total_seconds() if isinstance(wait, timedelta) else float(wait)


def keyboard(buttons: tuple[Button, ...]) -> InlineKeyboardMarkup | None:
    """The buttons under a message."""
    keys = [InlineKeyboardButton(each.label, callback_data=each.command) for each in buttons]
    rows = [keys[at : at + BUTTONS_A_ROW] for at in range(0, len(keys), BUTTONS_A_ROW)]
    return InlineKeyboardMarkup(rows) if rows else None


def plain(html: str) -> str:
    """The words of an HTML text, as many as one message holds."""
    return plain_text(html)[: MessageLimit.MAX_TEXT_LENGTH]
