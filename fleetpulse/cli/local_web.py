"""The web side of the local stack: API and dashboard, the chat page, and a local Bot API.

One process and one port for all three; in production the API runs alone.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack

from werkzeug.middleware.dispatcher import DispatcherMiddleware

from api.__main__ import application, check
from api.server import serve
from bot.simulator.app import create_bot_api, create_chat_page
from bot.simulator.chat import LocalChat
from fleetpulse.errors import FleetpulseError, SettingsError
from fleetpulse.lifetime import ToldToStop
from fleetpulse.logs import configure
from fleetpulse.settings import ApiSettings, BotSettings, load
from fleetpulse.web_guard import is_loopback


def main(_: Sequence[str] | None = None) -> int:
    """Serve until told to stop; the exit code."""
    try:
        settings = load(ApiSettings)
        if not is_loopback(settings.host):
            raise SettingsError("FLEETPULSE_HOST: the local stack listens on loopback only.")
        configure("web", settings)
        check(settings)
        return serve(lambda opened: web_app(settings, opened), settings.host, settings.port)
    except ToldToStop:
        return 0
    except SettingsError as problem:
        sys.stderr.write(f"fleetpulse web: {problem}\n")
        return 2
    except FleetpulseError as problem:
        sys.stderr.write(f"fleetpulse web: {problem}\n")
        return 1


def web_app(settings: ApiSettings, opened: ExitStack) -> DispatcherMiddleware:
    """API and dashboard at /, the chat page at /chat, the Bot API at /telegram."""
    has_local_chat = load(BotSettings).token is None
    app = application(settings, opened, chat_url="/chat" if has_local_chat else None)
    if not has_local_chat:
        return DispatcherMiddleware(app)
    chat = LocalChat(settings.data / "chat")
    return DispatcherMiddleware(
        app, {"/chat": create_chat_page(chat), "/telegram": create_bot_api(chat)}
    )


if __name__ == "__main__":
    sys.exit(main())
