"""The bot with a real client against the local Bot API: what goes in comes out in the chat."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import warnings
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import BaseWSGIServer, make_server

from bot.addressing import Address
from bot.app import ChatBot, is_for_us
from bot.simulator import LOCAL_CHAT_ID, LOCAL_TOKEN
from bot.simulator.app import create_bot_api
from bot.simulator.chat import LocalChat
from bot.simulator.messages import Message
from bot.simulator.refusal import Conflict
from fleetpulse.clock import SystemClock
from fleetpulse.delivery.loop import Delivering
from fleetpulse.errors import FleetpulseError, SettingsError
from fleetpulse.health import Health
from fleetpulse.metrics import BotMetrics
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Store
from fleetpulse.watch import Watch
from tests.contracts.builders import SECOND, a_chat, a_device, a_reading, an_event, scored

TARGET = f"telegram:{LOCAL_CHAT_ID}"


class Chatting:
    """A local Bot API on a free port, and a bot that talks to it."""

    def __init__(self, folder: Path) -> None:
        self.chat = LocalChat(folder)
        self.store: Store = MemoryStore()
        self.clock = SystemClock()
        self.health = Health()
        self._server: BaseWSGIServer | None = None
        self._server = self.open(0)
        self.port = self._server.server_port

    def open(self, port: int) -> BaseWSGIServer:
        """The Bot API, listening."""
        app = DispatcherMiddleware(_nothing, {"/telegram": create_bot_api(self.chat)})
        server = make_server("127.0.0.1", port, app, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self._server = server
        return server

    def close(self) -> None:
        """The Bot API, gone."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        self._server = None

    def bot(self, *, token: str = LOCAL_TOKEN, listed: int = LOCAL_CHAT_ID) -> ChatBot:
        """A bot that is not running yet."""
        root = f"http://127.0.0.1:{self.port}/telegram"
        address = Address(root=root, token=token)
        return ChatBot(
            address=address,
            listed=[listed],
            store=self.store,
            clock=self.clock,
            interval_s=20.0,
            health=self.health,
            metrics=BotMetrics(CollectorRegistry()),
            watch=Watch("bot", self.store, self.clock),
        )

    def run(self, bot: ChatBot, story: Coroutine[Any, Any, None]) -> float:
        """Let the bot work while the story goes on; how many seconds it took to stop."""

        async def running() -> float:
            stop = asyncio.Event()
            work = asyncio.create_task(bot.serve(stop))
            await asyncio.wait_for(story, 60)
            told_at = time.monotonic()
            stop.set()
            await work
            return time.monotonic() - told_at

        return asyncio.run(running())

    async def until(self, holds: Callable[[Message], bool]) -> Message:
        """The bot's first message for which it holds, once it is there."""
        while True:
            for message in self.chat.messages():
                if message.sender == "bot" and holds(message):
                    return message
            await asyncio.sleep(0.02)

    async def said(self, words: str) -> Message:
        """The bot's first message with these words, once it is there."""
        return await self.until(lambda message: words in message.content.text)


def _nothing(_environ: Any, start_response: Any) -> list[bytes]:
    start_response("404 Not Found", [])
    return []


@pytest.fixture(autouse=True)
def _connections_end_here() -> Iterator[None]:
    """A long poll that is cut off leaves its connection to the collector of garbage.

    It complains of that, in whatever test it then runs; so it runs here.
    """
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def chatting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Chatting]:
    monkeypatch.setenv("PTB_TIMEDELTA", "true")
    # On a busy machine connections take longer to close than a user should wait for the bot's end;
    # left open they are warnings in whatever test runs when they are collected.
    monkeypatch.setattr("bot.app.CLOSE_S", 40.0)
    chatting = Chatting(tmp_path / "chat")
    yield chatting
    chatting.close()
    chatting.chat.close()


def warm_up(store: Store, now: int) -> None:
    """A Pi has warmed up and will soon be stressed: it is stored as a consumer stores it."""
    readings = [
        a_reading(at=now - 5 * SECOND * n, seq=100 - n, temperature_c=75.0 - n) for n in range(20)
    ]
    event = an_event(at=now, probability=0.9, expected_s=60.0, limit=80.0)
    store.save(scored(*readings, new_devices=[a_device()], events=[event], stored_at=now))


def test_a_question_is_answered_and_the_menu_is_set(chatting: Chatting) -> None:
    async def story() -> None:
        chatting.chat.say("/help")
        await chatting.said("/limit <device>")

    seconds = chatting.run(chatting.bot(), story())

    assert seconds < 3
    menu = [each["command"] for each in chatting.chat.commands_shown()]
    assert "status" in menu
    assert "right" not in menu


def test_a_device_is_as_patiently_awaited_as_its_interval_asks(chatting: Chatting) -> None:
    warm_up(chatting.store, chatting.clock.now_ms() - 100 * SECOND)

    async def story() -> None:
        chatting.chat.say("/status pi-1")
        await chatting.said("Measured 1 min 40 s ago:")

    chatting.run(chatting.bot(), story())


def test_a_warning_comes_with_a_picture_and_its_button_draws_more(
    chatting: Chatting,
) -> None:
    async def story() -> None:
        await asyncio.sleep(0.3)
        warm_up(chatting.store, chatting.clock.now_ms())
        warning = await chatting.said("will soon be stressed")
        assert warning.photo is not None
        assert (warning.photo.width, warning.photo.height) == (800, 450)
        chatting.chat.press(warning.message_id, "/chart pi-1 temperature_c")
        await chatting.said("temperature of the last hour")

    chatting.run(chatting.bot(), story())

    (delivery,) = chatting.store.deliveries.of_events(["pi-1:heat:1:soon"])
    assert (delivery.target, delivery.progress) == (TARGET, "sent")


def test_a_chat_that_is_not_listed_learns_its_id_and_nothing_else(chatting: Chatting) -> None:
    async def story() -> None:
        warm_up(chatting.store, chatting.clock.now_ms())
        chatting.chat.say("/status pi-1")
        await chatting.said("I do not know this chat")

    chatting.run(chatting.bot(listed=4242), story())

    (answer,) = [m.content.text for m in chatting.chat.messages() if m.sender == "bot"]
    assert f"lists its id, {LOCAL_CHAT_ID}, in" in answer
    assert "FLEETPULSE_TELEGRAM_CHATS" in answer
    assert "pi-1" not in answer
    assert chatting.store.chats.get(TARGET) is None


def test_a_group_that_became_another_may_ask_there_as_the_one_that_is_listed(
    chatting: Chatting,
) -> None:
    async def story() -> None:
        chatting.chat.say("/help")
        await chatting.said("what you can ask")

    bot = chatting.bot(listed=-42)
    bot._moved["telegram:-42"] = TARGET
    chatting.run(bot, story())

    assert chatting.store.chats.get(TARGET) is None
    known = chatting.store.chats.get("telegram:-42")
    assert known is not None
    assert known.active


def test_a_listed_chat_that_was_given_up_is_told_again_once_it_writes(
    chatting: Chatting,
) -> None:
    bot = chatting.bot()

    async def story() -> None:
        while not chatting.store.chats.active():
            await asyncio.sleep(0.02)
        chatting.store.chats.put(a_chat(TARGET, active=False))
        chatting.chat.say("/start")
        await chatting.said("Hello!")

    chatting.run(bot, story())

    assert [chat.chat_id for chat in chatting.store.chats.active()] == [TARGET]


def test_a_bot_api_that_is_not_there_yet_is_waited_for(
    chatting: Chatting, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    chatting.close()

    async def story() -> None:
        await asyncio.sleep(0.3)
        chatting.open(chatting.port)
        chatting.chat.say("/help")
        await chatting.said("/limit <device>")

    chatting.run(chatting.bot(), story())

    said = [record for record in caplog.records if record.name == "fleetpulse.health"]
    assert [record.getMessage() for record in said] == ["trouble", "well again"]
    assert chatting.health.problems() == {}


def test_a_bot_that_never_reaches_the_bot_api_stops_at_once(chatting: Chatting) -> None:
    chatting.close()

    assert chatting.run(chatting.bot(), asyncio.sleep(0.3)) < 3


def test_a_token_that_telegram_refuses_ends_the_bot_and_is_not_shown(
    chatting: Chatting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Address, "is_local", False)

    with pytest.raises(SettingsError, match="does not accept TELEGRAM_TOKEN") as problem:
        asyncio.run(chatting.bot(token="wrong-token").serve(asyncio.Event()))

    assert "wrong-token" not in str(problem.value)


def test_delivering_that_breaks_ends_the_bot(
    chatting: Chatting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(_self: Delivering) -> None:
        raise ValueError("a fault of ours")

    monkeypatch.setattr(Delivering, "step", breaks)

    with pytest.raises(FleetpulseError, match="Delivering stopped"):
        asyncio.run(chatting.bot().serve(asyncio.Event()))


def test_of_two_that_ask_for_the_same_messages_we_step_back_and_warnings_still_come(
    chatting: Chatting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.app.LOOK_S", 0.02)
    monkeypatch.setattr("bot.app.STEP_BACK_S", 1.0)
    bot = chatting.bot()
    undisturbed = threading.Event()

    def another_asks() -> None:
        """Until it is left alone for as long as a poll lasts."""
        while not undisturbed.is_set():
            with suppress(Conflict):
                chatting.chat.updates(offset=0, limit=1, timeout_s=1, allowed=None)
                undisturbed.set()

    async def story() -> None:
        while not chatting.chat.commands_shown():
            await asyncio.sleep(0.02)
        other = asyncio.create_task(asyncio.to_thread(another_asks))
        while "telegram" not in chatting.health.problems():
            await asyncio.sleep(0.02)
        warm_up(chatting.store, chatting.clock.now_ms())
        await chatting.said("will soon be stressed")
        await other
        chatting.chat.say("/help")
        await chatting.said("/limit <device>")

    chatting.run(bot, story())

    assert undisturbed.is_set()


def test_a_button_is_answered_at_the_button_and_the_message_shows_what_came_of_it(
    chatting: Chatting,
) -> None:
    async def story() -> None:
        await asyncio.sleep(0.3)
        warm_up(chatting.store, chatting.clock.now_ms())
        warning = await chatting.said("will soon be stressed")
        seen = chatting.chat.feed(-1).version
        chatting.chat.press(warning.message_id, "/ack pi-1:heat:1")
        await chatting.until(lambda message: "Acknowledged by" in message.text)
        (notice,) = chatting.chat.feed(seen).notices
        assert notice.text == "Acknowledged: pi-1 (heat). It is not told again."

    chatting.run(chatting.bot(), story())

    assert len([each for each in chatting.chat.messages() if each.sender == "bot"]) == 1


@pytest.mark.parametrize(
    ("chat_type", "text", "ours"),
    [
        ("private", "hello", True),
        ("group", "hello", False),
        ("supergroup", "/devices", True),
        ("group", "/devices@Our_Bot now", True),
        ("group", "/devices@other_bot", False),
    ],
)
def test_in_a_group_only_commands_to_this_bot_are_for_it(
    chat_type: str, text: str, ours: bool
) -> None:
    assert is_for_us(chat_type, text, "our_bot") is ours
