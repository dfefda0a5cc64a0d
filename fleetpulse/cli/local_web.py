"""The web side of the local stack: API and dashboard, the chat page, and a local Bot API.

One process and one port for all three; in production the API runs alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from werkzeug.exceptions import Forbidden
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from api.__main__ import application, check
from api.door import FORWARDING, door_of
from api.server import serve
from bot.simulator.app import create_bot_api, create_chat_page
from bot.simulator.chat import LocalChat
from fleetpulse.errors import FleetpulseError, SettingsError
from fleetpulse.lifetime import ToldToStop
from fleetpulse.logs import configure
from fleetpulse.settings import ApiSettings, BotSettings, load
from fleetpulse.web_guard import is_loopback

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


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
    """API and dashboard at /, the chat page at /chat, the Bot API at /telegram.

    The chat page knows no keys, so there is none where this machine's users need one.
    """
    has_local_chat = load(BotSettings).token is None
    has_page = has_local_chat and door_of(settings).is_keyless
    app = application(settings, opened, chat_url="/chat" if has_page else None)
    if not has_local_chat:
        return DispatcherMiddleware(app)
    chat = opened.enter_context(closing(LocalChat(settings.data / "chat")))
    page = {"/chat": not_forwarded(create_chat_page(chat))} if has_page else {}
    return DispatcherMiddleware(app, page | {"/telegram": not_forwarded(create_bot_api(chat))})


def not_forwarded(app: WSGIApplication) -> WSGIApplication:
    """The application, closed to whoever comes by a proxy: it is for this machine's users only."""
    names = [f"HTTP_{name.upper().replace('-', '_')}" for name in FORWARDING]

    def guarded(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if any(name in environ for name in names):
            return Forbidden("The local chat is for this machine only.")(environ, start)
        return app(environ, start)

    return guarded


if __name__ == "__main__":
    sys.exit(main())
