"""`python -m bot`: the bot as a process."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence

from bot.addressing import address_of, listed_chats
from bot.app import ChatBot
from fleetpulse.clock import SystemClock
from fleetpulse.errors import FleetpulseError, SettingsError
from fleetpulse.settings import BotSettings, load
from fleetpulse.stores import open_store


class Discreet(logging.Formatter):
    """Writes log lines without the token, whoever logs them, tracebacks included."""

    def __init__(self, secret: str) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._secret = secret

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).replace(self._secret, "<token>")


def main(argv: Sequence[str] | None = None) -> int:
    """Answer and warn until told to stop; the exit code."""
    parser = argparse.ArgumentParser(
        prog="fleetpulse bot",
        description="Warn chats before a device gets into trouble, and answer their questions."
        " Without TELEGRAM_TOKEN it serves the local chat of `fleetpulse up`.",
    )
    parser.parse_args(argv)
    # python-telegram-bot's next form of waits; without it every wait is a deprecation warning.
    os.environ.setdefault("PTB_TIMEDELTA", "true")
    try:
        _run()
    except SettingsError as problem:
        sys.stderr.write(f"fleetpulse bot: {problem}\n")
        return 2
    except FleetpulseError as problem:
        sys.stderr.write(f"fleetpulse bot: {problem}\n")
        return 1
    return 0


def _run() -> None:
    settings = load(BotSettings)
    address, listed = address_of(settings), listed_chats(settings)
    start_logging(address.token)
    store = open_store(settings.store_url)
    try:
        bot = ChatBot(
            address=address,
            listed=listed,
            store=store,
            clock=SystemClock(),
            interval_s=settings.interval_s,
        )
        asyncio.run(_serve(bot))
    finally:
        store.close()


async def _serve(bot: ChatBot) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await bot.serve(stop)


def start_logging(token: str) -> None:
    """Logs to stderr; what would show the token, or repeats what we say ourselves, is left out."""
    handler = logging.StreamHandler()
    handler.setFormatter(Discreet(token))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("httpx").setLevel(logging.WARNING)  # every request, with the token in it
    for name in ("telegram.ext.Updater", "telegram.ext.AIORateLimiter"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


if __name__ == "__main__":
    sys.exit(main())
