"""Posts into chats through the Bot API, and what its refusals mean for us.

| the Bot API says | we |
|---|---|
| 429 with retry_after | wait so long, in this chat only |
| 5xx, nothing, a time-out | try again later |
| 400 to a photo or to HTML | send the words alone: a picture must not cost a warning |
| 400 with migrate_to_chat_id: a group became a supergroup | go on in that one |
| 403, 400 to plain words | give this chat up |
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import CancelledError as FutureCancelled
from contextlib import suppress
from datetime import timedelta
from typing import Any

from telegram import (
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputFile,
    LinkPreviewOptions,
    Message,
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

log = logging.getLogger(__name__)


class TelegramSender:
    """Sends posts, from the event loop or from any thread."""

    def __init__(self, bot: ExtBot[Any], loop: asyncio.AbstractEventLoop) -> None:
        self._bot = bot
        self._loop = loop

    def send(self, chat_id: str, post: Post) -> str:
        """The id of the message that the post has become. Not to be called on the loop."""
        sending = asyncio.run_coroutine_threadsafe(self.put(chat_id, post), self._loop)
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
            return str((await self._put(chat_id, post)).message_id)
        except TelegramError as problem:
            raise refusal(problem) from problem

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
        markup = keyboard(post.buttons)
        if post.photo is not None:
            with suppress(BadRequest):
                return await self._bot.send_photo(
                    chat_id,
                    InputFile(post.photo, filename="chart.png"),
                    caption=post.text,
                    parse_mode=ParseMode.HTML,
                    reply_markup=markup,
                )
        try:
            return await self._say(chat_id, post.text, markup, ParseMode.HTML)
        except BadRequest:
            return await self._say(chat_id, plain(post.text), markup, None)

    async def _say(
        self, chat_id: str, text: str, markup: InlineKeyboardMarkup | None, mode: ParseMode | None
    ) -> Message:
        return await self._bot.send_message(
            chat_id,
            text,
            parse_mode=mode,
            reply_markup=markup,
            # A device may be called pi.example; its message is not about that site.
            link_preview_options=LinkPreviewOptions(is_disabled=True),
        )


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
