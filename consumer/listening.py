"""Up to when we know that we have heard all that was said, and since when without a break.

A device is silent only in a time that we have listened through. A pause of ours, a broker that
does not answer, or a backlog, and the time begins anew.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from consumer.batch import Partition
from fleetpulse.errors import BrokerAway

PAUSE_MS = 5_000  # longer between two looks than they may be apart: it was us who were away
ASK_EVERY_MS = 2_000
ANSWER_MS = 5_000  # for the broker to answer, and for us to read what there was when we asked


class Log(Protocol):
    """What there is to hear."""

    @property
    def assigned(self) -> Collection[Partition]:
        """The partitions that are ours now."""

    @property
    def outages(self) -> int:
        """How often the last broker was lost."""

    def ask(self) -> None:
        """Ask where the assigned partitions end. Raises BrokerAway."""

    def reached(self) -> bool:
        """Whether all that was there when we asked has been read; False: not known yet.

        Raises BrokerAway when the broker does not answer.
        """


class Listening:
    """Whether we listen, and since when. pause_ms: between two looks; longer, and we were away."""

    def __init__(self, log: Log, *, pause_ms: int) -> None:
        self._log, self._pause_ms = log, pause_ms
        self.since: int | None = None  # Unix ms, our clock; None: we are not known to hear all
        self._looked_at: int | None = None
        self._asked_at: int | None = None
        self._waits = False
        self._outages = log.outages

    def look(self, now: int, *, ask: bool) -> int | None:
        """Look at the log; a moment until which all was heard since `since`, if that is news.

        To be called again and again. ask: somebody wants to know, so the broker is asked, at most
        every two seconds.
        """
        before, self._looked_at = self._looked_at, now
        if before is None or not 0 <= now - before <= self._pause_ms:
            self.stop()
        if self._log.outages != self._outages:
            self.stop()
        try:
            heard_until = self._heard_until(now, ask=ask or self.since is None)
        except BrokerAway:
            self.stop()
            return None
        if heard_until is not None and self.since is None:
            self.since = now
            return None
        return heard_until

    def stop(self) -> None:
        """What is said from now on may be kept from us, until all is known to be read again."""
        self.since, self._waits, self._outages = None, False, self._log.outages

    def _heard_until(self, now: int, *, ask: bool) -> int | None:
        if self._waits and self._asked_at is not None:
            if self._log.reached():
                self._waits = False
                return self._asked_at
            if now - self._asked_at > ANSWER_MS:
                raise BrokerAway("Kafka is away, or far ahead of us.")
        elif ask and (self._asked_at is None or abs(now - self._asked_at) >= ASK_EVERY_MS):
            self._log.ask()
            self._asked_at, self._waits = now, True
        return None
