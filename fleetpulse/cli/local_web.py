"""The web side of the local stack: API and dashboard, the chat page, and a local Bot API.

One process and one port for all three; in production the API runs alone.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from werkzeug.middleware.dispatcher import DispatcherMiddleware

from api import create_app
from api.security import is_loopback
from api.server import serve
from bot.simulator.app import create_bot_api, create_chat_page
from bot.simulator.chat import LocalChat
from fleetpulse.clock import SystemClock
from fleetpulse.errors import FleetpulseError, SettingsError
from fleetpulse.settings import ApiSettings, BotSettings, load
from fleetpulse.stores import open_store
from model.registry import open_registry


def main(_: Sequence[str] | None = None) -> int:
    """Serve until told to stop; the exit code."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        settings = load(ApiSettings)
        if not is_loopback(settings.host):
            raise SettingsError("FLEETPULSE_HOST: the local stack listens on loopback only.")
        open_store(settings.store_url).close()  # its faults are said before workers start
        return serve(lambda: web_app(settings), settings.host, settings.port)
    except SettingsError as problem:
        sys.stderr.write(f"fleetpulse web: {problem}\n")
        return 2
    except FleetpulseError as problem:
        sys.stderr.write(f"fleetpulse web: {problem}\n")
        return 1


def web_app(settings: ApiSettings) -> DispatcherMiddleware:
    """API and dashboard at /, the chat page at /chat, the Bot API at /telegram."""
    has_local_chat = load(BotSettings).token is None
    app = create_app(
        open_store(settings.store_url),
        open_registry(settings.models),
        clock=SystemClock(),
        interval_s=settings.interval_s,
        chat_url="/chat" if has_local_chat else None,
    )
    if not has_local_chat:
        return DispatcherMiddleware(app)
    chat = LocalChat(settings.data / "chat")
    return DispatcherMiddleware(
        app, {"/chat": create_chat_page(chat), "/telegram": create_bot_api(chat)}
    )


if __name__ == "__main__":
    sys.exit(main())
