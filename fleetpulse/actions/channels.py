"""The channels of FLEETPULSE_NOTIFY: what each name stands for, and what of it is secret."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol
from urllib.parse import unquote, urlsplit

from fleetpulse.actions import mail_address, webhook
from fleetpulse.actions.mail import Mail
from fleetpulse.actions.public_network import PublicNetwork, networks_of
from fleetpulse.actions.service import Service
from fleetpulse.clock import Clock
from fleetpulse.delivery.messages import Post
from fleetpulse.errors import SettingsError
from fleetpulse.extensions import Extending, extensions, loaded
from fleetpulse.notices import OURSELVES
from fleetpulse.settings import NotifySettings

NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_HIDDEN_CHARACTERS = 8  # of a part of an address: a shorter one is found in too many places


class Channel(Protocol):
    """A way to people or programs."""

    def send(self, post: Post) -> str:
        """Send, and return the message's id. Raises NotifyError."""


def channels_of(settings: NotifySettings, clock: Clock) -> Mapping[str, Channel]:
    """The channels by name; none where the setting is absent.

    Raises SettingsError that names every wrong one at once, never with its URL.
    """
    network = PublicNetwork(networks_of(settings.private_networks))
    found: dict[str, Channel] = {}
    faults: list[str] = []
    for place, (name, url) in enumerate(_words(settings), 1):
        if NAME.fullmatch(name) is None or not url:
            faults.append(
                f"word {place} is not NAME=URL with a name of small letters, digits and hyphens"
            )
        elif name in found:
            faults.append(f"there are two channels called {name}")
        else:
            try:
                found[name] = channel_at(url, network, clock)
            except (SettingsError, ValueError) as problem:
                said = problem if isinstance(problem, SettingsError) else "its URL cannot be read"
                faults.append(f"{name}: {said}")
    if faults:
        raise SettingsError(
            f"Wrong settings: FLEETPULSE_NOTIFY: {'; '.join(faults)}. See docs/notify.md."
        )
    return found


def channel_at(url: str, network: PublicNetwork, clock: Clock) -> Channel:
    """The channel of a URL. Raises SettingsError in a phrase without it, or ValueError."""
    scheme = urlsplit(url).scheme
    if scheme in webhook.SCHEMES:
        return webhook.Webhook(url, network=network, now=clock.now_ms)
    if scheme in mail_address.SCHEMES:
        return Mail(mail_address.mail_address(url))
    point = extensions(Extending.ACTIONS).get(scheme)
    if point is not None:
        make: Callable[[str], Channel] = loaded(point)
        return make(url)
    return Service(url)


def _words(settings: NotifySettings) -> list[tuple[str, str]]:
    """Each channel as it is written: name, URL."""
    if settings.channels is None:
        return []
    words = settings.channels.get_secret_value().split()
    return [(name, url) for name, _, url in (word.partition("=") for word in words)]


def secrets_within(settings: NotifySettings) -> list[str]:
    """What no line of the log may show: the URLs, and whatever part of one may be a key."""
    return [text for _, url in _words(settings) for text in (url, *_parts(url))]


def _parts(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    texts = [*re.split(r"[:@]", parts.netloc), *parts.path.split("/")]
    texts += [word.partition("=")[2] for word in parts.query.split("&")]
    for text in texts:
        for form in (text, unquote(text)):
            if len(form) >= _HIDDEN_CHARACTERS and OURSELVES not in form:
                yield form
