"""Processes watch each other: a heartbeat each 10 s, and an alert when another's stays away.

The name of a heartbeat is a kind of process, not one instance of it: of two consumers in a group
either one's beat will do, and one that was replaced is not missed for ever. An orderly stop leaves
a last beat that says so.

Silence is what we have seen ourselves, by our own clock: the same beat, look after look, for 60 s.
So the clocks of two machines need not agree, nobody is called silent in the first minute after our
own start, and after a pause of ours (a laptop that slept, a store that was away) the minute begins
again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from fleetpulse.clock import Clock
from fleetpulse.errors import StoreError
from fleetpulse.notices import Matter, Notices
from fleetpulse.stores.protocols import Heartbeat, Store

LOOK_MS = 10_000
SILENT_MS = 60_000
PAUSED_MS = 30_000  # since our last look: it was us who were away
STOPPED = "stopped"  # the detail of the last beat of a process that was told to stop

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A kind of process that others miss when it is silent."""

    matter: Matter
    called: str
    cost: str  # what does not work without it


WATCHED: Mapping[str, Watched] = {
    "consumer": Watched(
        matter=Matter.CONSUMER_SILENT,
        called="consumer",
        cost="no reading is judged, so no warnings come",
    ),
    "bot": Watched(matter=Matter.BOT_SILENT, called="bot", cost="nobody is told on Telegram"),
    "notify": Watched(
        matter=Matter.NOTIFY_SILENT,
        called="notifier",
        cost="nobody is told by e-mail or another channel of FLEETPULSE_NOTIFY",
    ),
}


class Watch:
    """One process' part in it: its own beat, and its look at the others.

    process: what we are, a name of WATCHED. Call it often, from any thread: it acts each 10 s.
    """

    def __init__(self, process: str, store: Store, clock: Clock) -> None:
        self._process, self._store, self._clock = process, store, clock
        self._notices = Notices(store, clock)
        self._lock = threading.Lock()
        self._looked_at: int | None = None  # the last look that the store answered
        self._tried_at: int | None = None
        self._seen: dict[str, tuple[Heartbeat, int]] = {}  # the newest beat, and since when it is
        self._silent: list[str] = []
        self._complaint = ""

    @property
    def complaint(self) -> str:
        """What the store said to our last look; empty when it answered."""
        return self._complaint

    @property
    def all_is_well(self) -> bool:
        """Whether the store answered our last look, and nobody was silent then."""
        return self._looked_at is not None and not self._complaint and not self._silent

    def look(self) -> None:
        """Beat and look at the others, if it is time. A store that fails costs this look only."""
        now = self._clock.now_ms()
        if self._tried_at is not None and 0 <= now - self._tried_at < LOOK_MS:
            return
        with self._lock:
            self._tried_at = now
            self._beat_and_look(now)

    def _beat_and_look(self, now: int) -> None:
        try:
            self._store.heartbeats.beat(Heartbeat(process=self._process, at=now))
            self._look(now)
        except StoreError as problem:
            self._complain(str(problem))
        else:
            self._looked_at, self._complaint = now, ""

    def leave(self) -> None:
        """Say that this process stops on purpose, so that nobody misses it."""
        beat = Heartbeat(process=self._process, at=self._clock.now_ms(), detail=STOPPED)
        try:
            self._store.heartbeats.beat(beat)
        except StoreError as problem:
            self._complain(str(problem))

    def _look(self, now: int) -> None:
        beats = {beat.process: beat for beat in self._store.heartbeats.all()}
        if self._looked_at is None or not 0 <= now - self._looked_at <= PAUSED_MS:
            self._seen.clear()
        self._silent = [
            process
            for process in WATCHED
            if process != self._process and process in beats and self._judge(beats[process], now)
        ]

    def _judge(self, beat: Heartbeat, now: int) -> bool:
        """Whether the process of this beat, its newest, is silent; says so, or that it is back."""
        watched = WATCHED[beat.process]
        seen, since = self._seen.get(beat.process, (None, now))
        if seen != beat:
            self._seen[beat.process] = (beat, now)
            if seen is not None and beat.detail != STOPPED:
                self._notices.report(watched.matter, None)
            return False
        silent_ms = now - since
        if silent_ms < SILENT_MS or beat.detail == STOPPED:
            return False
        self._notices.report(watched.matter, _sentence(watched, silent_ms))
        return True

    def _complain(self, problem: str) -> None:
        """Once per kind of trouble."""
        if problem != self._complaint:
            log.warning("no heartbeat", extra={"problem": problem})
        self._complaint = problem


def _sentence(silent: Watched, silent_ms: int) -> str:
    lasts = f"The {silent.called} has been silent for {silent_ms // 1000} s"
    return f"{lasts}: {silent.cost} until it is back."
