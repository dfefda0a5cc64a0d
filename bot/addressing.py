"""Which Bot API the bot talks to, and which chats it listens to: read from its settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from bot.simulator import LOCAL_CHAT_ID, LOCAL_TOKEN
from fleetpulse.errors import SettingsError
from fleetpulse.settings import BotSettings

TELEGRAM = "https://api.telegram.org"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the Bot API is, and who we are there."""

    root: str  # https://api.telegram.org: methods are <root>/bot<token>/<method>
    token: str = field(repr=False)

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        return urlsplit(self.root).hostname in LOOPBACK


def address_of(settings: BotSettings) -> Address:
    """Telegram with the owner's token; without one the local Bot API, which opens to any.

    Raises SettingsError for a root that is no address.
    """
    if settings.token is not None:
        token, default = settings.token.get_secret_value().strip(), TELEGRAM
    else:
        token, default = LOCAL_TOKEN, f"http://127.0.0.1:{settings.port}/telegram"
    root = (settings.telegram_api or default).rstrip("/")
    parts = urlsplit(root)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(
            "Wrong settings: FLEETPULSE_TELEGRAM_API must begin with http:// or https:// and name a"
            f" host, like {TELEGRAM}."
        )
    return Address(root=root, token=token)


def listed_chats(settings: BotSettings) -> frozenset[int]:
    """The chats that are answered and warned. Raises SettingsError."""
    try:
        listed = {int(chat_id) for chat_id in settings.chats.split(",") if chat_id.strip()}
    except ValueError:
        raise SettingsError(
            "Wrong settings: FLEETPULSE_TELEGRAM_CHATS must be whole numbers with commas between,"
            " like 12345,-67890; a chat's id is what the bot answers there."
        ) from None
    return frozenset(listed if settings.token is not None else listed | {LOCAL_CHAT_ID})
