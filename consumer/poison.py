"""An alarm when many records cannot be read: one, however many they are."""

from __future__ import annotations

import logging
from collections import Counter, deque

from consumer.batch import Batch, Refused
from fleetpulse.clock import Clock
from fleetpulse.errors import StoreError
from fleetpulse.kafka import DEAD_LETTER_TOPIC
from fleetpulse.notices import Matter, Notices

log = logging.getLogger(__name__)

WINDOW_MS = 300_000
MANY = 10  # in the window: a device that sends nothing else every 5 s reaches it in a minute
CALM_MS = 600_000  # without any: it is over
# A clock that is ahead is said on its device's page, where its owner looks.
_SAID_ELSEWHERE = frozenset({"future"})


class PoisonWatch:
    """A stage that changes nothing and raises the alarm."""

    def __init__(self, notices: Notices, clock: Clock) -> None:
        self._notices, self._clock = notices, clock
        self._recent: deque[tuple[int, int]] = deque()  # when, how many
        self._newest_at = clock.now_ms()
        self._open: bool | None = None  # as the last run left it

    def __call__(self, batch: Batch) -> Batch:
        """The same batch."""
        now = self._clock.now_ms()
        bad = [one for one in batch.refused if one.error.cause not in _SAID_ELSEWHERE]
        if bad:
            self._recent.append((now, len(bad)))
            self._newest_at = now
        while self._recent and abs(now - self._recent[0][0]) > WINDOW_MS:
            self._recent.popleft()
        count = sum(number for _, number in self._recent)
        if bad and count >= MANY and self._report(_sentence(count, bad)):
            self._open = True
        elif self._open is not False and now - self._newest_at > CALM_MS and self._report(None):
            self._open = False
        return batch

    def _report(self, problem: str | None) -> bool:
        try:
            self._notices.report(Matter.DEAD_LETTERS, problem)
        except StoreError as failure:
            log.warning("the alarm about dead letters waits", extra={"problem": str(failure)})
            return False
        return True


def _sentence(count: int, bad: list[Refused]) -> str:
    newest = bad[-1]
    topic, partition = newest.partition
    key = f", key {newest.key[:80].decode(errors='replace')}" if newest.key else ""
    causes = ", ".join(cause for cause, _ in Counter(one.error.cause for one in bad).most_common())
    return (
        f"{count} records of the last {WINDOW_MS // 60_000} minutes cannot be read ({causes}), the"
        f" newest from {topic}/{partition} at offset {newest.offset}{key}; they are kept in"
        f" {DEAD_LETTER_TOPIC}."
    )
