"""A candidate beside the models in use: what both would have warned of, held against what followed.

Both are judged alike and more simply than alerts are, by single readings: a warning begins with the
first reading at or past the model's threshold while the quantity is below its limit. It is true if
a reading at the limit follows within the horizon, else false; a limit that is reached without a
warning before is missed. Counts are metrics, and begin anew with the process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from consumer.batch import Batch
from consumer.stages.quantities import quantity_of
from consumer.stages.rules import RuleBook
from fleetpulse.alerts import HORIZON_S, PREDICTED_RULES, RULE_NAMES
from fleetpulse.track_record import Outcome

IN_USE, CANDIDATE = "in use", "candidate"
_HORIZON_MS = round(1000 * HORIZON_S)
_NEVER_MS = -(2**62)
Key = tuple[str, str, str]  # rule, model version, IN_USE or CANDIDATE


class Candidate(Protocol):
    """A model that warns nobody."""

    @property
    def version(self) -> str:
        """Which one it is."""

    @property
    def threshold(self) -> float:
        """The probability that means soon to it."""


class Counts(Protocol):
    """Where outcomes are counted."""

    def labels(self, *, rule: str, version: str, role: str, outcome: str) -> Any:
        """The counter of one of them."""


@dataclass(slots=True)
class _Watched:
    """One model's warnings about one rule, by slot."""

    warned_at: NDArray[np.int64] = field(default_factory=lambda: np.full(0, _NEVER_MS))
    # Where it was when it was last measured: one that is hot at first was not foreseen by anybody.
    is_over: NDArray[np.bool_] = field(default_factory=lambda: np.ones(0, dtype=np.bool_))

    def outcomes(
        self,
        slots: NDArray[np.int64],
        at: NDArray[np.int64],
        warns: NDArray[np.bool_],
        room: NDArray[np.float64],
    ) -> Mapping[Outcome, int]:
        """What ended with these readings, [n], one of a device. room: to the limit, or NaN."""
        self._grow(int(slots.max(initial=-1)) + 1)
        warned_at, was_over = self.warned_at[slots], self.is_over[slots]
        over = np.where(np.isnan(room), was_over, room <= 0)
        stands = warned_at != _NEVER_MS
        in_time = stands & (at - warned_at <= _HORIZON_MS)
        crossed = over & ~was_over
        true, late = crossed & in_time, stands & ~in_time
        begins = warns & ~over & ~(stands & in_time)
        self.warned_at[slots] = np.where(begins, at, np.where(over | late, _NEVER_MS, warned_at))
        self.is_over[slots] = over
        return {
            Outcome.TRUE: int(true.sum()),
            Outcome.FALSE: int(late.sum()),
            Outcome.MISSED: int((crossed & ~in_time).sum()),
        }

    def forget(self, slots: NDArray[np.int64]) -> None:
        """These devices begin anew."""
        known = slots[slots < len(self.warned_at)]
        self.warned_at[known], self.is_over[known] = _NEVER_MS, True

    def _grow(self, slots: int) -> None:
        missing = slots - len(self.warned_at)
        if missing > 0:
            room = max(missing, len(self.warned_at), 64)
            self.warned_at = np.append(self.warned_at, np.full(room, _NEVER_MS))
            self.is_over = np.append(self.is_over, np.ones(room, dtype=np.bool_))


class Shadow:
    """The stage; it changes nothing, and does nothing while there is no candidate."""

    def __init__(self, rules: RuleBook, counts: Counts) -> None:
        self._rules, self._counts = rules, counts
        self._watched: dict[Key, _Watched] = {}

    def __call__(self, batch: Batch) -> Batch:
        """The same batch."""
        candidates: Mapping[str, Candidate] = getattr(batch.scores, "candidates", {})
        asked = [name for name in PREDICTED_RULES if name in candidates]
        watched = {key: self._watched.get(key, _Watched()) for key in _keys(batch, asked)}
        self._watched = watched
        if not asked or not len(batch):
            return batch
        judged = np.flatnonzero(~batch.late & ~batch.replayed)
        parts = _one_of_a_device(batch.slots, judged)
        for (name, version, role), one in watched.items():
            found = self._outcomes(batch, parts, name, role, one)
            for outcome, count in found.items():
                labels = {"rule": name, "version": version, "role": role, "outcome": outcome}
                self._counts.labels(**labels).inc(count)
        return batch

    def forget(self, slots: NDArray[np.int64]) -> None:
        """These devices begin anew."""
        for one in self._watched.values():
            one.forget(slots)

    def _outcomes(
        self,
        batch: Batch,
        parts: Sequence[NDArray[np.int64]],
        name: str,
        role: str,
        watched: _Watched,
    ) -> Counter[Outcome]:
        """What one model's warnings have come to; only what happened at all."""
        limit = self._rules.limit[batch.slots, RULE_NAMES.index(name)]
        room = limit - quantity_of(batch, name)
        # Each by its own threshold, whatever an owner has chosen for a device.
        if role == CANDIDATE:
            threshold = batch.scores.candidates[name].threshold
            probability = batch.scores.candidate_probability[name]
        else:
            threshold = batch.scores.thresholds[name]
            probability = batch.rule_probability[name]
        warns = probability >= threshold
        found = Counter[Outcome]()
        for rows in parts:
            found.update(
                watched.outcomes(
                    batch.slots[rows], batch.measured_at[rows], warns[rows], room[rows]
                )
            )
        return +found


def _keys(batch: Batch, asked: Sequence[str]) -> Iterator[Key]:
    for name in asked:
        yield name, batch.scores.versions[name], IN_USE
        yield name, batch.scores.candidates[name].version, CANDIDATE


def _one_of_a_device(
    slots: NDArray[np.int64], rows: NDArray[np.int64]
) -> Sequence[NDArray[np.int64]]:
    """These rows in parts, in order, none of which has two of one device."""
    if not len(rows):
        return []
    order = rows[np.argsort(slots[rows], kind="stable")]
    firsts = np.flatnonzero(np.diff(slots[order], prepend=-1))
    number = np.arange(len(order)) - np.repeat(firsts, np.diff(firsts, append=len(order)))
    by_part = np.argsort(number, kind="stable")
    return np.split(order[by_part], np.cumsum(np.bincount(number))[:-1])
