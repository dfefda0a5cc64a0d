"""A bench whose chat application is the local Bot API, reached by the real sender over HTTP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from telegram.ext import ExtBot
from telegram.request import HTTPXRequest

from bot.simulator import LOCAL_TOKEN
from bot.simulator.app import create_bot_api
from bot.simulator.calls import Record
from bot.simulator.chat import LocalChat
from bot.simulator.server import Server
from bot.simulator.troubles import Troubles
from bot.telegram_sender import TelegramSender
from fleetpulse.alerts import AlertEvent
from fleetpulse.delivery.messages import Post
from fleetpulse.stores.protocols import Delivery, Store
from tests.unit.bot.simulator.conftest import a_png
from tests.unit.delivery.bench import Bench, FakeSender

PREFIX = "telegram:"


class ThroughTelegram(FakeSender):
    """Sends by python-telegram-bot, in an event loop of its own."""

    def __init__(self, root: str) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._request = HTTPXRequest(connection_pool_size=8, httpx_kwargs={"trust_env": False})
        bot: ExtBot[Any] = ExtBot(LOCAL_TOKEN, base_url=f"{root}/bot", request=self._request)
        self._telegram = TelegramSender(bot, self._loop)

    def send(self, where: str, post: Post) -> str:
        return self._telegram.send(where, post)

    def edit(self, where: str, message_id: str, post: Post) -> bool:
        return self._telegram.edit(where, message_id, post)

    def close(self) -> None:
        """End the event loop and its connections."""
        asyncio.run_coroutine_threadsafe(self._request.shutdown(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class TelegramBench(Bench):
    """The same with some chats of a Bot API that can be told to misbehave."""

    def __init__(self, folder: Path, store: Store, chat_ids: Collection[int]) -> None:
        self._kept = store
        self.folder = folder
        self._chat_ids = chat_ids
        self._through: ThroughTelegram | None = None
        super().__init__(listed=[f"{PREFIX}{chat_id}" for chat_id in chat_ids])

    def start(self) -> None:
        self.store = self._kept
        if self._through is None:
            self.chat = LocalChat(self.folder, self.clock, chat_ids=self._chat_ids)
            self.troubles = Troubles(self.chat)
            self.server = Server(create_bot_api(self.chat, self.troubles))
            self._through = ThroughTelegram(self.server.root)
        self.sender = self._through
        super().start()

    def close(self) -> None:
        """End the process and the Bot API."""
        if self._through is not None:
            self._through.close()
        self.server.close()
        self.chat.close()
        self.store.close()

    def chart(self, _store: Store, event: AlertEvent) -> bytes | None:
        return a_png()

    def texts(self, chat_id: int) -> list[str]:
        """What this chat has got."""
        return [message.text for message in self.chat.messages(chat_id=chat_id)]

    def settle(self, seconds: int = 120) -> None:
        """Let a while pass, second by second."""
        for _ in range(seconds):
            self.later(1)

    def made(self) -> Sequence[Record]:
        """The calls that made messages."""
        return [record for record in self.troubles.journal.records() if record.is_sent]

    def deliveries(self, events: Sequence[AlertEvent]) -> list[Delivery]:
        """Those of these events, for all chats."""
        return list(self.store.deliveries.of_events([event.event_id for event in events]))
