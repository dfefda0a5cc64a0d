"""`python -m bot`: the bot as a process."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from bot.addressing import address_of, listed_chats
from bot.app import ChatBot
from bot.ping import Ping
from fleetpulse import logs
from fleetpulse.clock import Clock, SystemClock
from fleetpulse.errors import FleetpulseError, SettingsError
from fleetpulse.health import Health
from fleetpulse.lifetime import ToldToStop, on_stop_signal, when_there
from fleetpulse.metrics import BotMetrics, new_registry
from fleetpulse.ops import ops_server
from fleetpulse.settings import BotSettings, load
from fleetpulse.stores import open_store
from fleetpulse.stores.protocols import Store
from fleetpulse.watch import Watch


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
    except ToldToStop:
        return 0
    except FleetpulseError as problem:
        sys.stderr.write(f"fleetpulse bot: {problem}\n")
        return 1
    return 0


def _run() -> None:
    settings = load(BotSettings)
    address, listed = address_of(settings), listed_chats(settings)
    start_logging(settings, address.token)
    health, clock, stop = Health(), SystemClock(), threading.Event()
    on_stop_signal(stop.set)
    registry = new_registry("bot", health)
    metrics = BotMetrics(registry)
    with (
        ops_server(settings.ops_host, settings.ops_port, health, registry),
        closing(_opened_store(settings, health, clock, stop)) as store,
    ):
        watch = Watch("bot", store, clock)
        bot = ChatBot(
            address=address,
            listed=listed,
            store=store,
            clock=clock,
            interval_s=settings.interval_s,
            health=health,
            metrics=metrics,
            watch=watch,
        )
        with _pinging(settings, watch, metrics):
            asyncio.run(_serve(bot, stop))


def _opened_store(
    settings: BotSettings, health: Health, clock: Clock, stop: threading.Event
) -> Store:
    """The store, once it is there."""
    return when_there(
        lambda: open_store(settings.store_url, aws=settings.aws, retention=settings.retention),
        part="store",
        health=health,
        clock=clock,
        stop=stop,
    )


@contextmanager
def _pinging(settings: BotSettings, watch: Watch, metrics: BotMetrics) -> Iterator[None]:
    """Ask the ping address, if there is one, as long as the block runs."""
    if settings.ping_url is None:
        yield
        return
    url, stop = settings.ping_url.get_secret_value(), threading.Event()
    ping = Ping(url, is_well=lambda: watch.all_is_well, clock=SystemClock(), metrics=metrics)
    # A daemon: an address that does not answer must not hold up the end of the process.
    threading.Thread(target=ping.run, args=(stop,), name="ping", daemon=True).start()
    try:
        yield
    finally:
        stop.set()


async def _serve(bot: ChatBot, told: threading.Event) -> None:
    """Serve until the process is told to stop; it may have been already."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    on_stop_signal(lambda: loop.call_soon_threadsafe(stop.set))
    if not told.is_set():
        await bot.serve(stop)


def start_logging(settings: BotSettings, token: str) -> None:
    """Logs to stderr; what repeats what we say ourselves is left out."""
    logs.configure("bot", settings, secrets=[token])
    for name in ("telegram.ext.Updater", "telegram.ext.AIORateLimiter"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


if __name__ == "__main__":
    sys.exit(main())
