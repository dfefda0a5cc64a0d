"""The bot at work while its Bot API, or a second bot, gets in its way."""

from __future__ import annotations

import asyncio
import json
import urllib.request

import pytest

from tests.unit.bot.test_app import Chatting, _connections_end_here, chatting, warm_up

__all__ = ["_connections_end_here", "chatting"]  # fixtures


def tell(chatting: Chatting, *troubles: dict[str, object]) -> None:
    """Have this go wrong from now on, as another process does."""
    request = urllib.request.Request(  # noqa: S310
        f"http://127.0.0.1:{chatting.port}/telegram/troubles",
        method="PUT",
        data=json.dumps({"troubles": troubles}).encode(),
    )
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310


def test_while_another_program_polls_alerts_flow_and_afterwards_questions_too(
    chatting: Chatting,
) -> None:
    tell(chatting, {"kind": "second_poller"})
    said: list[str] = []

    async def story() -> None:
        while "telegram" not in chatting.health.problems():
            await asyncio.sleep(0.02)
        said.append(chatting.health.problems()["telegram"])
        warm_up(chatting.store, chatting.clock.now_ms())
        await chatting.said("will soon be stressed")
        await asyncio.to_thread(tell, chatting)
        chatting.chat.say("/help")
        await chatting.said("/limit <device>")

    chatting.run(chatting.bot(), story())

    assert "another program reads this bot's messages" in said[0]


@pytest.mark.parametrize("kind", ["bad_gateway", "call_lost", "answer_lost"])
def test_a_bot_that_finds_its_bot_api_in_trouble_begins_once_that_is_over(
    chatting: Chatting, kind: str
) -> None:
    tell(chatting, {"kind": kind, "times": 2})

    async def story() -> None:
        chatting.chat.say("/help")
        await chatting.said("/limit <device>")

    chatting.run(chatting.bot(), story())
