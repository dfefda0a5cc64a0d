"""The life of an alert as a state machine: whatever is seen, changed or restarted, it holds.

250 lives of 50 steps each are 12,500 steps.
"""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from fleetpulse.alerts import (
    CLEAR_HOLD_MS,
    LONGEST_GAP_MS,
    REST_MS,
    RULES,
    AlertState,
    Position,
    Sight,
    State,
    Status,
    Timers,
    after,
    event_id,
    holds,
    is_clear,
    is_over,
    next_state,
    tick,
)

LIVES, STEPS = 250, 50
THRESHOLD = 0.6
HEAT = next(each for each in RULES if each.name == "heat")
EDGES = {
    Status.OK: {State.SOON, State.STRESSED},
    Status.SOON: {State.OK, State.STRESSED},
    Status.STRESSED: {State.RECOVERED},
}

# Around the limits, so that most steps matter.
values = st.sampled_from([60.0, 70.0, 74.0, 76.0, 80.0, 84.0, 86.0, 90.0, 95.0]) | st.just(math.nan)
chances = st.sampled_from([0.0, 0.29, 0.31, 0.6, 0.9]) | st.just(math.nan)
gaps_ms = st.sampled_from([1, 1_000, 5_000, 5_000, 10_000, 30_000, 120_000, 200_000])


class Life(RuleBasedStateMachine):
    """One rule of one device, from reading to reading."""

    def __init__(self) -> None:
        super().__init__()
        self.rule, self.timers = HEAT, Timers()
        self.state = AlertState(device_id="pi-1", rule="heat")
        self.at = 10**12
        # With whether it was over the limit, and whether it was clear of it, by the rule of then.
        self.seen: list[tuple[Sight, bool, bool]] = []
        self.names: dict[str, int] = {}  # events, and the reading that made each
        self.set_back = False  # since the last change of state
        self.has_changed = False  # the rule: what is read again is timed by the new one

    @initialize(limit=st.sampled_from([80.0, 90.0]), hold_s=st.sampled_from([0.0, 10.0, 60.0]))
    def begin(self, limit: float, hold_s: float) -> None:
        self.rule = replace(HEAT, limit=limit, hold_s=hold_s)

    @rule(gap_ms=gaps_ms, value=values, chance=chances, times=st.integers(1, 5))
    def read(self, gap_ms: int, value: float, chance: float, times: int) -> None:
        """The same is seen some times."""
        for _ in range(times):
            self.at += gap_ms
            self._see(Sight(at=self.at, value=value, probability=chance))

    @rule(back_ms=st.sampled_from([1, 5_000, 60_000, 3_600_000]), value=values)
    def set_the_clock_back(self, back_ms: int, value: float) -> None:
        self.at -= back_ms
        self.set_back = True
        self._see(Sight(at=self.at, value=value, probability=0.0))

    @rule(
        limit=st.sampled_from([75.0, 80.0, 90.0]),
        hold_s=st.sampled_from([0.0, 10.0, 60.0]),
        enabled=st.sampled_from([True, True, True, False]),
    )
    def change_the_rule(self, limit: float, hold_s: float, enabled: bool) -> None:
        self.rule = replace(self.rule, limit=limit, hold_s=hold_s, enabled=enabled)
        self.has_changed = True

    @rule()
    def restart(self) -> None:
        """The timers come back from the readings, the state from the store; nothing else is."""
        before, self.timers = self.timers, Timers()
        for sight, _, _ in self.seen:
            self.timers = tick(self.timers, self.rule, sight, THRESHOLD)
        self.seen = [self._judged(sight) for sight, _, _ in self.seen]

        assert self.timers == before or self.has_changed

    def _see(self, sight: Sight) -> None:
        self.seen.append(self._judged(sight))
        self.timers = tick(self.timers, self.rule, sight, THRESHOLD)
        before = self.state
        begun = next_state(before, self.timers, self.rule, sight, THRESHOLD)
        if begun is None:
            self._check_nothing_is_missed(sight)
            return
        self.state = after(before, begun, sight.at, Position("log", len(self.names)))
        assert begun in EDGES[before.level]
        assert self.state.episode == before.episode + (before.level is Status.OK)
        name = event_id("pi-1", "heat", self.state.episode, begun)
        assert name not in self.names
        self.names[name] = sight.at
        self._check_it_may(before, begun, sight)
        self.set_back = False

    def _check_it_may(self, before: AlertState, begun: State, sight: Sight) -> None:
        """By the readings alone: the times of holding, of calm and of rest are kept."""
        if begun in (State.SOON, State.STRESSED):
            assert self.rule.enabled
            rested = sight.at - before.since >= REST_MS
            assert before.level is not Status.OK or before.episode == 0 or rested or self.set_back
        if begun is State.STRESSED:
            assert self._held_ms(over=True) >= 1000 * self.rule.hold_s
        if begun is State.RECOVERED and self.rule.enabled:
            assert is_clear(self.rule, sight.value)
            assert self._held_ms(over=False) >= CLEAR_HOLD_MS
        if begun is State.SOON:
            assert sight.probability >= THRESHOLD

    def _check_nothing_is_missed(self, sight: Sight) -> None:
        """What holds is told, unless the alert rests."""
        rests = 0 <= sight.at - self.state.since < REST_MS and self.state.episode > 0
        over = is_over(self.rule, sight.value) and holds(self.timers, self.rule, sight.at)
        if over and self.rule.enabled and self.state.level is not Status.STRESSED:
            assert rests
        if not self.rule.enabled:
            assert self.state.level is Status.OK

    def _judged(self, sight: Sight) -> tuple[Sight, bool, bool]:
        return sight, is_over(self.rule, sight.value), is_clear(self.rule, sight.value)

    def _held_ms(self, *, over: bool) -> int:
        """For how long the newest readings have been over the limit, or clear of it."""
        end = began = later = self.seen[-1][0].at
        for sight, was_over, was_clear in reversed(self.seen):
            if not 0 <= later - sight.at <= LONGEST_GAP_MS:
                break
            later = sight.at
            if math.isnan(sight.value):
                continue
            if not (was_over if over else was_clear):
                break
            began = sight.at
        return end - began


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=LIVES, stateful_step_count=STEPS, deadline=None)


def test_there_are_ten_thousand_steps() -> None:
    assert LIVES * STEPS >= 10_000
