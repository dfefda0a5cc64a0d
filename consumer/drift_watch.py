"""A notice when the fleet is no longer what the models were trained on: one, while it lasts."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Protocol

from fleetpulse.clock import Clock
from fleetpulse.errors import StoreError
from fleetpulse.notices import Matter, Notices
from fleetpulse.track_record import DAY_MS
from model.domain import DRIFTED, OUTSIDE_SHARE, STEADY, Drift
from model.features import FEATURES

log = logging.getLogger(__name__)

LOOK_S = 60.0
_NAMED = 3  # features


class Drifting(Protocol):
    """Who counts how far the fleet is from the training."""

    def drifts(self) -> Mapping[str, Sequence[Drift]]:
        """By rule, of the rows since the last answer; a rule with too few of them has none yet."""


class DriftWatch:
    """Looks, and tells when features have drifted and when they are back."""

    def __init__(self, predictor: Drifting, notices: Notices, clock: Clock) -> None:
        self._predictor, self._notices, self._clock = predictor, notices, clock
        self._newest: dict[str, Sequence[Drift]] = {}
        self._said, self._began_at = False, clock.now_ms()

    def run(self, stop: threading.Event) -> None:
        """Look again and again until `stop` is set."""
        while not stop.is_set():
            try:
                self.look()
            except StoreError as problem:
                log.warning("the notice of drift waits", extra={"problem": str(problem)})
            self._clock.wait(LOOK_S, stop)

    def look(self) -> None:
        """Say what has drifted, and that nothing has any more. Raises StoreError."""
        self._newest |= self._predictor.drifts()
        if not self._newest:
            return
        drifted = {
            rule: [drift for drift in drifts if drift.index >= DRIFTED]
            for rule, drifts in self._newest.items()
        }
        if any(drifted.values()):
            self._notices.report(Matter.DRIFT, _sentence(drifted))
            self._said = True
        elif self._may_end_it() and all(
            drift.index < STEADY for drifts in self._newest.values() for drift in drifts
        ):
            self._notices.report(Matter.DRIFT, None)
            self._said = False

    def _may_end_it(self) -> bool:
        """Whether it is ours to end: other consumers see other devices, and may be right.

        What a process said that is no more is ended by one that has run for a day.
        """
        return self._said or self._clock.now_ms() - self._began_at >= DAY_MS


def _sentence(drifted: Mapping[str, Sequence[Drift]]) -> str:
    said = "; ".join(
        f"{rule}: {', '.join(_words(rule, drift) for drift in drifts[:_NAMED])}"
        for rule, drifts in drifted.items()
        if drifts
    )
    return (
        "The fleet is no longer what the models were trained on, so their warnings may be wrong"
        f" ({said}; {OUTSIDE_SHARE:.0%} is usual): train again with `fleetpulse train --store`."
    )


def _words(rule: str, drift: Drift) -> str:
    return f"{FEATURES[rule][drift.feature].words} is outside for {drift.outside_share:.0%}"
