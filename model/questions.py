"""What models are trained and judged on: rows of telemetry against limits, with the answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.features import FEATURES, REACH, Look, compute
from model.history import Floats, History
from model.labels import label
from model.sessions import Sessions

# The limits that one recorded session is asked about. Headroom is a feature, so that a limit can be
# changed without a new model, and every session tells of several limits.
LIMITS: Mapping[str, tuple[float, ...]] = {
    "heat": tuple(float(limit) for limit in range(50, 100, 5)),
    "overload": (60.0, 70.0, 80.0, 90.0, 95.0, 98.0),
}
ROOM: Mapping[str, str] = {"heat": "headroom_c", "overload": "load_mean_room"}  # the feature
PAIRS_PER_MACHINE = 400  # neighbouring rows are nearly copies of each other
_AT_ONCE = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """Pairs of (row, limit)."""

    features: Floats  # [m, F]
    limit: Floats  # [m]
    reached: NDArray[np.bool_]
    seconds: Floats  # until the limit; NaN where it was not reached, or only its owner says so
    weight: Floats  # in training, beside the others of its source
    certain: NDArray[np.bool_]  # the answer is known for sure
    known: NDArray[np.bool_]  # there is enough history to be asked about
    measured_at: NDArray[np.int64]
    slots: NDArray[np.int64]
    groups: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.limit)

    def of(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Questions:
        """The same, of some pairs only."""
        return Questions(**{name: getattr(self, name)[rows] for name in self.__slots__})


def looks(sessions: Sessions) -> Iterator[tuple[NDArray[np.int64], Look]]:
    """The rows of sessions in batches, each with its look-back, as the live consumer makes them."""
    history = History()
    for start in range(0, len(sessions), _AT_ONCE):
        rows = np.arange(start, min(start + _AT_ONCE, len(sessions)))
        windows = history.windows(
            sessions.slots[rows], sessions.measured_at[rows], sessions.values[rows]
        )
        yield rows, Look(windows, sessions.kinds[rows])


def quantity(rule: str, look: Look) -> Floats:
    """What the rule compares with its limit."""
    return look.now("temperature_c") if rule == "heat" else look.load_mean(60)


def ask(
    sessions: Sessions,
    rule: str,
    limits: Sequence[float] | None = None,
    within: float | None = None,
) -> Questions:
    """Every question of a rule that these sessions answer: rows below a limit that go on.

    within: only rows that are no farther from the limit.
    """
    within = REACH[rule] if within is None else within
    watched = np.concatenate([quantity(rule, look) for _, look in looks(sessions)])
    parts = [
        _questions(sessions, rule, rows, look, limit, within, watched)
        for rows, look in looks(sessions)
        for limit in limits or LIMITS[rule]
    ]
    return _joined(parts)


def _questions(
    sessions: Sessions,
    rule: str,
    rows: NDArray[np.int64],
    look: Look,
    limit: float,
    within: float,
    watched: Floats,
) -> Questions:
    answers = label(sessions.slots, sessions.measured_at, watched, limit)
    near = answers.below & answers.followed & (limit - watched <= within)
    chosen = np.flatnonzero(near[rows])
    features = compute(look, rule, np.full(len(rows), limit))[chosen]
    asked = rows[chosen]
    return Questions(
        features=features,
        limit=np.full(len(asked), limit),
        reached=answers.reached[asked],
        seconds=answers.seconds[asked],
        weight=np.ones(len(asked)),
        certain=answers.certain[asked],
        known=look.known[chosen],
        measured_at=sessions.measured_at[asked],
        slots=sessions.slots[asked],
        groups=sessions.groups[asked],
    )


def _joined(parts: Sequence[Questions]) -> Questions:
    return Questions(
        **{
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in Questions.__slots__
        }
    )


def thinned(
    questions: Questions, seed: int, *, besides: NDArray[np.bool_] | None = None
) -> Questions:
    """About PAIRS_PER_MACHINE of each machine, drawn evenly; besides: kept all the same."""
    _, machine, pairs = np.unique(questions.groups, return_inverse=True, return_counts=True)
    draw = np.random.default_rng(seed).random(len(questions))
    kept = draw < PAIRS_PER_MACHINE / pairs[machine]
    return questions.of(kept if besides is None else kept | besides)


def feature_column(rule: str, name: str) -> int:
    """Where a feature stands."""
    return [feature.name for feature in FEATURES[rule]].index(name)
