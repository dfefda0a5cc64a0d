"""The ping that covers the death of the whole machine: while all is well, an address is asked.

Who waits there (Healthchecks, Uptime Kuma) warns the owner when the pings stay away. The address is
a secret, since whoever knows it can keep that warning quiet: no log line holds it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import httpx

from fleetpulse.clock import Clock
from fleetpulse.errors import SettingsError
from fleetpulse.metrics import BotMetrics

EVERY_S = 60.0
ANSWER_S = 5.0
AGAIN_S = 5.0  # while something is not well, or right after the start

log = logging.getLogger(__name__)


class Ping:
    """Asks the address each minute while `is_well` says so.

    Raises SettingsError for an address that is none.
    """

    def __init__(
        self, url: str, *, is_well: Callable[[], bool], clock: Clock, metrics: BotMetrics
    ) -> None:
        self._url = _checked(url)
        self._is_well, self._clock, self._metrics = is_well, clock, metrics
        self._complaint = ""

    def run(self, stop: threading.Event) -> None:
        """Ask until `stop` is set."""
        while not stop.is_set():
            well = self._is_well()
            if well:
                self.ask()
            self._clock.wait(EVERY_S if well else AGAIN_S, stop)

    def ask(self) -> None:
        """Ask once. A failure is logged, once per kind of failure."""
        try:
            status = httpx.get(self._url, timeout=ANSWER_S).status_code
        except httpx.HTTPError as problem:
            self._complain(type(problem).__name__)
            return
        if status >= httpx.codes.BAD_REQUEST:
            self._complain(f"status {status}")
            return
        if self._complaint:
            log.info("the ping is answered again")
        self._complaint = ""
        self._metrics.last_ping_at.set(self._clock.now_ms() / 1000)

    def _complain(self, problem: str) -> None:
        """Without the address, which the error's own words may hold."""
        if problem != self._complaint:
            log.warning("the ping is not answered", extra={"problem": problem})
        self._complaint = problem


def _checked(url: str) -> str:
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        parts = httpx.URL("")
    if parts.scheme not in ("http", "https") or not parts.host:
        raise SettingsError(
            "Wrong settings: FLEETPULSE_PING_URL must be an address that begins with http:// or"
            " https://."
        )
    return url
