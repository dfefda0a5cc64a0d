"""Each kind of trouble as python-telegram-bot meets it, over HTTP; time is the chat's own clock."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from telegram import Bot
from telegram.error import (
    ChatMigrated,
    Conflict,
    Forbidden,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)
from telegram.request import HTTPXRequest

from bot.simulator import LOCAL_TOKEN, troubles
from bot.simulator.app import create_bot_api
from bot.simulator.chat import LocalChat
from bot.simulator.server import Server
from bot.simulator.troubles import Orders, Troubles
from fleetpulse.clock import ManualClock

ADA, BOB, GROUP, SUPERGROUP = 1, 2, -7, -1_001_234_567_890


class Site:
    """A Bot API with some chats, and its troubles."""

    def __init__(self, chat: LocalChat) -> None:
        self.chat = chat
        self.troubles = Troubles(chat)
        self.server = Server(create_bot_api(chat, self.troubles))

    def run(self, talk: Callable[[Bot], Awaitable[None]]) -> None:
        """Let a bot talk to it."""

        async def main() -> None:
            request = HTTPXRequest(httpx_kwargs={"trust_env": False})
            bot = Bot(LOCAL_TOKEN, base_url=f"{self.server.root}/bot", request=request)
            async with request:
                await talk(bot)

        asyncio.run(main())

    def meets(self, chat_id: int = ADA, text: str = "hot") -> TelegramError | None:
        """How a message to the chat fails, or None."""
        failures: list[TelegramError] = []

        async def talk(bot: Bot) -> None:
            try:
                await bot.send_message(chat_id, text)
            except TelegramError as failure:
                failures.append(failure)

        self.run(talk)
        return failures[0] if failures else None

    def texts(self, chat_id: int = ADA) -> list[str]:
        """What this chat has got."""
        return [message.text for message in self.chat.messages(chat_id=chat_id)]

    def outcomes(self, method: str = "sendMessage") -> list[str]:
        """What became of the calls of a method, in their order."""
        records = self.troubles.journal.records()
        return [record.outcome for record in records if record.method == method]


@pytest.fixture
def site(tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("PTB_TIMEDELTA", "true")
    chat = LocalChat(tmp_path, clock, chat_ids=[ADA, BOB, GROUP])
    site = Site(chat)
    with site.server:
        yield site
        chat.close()  # ends calls that wait


def test_a_chat_that_has_had_too_much_says_for_how_long(site: Site, clock: ManualClock) -> None:
    site.troubles.add(troubles.TooManyRequests(chat_id=ADA, retry_after_s=30, times=1))

    first = site.meets()
    clock.advance(12)
    too_early = site.meets()
    other = site.meets(BOB)
    clock.advance(18)
    after = site.meets()

    assert isinstance(first, RetryAfter)
    assert first.retry_after == timedelta(seconds=30)
    assert isinstance(too_early, RetryAfter)
    assert too_early.retry_after == timedelta(seconds=18)
    assert (other, after) == (None, None)
    assert site.outcomes() == ["too_many_requests", "too_early", "ok", "ok"]


def test_every_chat_can_have_had_too_much(site: Site) -> None:
    site.troubles.add(troubles.TooManyRequests())

    found = [site.meets(chat_id) for chat_id in (ADA, BOB, GROUP)]

    assert all(isinstance(each, RetryAfter) for each in found)


@pytest.mark.parametrize(
    ("chat_id", "words"),
    [
        (ADA, "Forbidden: bot was blocked by the user"),
        (GROUP, "Forbidden: bot was kicked from the group chat"),
        (SUPERGROUP, "Forbidden: bot was kicked from the supergroup chat"),
    ],
)
def test_a_chat_that_wants_no_bot_forbids_it(site: Site, chat_id: int, words: str) -> None:
    site.chat.add_chat(SUPERGROUP)
    site.troubles.add(troubles.Forbidden(chat_id=chat_id))

    found = site.meets(chat_id)

    assert isinstance(found, Forbidden)
    assert found.message == words
    assert site.meets(BOB) is None


def test_a_second_poller_is_a_conflict_and_messages_go_on(site: Site) -> None:
    site.troubles.add(troubles.SecondPoller(times=1))

    async def talk(bot: Bot) -> None:
        with pytest.raises(Conflict, match="only one bot instance is running"):
            await bot.get_updates()
        await bot.get_updates()

    site.run(talk)

    assert site.meets() is None
    assert site.outcomes("getUpdates") == ["second_poller", "ok"]


def test_a_group_that_became_a_supergroup_is_found_under_its_new_id_alone(site: Site) -> None:
    before = site.meets(SUPERGROUP)
    site.troubles.add(troubles.Migrated(chat_id=GROUP, to=SUPERGROUP))

    found = [site.meets(GROUP), site.meets(SUPERGROUP), site.meets(GROUP)]

    assert before is not None
    assert before.message == "Chat not found"
    assert isinstance(found[0], ChatMigrated)
    assert found[0].new_chat_id == SUPERGROUP
    assert found[1] is None
    assert isinstance(found[2], ChatMigrated)
    assert (site.texts(GROUP), site.texts(SUPERGROUP)) == ([], ["hot"])


@pytest.mark.parametrize("code", [500, 502, 503, 504])
def test_a_gateway_answers_in_html(site: Site, code: int) -> None:
    trouble = {"kind": "bad_gateway", "code": code, "times": 1}
    site.troubles.replace(msgspec.convert({"troubles": [trouble]}, Orders))

    found = site.meets()

    assert type(found) is NetworkError
    assert site.texts() == []
    assert site.meets() is None


def test_a_call_can_be_lost_before_its_message_is_taken(site: Site, clock: ManualClock) -> None:
    before = clock.now_ms()
    site.troubles.add(troubles.CallLost(after_s=25, times=1))

    found = site.meets()

    assert isinstance(found, NetworkError)
    assert clock.now_ms() - before == 25_000
    assert site.texts() == []
    assert site.troubles.journal.answers_lost == 0


def test_an_answer_can_be_lost_after_the_message_was_taken(site: Site) -> None:
    site.troubles.add(troubles.AnswerLost(chat_id=ADA, times=1))

    lost = site.meets()
    heard = site.meets(text="hot still")

    assert isinstance(lost, NetworkError)
    assert heard is None
    assert site.texts() == ["hot", "hot still"]
    assert site.troubles.journal.answers_lost == 1
    assert [record.is_answered for record in site.troubles.journal.records()] == [False, True]


def test_an_answer_of_a_call_that_changes_nothing_is_lost_and_no_message(site: Site) -> None:
    site.troubles.add(troubles.AnswerLost(times=1))

    async def talk(bot: Bot) -> None:
        with pytest.raises(NetworkError):
            await bot.get_me()

    site.run(talk)

    assert site.troubles.journal.answers_lost == 0


def test_a_slow_answer_comes_in_its_time(site: Site, clock: ManualClock) -> None:
    before = clock.now_ms()
    site.troubles.add(troubles.Slow(seconds=3, times=1))

    found = site.meets()

    assert found is None
    assert clock.now_ms() - before == 3_000
    assert site.troubles.journal.answers_lost == 0


class HeldClock(ManualClock):
    """A clock on which a wait ends when it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        self.let_go.wait()
        return super().wait(seconds, stop)


def test_who_hangs_up_on_a_slow_answer_has_sent_the_message_all_the_same(tmp_path: Path) -> None:
    clock = HeldClock()
    chat = LocalChat(tmp_path, clock, chat_ids=[ADA])
    site = Site(chat)
    site.troubles.add(troubles.Slow(seconds=30))
    journal = site.troubles.journal

    async def talk(bot: Bot) -> None:
        with pytest.raises(TimedOut):
            await bot.send_message(ADA, "hot", read_timeout=0.05)
        clock.let_go.set()
        while not journal.records():
            await asyncio.sleep(0)

    with site.server, closing(chat):
        site.run(talk)

    (record,) = journal.records()
    assert (record.outcome, record.is_answered, record.text) == ("slow", False, "hot")
    assert journal.answers_lost == 1


def test_the_server_can_be_away_and_come_back_where_it_was(site: Site) -> None:
    with site.server.away():
        away = site.meets()

    assert isinstance(away, NetworkError)
    assert site.meets() is None
    assert site.texts() == ["hot"]
