"""The bot and a Bot API, each as a process of its own, started for a measurement."""

from __future__ import annotations

import subprocess
import urllib.error
import urllib.request
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from bot.simulator import LOCAL_TOKEN
from bot.simulator.calls import Record
from bot.simulator.troubles import Orders
from tests.integration.processes import running, stopped, until
from tests.services.ports import free_ports


class BotApi:
    """A Bot API of another process: what it is told to do wrong, and what became of its calls."""

    def __init__(self, root: str) -> None:
        self.root = root

    def tell(self, orders: Orders) -> None:
        """Have exactly this go wrong from now on."""
        self._asked("PUT", "/troubles", msgspec.json.encode(orders))

    def calls(self) -> Sequence[Record]:
        """Every call so far."""
        return msgspec.convert(self._asked("GET", "/troubles/calls")["items"], list[Record])

    def counts(self) -> Any:
        """How many calls there were by method and outcome, and how many answers were lost."""
        return self._asked("GET", "/troubles")

    def is_there(self) -> bool:
        """Whether it answers."""
        try:
            self.counts()
        except (urllib.error.URLError, OSError):
            return False
        return True

    def _asked(self, verb: str, path: str, body: bytes | None = None) -> Any:
        request = urllib.request.Request(self.root + path, method=verb, data=body)  # noqa: S310
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return msgspec.json.decode(answer.read())


@contextmanager
def bot_api(folder: Path, chat_ids: Collection[int]) -> Iterator[BotApi]:
    """A Bot API with these chats."""
    folder.mkdir()
    (port,) = free_ports(1)
    chats = ",".join(map(str, chat_ids))
    words = ["bot.simulator", "--port", str(port), f"--chats={chats}"]
    with running(words, folder) as process:
        api = BotApi(f"http://127.0.0.1:{port}")
        until(api.is_there)
        yield api
        stopped(process)


@contextmanager
def bot(
    folder: Path, api: BotApi, store_url: str, chat_ids: Collection[int]
) -> Iterator[subprocess.Popen[bytes]]:
    """The bot of these chats, polling."""
    folder.mkdir()
    environment = {
        "TELEGRAM_TOKEN": LOCAL_TOKEN,
        "FLEETPULSE_TELEGRAM_API": api.root,
        "FLEETPULSE_TELEGRAM_CHATS": ",".join(map(str, chat_ids)),
        "FLEETPULSE_STORE": store_url,
        "FLEETPULSE_OPS_PORT": str(free_ports(1)[0]),
    }
    with running(["bot"], folder, **environment) as process:
        # It asks for its menu when its first poll is under way.
        until(lambda: "setMyCommands" in api.counts()["calls"])
        yield process
        stopped(process)
