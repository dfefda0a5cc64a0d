"""A candidate in the shadow is judged as the model in use is, by what followed; it warns nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from consumer.batch import Batch
from consumer.roster import Roster
from consumer.stages.rules import RuleBook
from consumer.stages.shadow import CANDIDATE, IN_USE, Shadow
from fleetpulse.clock import ManualClock
from fleetpulse.stores.memory import MemoryStore
from tests.unit.consumer.builders import a_reading, decode


@dataclass
class Counted:
    """Counters that a test can read."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def labels(self, *, rule: str, version: str, role: str, outcome: str) -> Any:
        assert rule == "heat"
        assert version == {IN_USE: "old", CANDIDATE: "new"}[role]

        def inc(count: int) -> None:
            self.counts[role, outcome] += count

        return SimpleNamespace(inc=inc)


@dataclass(frozen=True)
class Scores:
    candidate_probability: Mapping[str, NDArray[np.float64]]
    candidates: Mapping[str, Any] = field(
        default_factory=lambda: {"heat": SimpleNamespace(version="new", threshold=0.5)}
    )
    versions: Mapping[str, str] = field(default_factory=lambda: {"heat": "old"})
    thresholds: Mapping[str, float] = field(default_factory=lambda: {"heat": 0.5})


class Bench:
    """Readings of Raspberry Pis (limit 80 °C) and what two models say of each."""

    def __init__(self) -> None:
        self.roster, self.counted = Roster(), Counted()
        self.rules = RuleBook(
            MemoryStore().rules,
            self.roster,
            ManualClock(),
            lambda: {"heat": 0.5, "overload": 0.5},
        )
        self.shadow = Shadow(self.rules, self.counted)

    def batch(self, *told: tuple[float, float, float, float], device: str = "pi-1") -> Batch:
        """told: second, temperature, chance of the model in use, chance of the candidate."""
        readings = [a_reading(at, device=device, temperature_c=c) for at, c, _, _ in told]
        found = decode(*readings, roster=self.roster)
        self.rules.refresh()
        return replace(
            found,
            late=np.zeros(len(told), dtype=np.bool_),
            rule_probability={"heat": np.array([row[2] for row in told])},
            scores=Scores(candidate_probability={"heat": np.array([row[3] for row in told])}),
        )

    def see(self, *told: tuple[float, float, float, float], device: str = "pi-1") -> None:
        self.shadow(self.batch(*told, device=device))

    def of(self, role: str) -> dict[str, int]:
        return {outcome: n for (who, outcome), n in self.counted.counts.items() if who == role}


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_who_warned_within_the_horizon_was_right_and_who_did_not_missed_it(bench: Bench) -> None:
    bench.see((0, 70, 0.1, 0.1), (10, 75, 0.2, 0.8), (70, 81, 1.0, 1.0), (75, 82, 1.0, 1.0))

    assert bench.of(CANDIDATE) == {"true": 1}
    assert bench.of(IN_USE) == {"missed": 1}


def test_a_warning_that_nothing_follows_is_false_once(bench: Bench) -> None:
    bench.see((0, 70, 0.1, 0.8), (60, 70, 0.1, 0.8), (119, 70, 0.1, 0.1))
    assert bench.of(CANDIDATE) == {}

    bench.see((125, 70, 0.1, 0.1), (130, 70, 0.1, 0.1))

    assert bench.of(CANDIDATE) == {"false": 1}
    assert bench.of(IN_USE) == {}


def test_who_is_hot_when_first_seen_was_not_missed_by_anybody(bench: Bench) -> None:
    bench.see((0, 81, 1.0, 1.0), (5, 82, 1.0, 1.0))

    assert not bench.counted.counts


def test_a_reading_without_a_temperature_is_no_way_back_below_the_limit(bench: Bench) -> None:
    bench.see((0, 70, 0.1, 0.1), (5, 81, 1.0, 1.0), (10, np.nan, 0.1, 0.1), (15, 81, 1.0, 1.0))

    assert bench.of(IN_USE) == {"missed": 1}


def test_each_model_is_judged_by_its_own_threshold_whatever_an_owner_chose(bench: Bench) -> None:
    bench.rules.threshold[:] = 0.9

    bench.see((0, 70, 0.6, 0.6), (10, 81, 1.0, 1.0))

    assert bench.of(IN_USE) == bench.of(CANDIDATE) == {"true": 1}


def test_who_goes_on_warning_is_judged_again(bench: Bench) -> None:
    bench.see((0, 70, 0.1, 0.8), (125, 70, 0.1, 0.8), (180, 81, 0.1, 0.8))

    assert bench.of(CANDIDATE) == {"false": 1, "true": 1}


def test_a_limit_is_crossed_once_however_long_it_is_past(bench: Bench) -> None:
    bench.see((0, 79, 0.1, 0.1), (5, 81, 1, 1), (10, 82, 1, 1), (15, 79, 0.1, 0.1), (20, 81, 1, 1))

    assert bench.of(CANDIDATE) == {"missed": 2}


def test_each_device_is_judged_by_itself(bench: Bench) -> None:
    bench.see((0, 70, 0.1, 0.8), device="pi-1")
    bench.see((5, 70, 0.1, 0.1), (10, 81, 0.1, 0.8), device="pi-2")

    assert bench.of(CANDIDATE) == {"missed": 1}


def test_an_unknown_chance_is_no_warning(bench: Bench) -> None:
    bench.see((0, 70, 0.1, np.nan), (10, 81, 0.1, np.nan))

    assert bench.of(CANDIDATE) == {"missed": 1}


def test_late_and_replayed_readings_are_not_judged(bench: Bench) -> None:
    late = bench.batch((0, 81, 1, 1))
    bench.shadow(replace(late, late=np.ones(1, dtype=np.bool_)))
    bench.shadow(replace(late, replayed=np.ones(1, dtype=np.bool_)))

    assert bench.of(CANDIDATE) == {}


def test_without_a_candidate_nothing_is_counted(bench: Bench) -> None:
    alone = replace(
        bench.batch((0, 81, 1, 1)), scores=Scores(candidate_probability={}, candidates={})
    )

    assert bench.shadow(alone) is alone
    assert not bench.counted.counts


def test_a_device_that_moved_on_begins_anew(bench: Bench) -> None:
    bench.see((0, 70, 0.1, 0.8))

    bench.shadow.forget(np.array([0]))
    bench.see((200, 70, 0.1, 0.1))

    assert bench.of(CANDIDATE) == {}


@given(
    st.lists(
        st.tuples(st.integers(1, 90), st.sampled_from([60.0, 85.0]), st.sampled_from([0.1, 0.9])),
        max_size=40,
    ),
    st.integers(1, 7),
)
def test_it_does_not_matter_how_readings_are_cut_into_batches(
    steps: Sequence[tuple[int, float, float]], size: int
) -> None:
    at, told = -3_600, list[tuple[float, float, float, float]]()
    for seconds, temperature_c, chance in steps:
        at += seconds
        told.append((at, temperature_c, chance, chance))
    whole, parts = Bench(), Bench()
    if told:
        whole.see(*told)
    for first in range(0, len(told), size):
        parts.see(*told[first : first + size])

    assert whole.counted.counts == parts.counted.counts
    crossings = sum(before[1] < 80 < now[1] for before, now in pairwise(told))
    found = whole.of(CANDIDATE)
    assert found.get("true", 0) + found.get("missed", 0) == crossings
