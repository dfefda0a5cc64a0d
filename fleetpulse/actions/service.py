"""Any of the 100+ services that Apprise knows (https://github.com/caronc/apprise).

Apprise says whether a service took a message, and not whether it ever will: so a refusal is always
tried again, until the message is too old.
"""

from __future__ import annotations

import logging
import re
from urllib.parse import parse_qs, urlsplit

from apprise import Apprise, AppriseAsset, NotifyBase, NotifyFormat, NotifyType
from apprise.attachment.memory import AttachMemory
from apprise.common import OverflowMode

from fleetpulse.alerts import State
from fleetpulse.delivery.messages import Post, plain_text
from fleetpulse.errors import NotifyError, SettingsError

_STATUS = re.compile(r"error=(\d{3})\b")  # in Apprise's own log line
_TYPES = {
    State.SOON: NotifyType.WARNING,
    State.STRESSED: NotifyType.FAILURE,
    State.OFFLINE: NotifyType.FAILURE,
    State.RECOVERED: NotifyType.SUCCESS,
    State.OK: NotifyType.SUCCESS,
    State.ONLINE: NotifyType.SUCCESS,
}


class Service:
    """One service. url: Apprise's. Raises SettingsError in a phrase without it."""

    def __init__(self, url: str) -> None:
        # In memory: the default may leave files in the home folder.
        asset = AppriseAsset(app_id="fleetpulse", storage_mode="memory", async_mode=False)
        service = Apprise.instantiate(url, asset=asset)
        if not isinstance(service, NotifyBase):
            raise SettingsError("Apprise knows no such service, or its address is not complete")
        if "overflow" not in parse_qs(urlsplit(url).query):
            # A long summary is cut rather than refused again and again.
            service.overflow_mode = OverflowMode.TRUNCATE
        self._apprise = Apprise(asset=asset)
        self._apprise.add(service)
        self._name = str(service.service_name)
        self._takes_pictures = service.attachment_support

    def send(self, post: Post) -> str:
        """Nothing: services tell no ids. Raises NotifyError."""
        if post.photo is not None and self._takes_pictures and self._put(post, post.photo) is None:
            return ""
        problem = self._put(post, None)  # a picture must not cost a warning
        if problem is not None:
            raise problem
        return ""

    def _put(self, post: Post, photo: bytes | None) -> NotifyError | None:
        """Send; what went wrong."""
        first, _, rest = plain_text(post.text).partition("\n")
        picture = AttachMemory(content=photo, name="chart.png", mimetype="image/png")
        result = self._apprise.notify(
            title=first if rest else "",
            body=rest or first,
            body_format=NotifyFormat.TEXT,
            notify_type=type_of(post),
            attach=None if photo is None else picture,
        )
        if result:
            return None
        statuses = [_STATUS.search(entry.message) for entry in result.logs()]
        status = next((f" (status {found[1]})" for found in statuses if found), "")
        return NotifyError(f"{self._name} did not take the message{status}")


def type_of(post: Post) -> NotifyType:
    """How Apprise marks it: the newest event decides."""
    return _TYPES.get(post.events[-1].state, NotifyType.INFO) if post.events else NotifyType.INFO


def silence() -> None:
    """Keep Apprise's own lines out of the log: they may hold addresses."""
    quiet = logging.getLogger("apprise")
    quiet.propagate = False
    quiet.addHandler(logging.NullHandler())
