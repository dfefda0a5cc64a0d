"""The bot at work: the Bot API on one side, the store on the other.

The event loop talks to the Bot API; one thread delivers; answers are made in threads, since a
store may be slow. Only chats that are listed are answered.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from collections.abc import Awaitable, Collection
from contextlib import suppress
from typing import Any

from telegram import BotCommand, CallbackQuery, Chat, Update
from telegram.error import Conflict, InvalidToken, TelegramError
from telegram.ext import (
    AIORateLimiter,
    Application,
    ApplicationBuilder,
    CallbackContext,
    TypeHandler,
    Updater,
)
from telegram.request import HTTPXRequest

from bot.addressing import Address
from bot.answers import Answers
from bot.commands import MENU
from bot.telegram_sender import TelegramSender, plain
from fleetpulse.clock import Clock
from fleetpulse.delivery.charts import chart_of, warm_up
from fleetpulse.delivery.loop import Delivering
from fleetpulse.delivery.messages import Post
from fleetpulse.errors import FleetpulseError, NotifyError, SettingsError, StoreError
from fleetpulse.health import Health
from fleetpulse.metrics import BotMetrics
from fleetpulse.presence import stale_after_ms
from fleetpulse.stores.protocols import Store
from fleetpulse.watch import Watch

DRAIN_S = 6.0  # for what is being sent, until it is recorded
CLOSE_S = 1.0  # for the connections, and for the last heartbeat
QUIET_S = 45.0  # without a failure: what was wrong may be over
LONGEST_WAIT_S = 15.0  # between two attempts at first contact
READ_S = 20.0
LOOK_S = 1.0
STEP_BACK_S = 15.0  # doubled with each conflict
LONGEST_STEP_BACK_S = 600.0
KIND = "telegram"
PREFIX = f"{KIND}:"
ANSWERS_AT_ONCE = 8
TOAST_CHARACTERS = 200  # https://core.telegram.org/bots/api#answercallbackquery

log = logging.getLogger(__name__)


App = Application[Any, Any, Any, Any, Any, Any]
Context = CallbackContext[Any, Any, Any, Any]


class ChatBot:
    """The bot for one store.

    listed: ids of the chats that it answers and warns; interval_s: how often devices send.
    """

    def __init__(
        self,
        *,
        address: Address,
        listed: Collection[int],
        store: Store,
        clock: Clock,
        interval_s: float,
        health: Health,
        metrics: BotMetrics,
        watch: Watch,
    ) -> None:
        self._address = address
        self._listed = frozenset(listed)
        self._store = store
        self._clock = clock
        self._answers = Answers(
            store=store,
            clock=clock,
            listed={f"{PREFIX}{chat_id}" for chat_id in listed},
            stale_after_ms=stale_after_ms(interval_s),
        )
        self._health, self._metrics, self._watch = health, metrics, watch
        self._moved: dict[str, str] = {}  # groups that became others, by target
        self._trouble_at: float | None = None  # of the loop's clock
        self._conflicts = 0  # in a row: somebody else asks for our messages
        self._asks_again_at: float | None = None  # of the loop's clock: we have stepped back
        self._crash: Exception | None = None

    async def serve(self, stop: asyncio.Event) -> None:
        """Answer and deliver until `stop` is set.

        Raises SettingsError for a token that is refused, FleetpulseError if delivering broke.
        """
        application = application_at(self._address)
        application.add_handler(TypeHandler(Update, self._on_update))
        application.add_error_handler(_on_error)
        sender = TelegramSender(application.bot, asyncio.get_running_loop())
        self._sender = sender
        no_more = threading.Event()
        worker = self._delivering(sender, no_more, stop)
        try:
            if await self._first_contact(application, stop):
                warm_up()
                await self._poll(application)
                log.info(
                    "the bot is at work",
                    extra={"bot_api": self._address.root, "chats": self._chats()},
                )
                await self._stay_well(application, stop)
        finally:
            no_more.set()
            await asyncio.to_thread(worker.join, DRAIN_S)
            for last in (asyncio.to_thread(self._watch.leave), _end(application)):
                with suppress(TimeoutError):
                    await asyncio.wait_for(last, CLOSE_S)
        if self._crash is not None:
            raise FleetpulseError(f"Delivering stopped: {self._crash!r}.") from self._crash

    def _chats(self) -> str:
        return ", ".join(map(str, sorted(self._listed))) or "none (FLEETPULSE_TELEGRAM_CHATS)"

    def _delivering(
        self, sender: TelegramSender, no_more: threading.Event, stop: asyncio.Event
    ) -> threading.Thread:
        """The thread that delivers, started; should it break, the bot stops and says so."""
        loop = asyncio.get_running_loop()
        targets = [f"{PREFIX}{chat_id}" for chat_id in sorted(self._listed)]
        delivering = Delivering(
            kind=KIND,
            store=self._store,
            sender=sender,
            clock=self._clock,
            chart=chart_of,
            listed=targets,
            watch=self._watch,
            health=self._health,
            metrics=self._metrics,
            moved=self._moved,
        )

        def deliver() -> None:
            try:
                delivering.run(no_more)
            except Exception as problem:
                log.exception("delivering broke")
                self._crash = problem
                loop.call_soon_threadsafe(stop.set)

        # A daemon: what hangs in a send must not hold up the end of the process.
        worker = threading.Thread(target=deliver, name="delivery", daemon=True)
        worker.start()
        return worker

    async def _first_contact(self, application: App, stop: asyncio.Event) -> bool:
        """Whether the Bot API answered before `stop`; it is tried for as long as it takes."""
        wait_s = 1.0
        while not stop.is_set():
            try:
                done = await _before(stop, application.initialize())
                self._health.report("telegram", None)
                return done
            except InvalidToken:
                if not self._address.is_local:
                    raise SettingsError(
                        f"The Bot API at {self._address.root} does not accept TELEGRAM_TOKEN:"
                        " copy it again from @BotFather."
                    ) from None
                self._say("it does not know our token yet")
            except TelegramError as problem:
                self._say(problem.message)
            await _before(stop, asyncio.sleep(wait_s))
            wait_s = min(LONGEST_WAIT_S, wait_s * 1.5)
        return False

    async def _poll(self, application: App) -> None:
        updater = application.updater
        if updater is None:
            raise FleetpulseError("The bot was built without an updater.")
        await application.start()
        await self._start_asking(updater)
        menu = [BotCommand(command.name, command.help) for command in MENU]
        try:
            await application.bot.set_my_commands(menu)
        except TelegramError as problem:  # the menu is a comfort
            log.warning("the menu of commands is not set", extra={"problem": problem.message})

    async def _start_asking(self, updater: Updater) -> None:
        await updater.start_polling(
            bootstrap_retries=-1,
            allowed_updates=[Update.MESSAGE, Update.CALLBACK_QUERY],
            error_callback=self._on_poll_error,
        )

    def _on_poll_error(self, problem: TelegramError) -> None:
        if isinstance(problem, Conflict):
            self._conflicts += 1
            self._say("another program reads this bot's messages; stop it, or use another token")
        else:
            self._say(problem.message)

    async def _give_way(self, updater: Updater) -> None:
        """Of two that ask for the same messages one steps back, for a while that grows.

        Both would get no messages for long. How long is left to chance, so that not both step back
        and return together. Warnings go out all the same: they need no asking.
        """
        now = asyncio.get_running_loop().time()
        if self._asks_again_at is not None and now >= self._asks_again_at:
            self._asks_again_at = None
            await self._start_asking(updater)
        elif self._asks_again_at is None and self._conflicts > 0 and updater.running:
            longest_s = min(LONGEST_STEP_BACK_S, STEP_BACK_S * 2.0**self._conflicts)
            self._asks_again_at = now + random.uniform(longest_s / 2, longest_s)  # noqa: S311
            await updater.stop()

    def _say(self, trouble: str) -> None:
        self._trouble_at = asyncio.get_running_loop().time()
        self._health.report("telegram", f"The Bot API at {self._address.root}: {trouble}.")

    async def _stay_well(self, application: App, stop: asyncio.Event) -> None:
        """Wait for `stop`; what was wrong is over once nothing failed for a while."""
        while not stop.is_set():
            await _before(stop, asyncio.sleep(LOOK_S))
            if application.updater is not None:
                await self._give_way(application.updater)
            at = self._trouble_at
            if at is None or self._asks_again_at is not None:
                continue
            if asyncio.get_running_loop().time() - at < QUIET_S:
                continue
            try:
                await application.bot.get_me()
            except TelegramError as problem:
                self._say(problem.message)
            else:
                self._trouble_at, self._conflicts = None, 0
                self._health.report("telegram", None)

    # -- answering

    async def _on_update(self, update: Update, _context: Context) -> None:
        """Answer one message, or the press of a button."""
        query, chat = update.callback_query, update.effective_chat
        text = query.data if query else update.message.text if update.message else None
        if chat is None or not text or not is_for_us(chat.type, text, update.get_bot().username):
            return
        who = update.effective_user
        name = who.full_name if who else ""
        answering = asyncio.to_thread(self._answer, chat.id, chat.effective_name or "", name, text)
        post = await answering if query is None else await _pressed(query, answering)
        if post is None:
            return
        try:
            await self._sender.put_patiently(str(chat.id), post)
        except NotifyError as problem:
            log.warning("no answer sent", extra={"chat": chat.id, "problem": str(problem)})

    def _answer(self, chat_id: int, title: str, name: str, text: str) -> Post:
        """What a chat is answered; title: of the chat, name: of who writes there."""
        here = f"{PREFIX}{chat_id}"
        target = next((old for old, new in list(self._moved.items()) if new == here), here)
        try:
            return self._answers.to(target, title=title, name=name, text=text)
        except StoreError as problem:
            log.warning("no answer", extra={"chat": chat_id, "problem": str(problem)})
            return Post("I cannot reach the store just now. Please try again in a minute.")


async def _pressed(query: CallbackQuery, answering: Awaitable[Post]) -> Post | None:
    """What is left to be said in the chat once a pressed button has been answered.

    A brief answer is shown at the button, and is no message.
    """
    post = await answering
    said = plain(post.text)[:TOAST_CHARACTERS] if post.is_brief else None
    with suppress(TelegramError):  # it only ends the button's waiting sign
        await query.answer(said)
    return None if post.is_brief else post


def application_at(address: Address) -> App:
    """python-telegram-bot's application for a Bot API; it connects when it is initialized."""
    # max_retries 0: with more, one chat's RetryAfter holds up all chats; the queue of deliveries
    # makes only that chat wait.
    limiter = AIORateLimiter(max_retries=0)
    return (
        ApplicationBuilder()
        .token(address.token)
        .base_url(f"{address.root}/bot")
        .base_file_url(f"{address.root}/file/bot")
        .request(_request(address, connections=16))
        .get_updates_request(_request(address, connections=1))
        .rate_limiter(limiter)
        .concurrent_updates(ANSWERS_AT_ONCE)
        .job_queue(None)
        .build()
    )


def _request(address: Address, *, connections: int) -> HTTPXRequest:
    # A proxy of the environment is for the internet; certificates take memory and are not needed
    # where nothing leaves the machine.
    local = {"trust_env": False, "verify": address.root.startswith("https:")}
    return HTTPXRequest(
        connection_pool_size=connections,
        read_timeout=READ_S,
        httpx_kwargs=local if address.is_local else {},
    )


def is_for_us(chat_type: str, text: str, our_name: str) -> bool:
    """Whether a text is for this bot: in a group people talk to each other, and to other bots."""
    if chat_type == Chat.PRIVATE:
        return True
    if not text.startswith("/"):
        return False
    addressee = text.split()[0].partition("@")[2].lower()
    return addressee in ("", our_name.lower())


async def _before(stop: asyncio.Event, work: Awaitable[None]) -> bool:
    """Whether the work was done before `stop` was set; if not, it is cancelled."""
    working = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
            return True
        return False
    finally:
        working.cancel()
        stopping.cancel()


async def _end(application: App) -> None:
    if application.updater is not None and application.updater.running:
        await application.updater.stop()
    if application.running:
        await application.stop()
    await application.shutdown()


async def _on_error(_update: object, context: Context) -> None:
    log.error("an update was not answered", exc_info=context.error)
