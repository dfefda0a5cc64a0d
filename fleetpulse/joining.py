"""How a machine joins the fleet: a key of its own, and one line that installs its agent with it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from enum import StrEnum
from urllib.parse import urlsplit

from fleetpulse import __version__
from fleetpulse.errors import InvalidWish
from fleetpulse.keys import Purpose, in_force, make_key, may, purpose_of
from fleetpulse.notices import OURSELVES
from fleetpulse.stores.protocols import ApiKey, Scope
from fleetpulse.web_guard import is_every_address, is_loopback
from fleetpulse.wire import is_identifier

PLACE = "/opt/fleetpulse"  # where the service may see it
_OF_AN_ADDRESS = re.compile(r"[^\s?#@\\]+")
_NO_WHEEL = re.compile(r"[][*?\x00-\x1f\x7f]")


class MachineKind(StrEnum):
    """The machines that an agent can be installed on."""

    RASPBERRY = "raspberry"
    PC = "pc"


def device_key(device_id: str, *, now_ms: int) -> tuple[ApiKey, str]:
    """A key that sends readings of this device and no more, and its text. Raises InvalidWish."""
    if not is_identifier(device_id):
        raise InvalidWish("A device's name must be 1 to 64 of A-Z a-z 0-9 . _ -")
    if device_id == OURSELVES:
        raise InvalidWish(f"{OURSELVES} is what fleetpulse calls itself; choose another name.")
    return make_key(device_id, [Scope.INGEST], now_ms=now_ms, device_id=device_id)


def other_keys(keys: Iterable[ApiKey], new: ApiKey) -> list[ApiKey]:
    """Those with which the device of the new key may send readings still, oldest first."""
    found = (
        key
        for key in keys
        if key.device_id == new.device_id
        and key.key_id != new.key_id
        and purpose_of(key) is Purpose.KEY
        and may(key, Scope.INGEST)
        and in_force(key, new.created_at)
    )
    return sorted(found, key=lambda key: (key.created_at, key.key_id))


def install_line(
    device_id: str, kind: MachineKind, address: str, key: str, *, wheel: str | None = None
) -> str:
    """What to run on the device: it installs fleetpulse, and its agent as a service.

    wheel: a file there or an address, where no package index has this version.
    The key goes through a pipe, so that no list of processes shows it. The agent is of our own
    version: one that is newer than the consumer may say what that cannot read. Raises InvalidWish.
    """
    if wheel is not None:
        wheel = wheel.strip()
        if not wheel or _NO_WHEEL.search(wheel):
            raise InvalidWish("A wheel is one file or one address, without * and [agent].")
    # A Pi's way to its pins (lgpio) comes with the system, not from pip.
    seeing = "--system-site-packages " if kind is MachineKind.RASPBERRY else ""
    package = shlex.quote(f"fleetpulse[agent]=={__version__}") if wheel is None else _asked(wheel)
    where = f"--api {shlex.quote(address)} --device-id {device_id} --key-file -"
    return (
        f"sudo python3 -m venv {seeing}{PLACE}"
        f" && sudo {PLACE}/bin/pip install {package}"
        f" && echo {key} | sudo {PLACE}/bin/fleetpulse agent install {kind} {where}"
    )


def _asked(wheel: str) -> str:
    """What pip is asked for, of a wheel. One of the same version may hold other code."""
    if "://" in wheel:
        asked = shlex.quote(f"fleetpulse[agent] @ {wheel}")
    elif wheel.startswith("~/"):  # which the shell reads only outside of quotes
        asked = "~/" + shlex.quote(f"{wheel[2:]}[agent]")
    else:
        asked = shlex.quote(f"{wheel}[agent]")
    return f"--force-reinstall {asked}"


def api_address(address: str) -> str:
    """The address, if other machines can find the API there. Raises InvalidWish."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if (
        host is None
        or is_loopback(host)
        or is_every_address(host)
        or port == 0
        or parts.scheme not in ("http", "https")
        or parts.path.strip("/")
        or not _OF_AN_ADDRESS.fullmatch(address)
    ):
        raise InvalidWish(
            "Say by which address other machines find the API: https://HOST, or http://HOST:PORT,"
            " and no more."
        )
    return address.rstrip("/")
