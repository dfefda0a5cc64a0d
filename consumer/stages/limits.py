"""Rules against readings: each device's alerts, their events, and the status of each reading.

Nearly all readings are quiet: nothing past a limit, nothing seen coming, no alert open. Those are
told apart for a whole batch at once; only devices with something going on are judged one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from consumer.batch import Batch
from consumer.stages.predict import Predictor
from consumer.stages.quantities import quantity
from consumer.stages.rules import RuleBook
from fleetpulse.alerts import (
    PREDICTED_RULES,
    READING_RULES,
    AlertEvent,
    AlertState,
    Direction,
    Position,
    Rule,
    Sight,
    State,
    Status,
    Timers,
    after,
    event_id,
    holds,
    is_judged,
    next_state,
    severity_of,
    tick,
)
from fleetpulse.stores.protocols import AlertStore


@dataclass(slots=True)
class _Watch:
    """One rule of one device that is not quiet: its alert, and the timers of its readings."""

    state: AlertState
    timers: Timers = field(default_factory=Timers)
    causes: list[str] = field(default_factory=list)

    @property
    def quiet(self) -> bool:
        """Whether nothing is open and nothing is being timed."""
        return self.state.level is Status.OK and self.timers.idle


@dataclass(slots=True)
class _Outcome:
    """What judging a batch brings."""

    logs: Sequence[str]  # the name of each of the batch's partitions
    status: NDArray[np.int8]
    states: dict[tuple[str, str], AlertState] = field(default_factory=dict)
    events: list[AlertEvent] = field(default_factory=list)
    causes: dict[int, list[str]] = field(default_factory=dict)  # by row
    # Rule, row and the list to fill: asked for once the whole batch is judged.
    unexplained: list[tuple[str, int, list[str]]] = field(default_factory=list)


_NAMES = tuple(rule.name for rule in READING_RULES)
_WIDTH = len(_NAMES)  # they are the first columns of the RuleBook
# As numbers, so that the worst is the highest.
_OK, _UNKNOWN, _SOON, _STRESSED = range(4)
_STATUSES = (Status.OK, Status.UNKNOWN, Status.SOON, Status.STRESSED)
_LEVEL = {Status.OK: _OK, Status.SOON: _SOON, Status.STRESSED: _STRESSED}


class Limits:
    """The stage; it owns the alert states of the devices of this process."""

    def __init__(self, store: AlertStore, rules: RuleBook, predictor: Predictor) -> None:
        self._store, self._rules, self._predictor = store, rules, predictor
        self._watches: dict[tuple[int, int], _Watch] = {}  # by slot and rule column
        self._busy: NDArray[np.bool_] = np.zeros((0, _WIDTH), dtype=np.bool_)
        self._loaded: NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)
        self._judged_upto: dict[int, Position] = {}  # by slot, until its readings are past that
        # Whether a device was ever seen with what a predicted rule needs: a missing
        # temperature is unknown on a machine that had one, and nothing on one that never had.
        self._applies: NDArray[np.bool_] = np.zeros((0, _WIDTH), dtype=np.bool_)

    def __call__(self, batch: Batch) -> Batch:
        """The batch with events, changed states, and each row's status and causes."""
        if not len(batch):
            return batch
        values = np.column_stack([quantity(batch, rule.watches) for rule in READING_RULES])
        probability = np.full_like(values, np.nan)
        for name, of_rule in batch.rule_probability.items():
            probability[:, _NAMES.index(name)] = of_rule
        outcome = _Outcome(logs=batch.logs(), status=self._quiet_status(batch, probability))
        in_order = ~batch.late
        hot = self._hot(batch, values, probability)
        hot_rows_of = hot[batch.slots] & in_order[:, None]
        for column in np.flatnonzero(hot_rows_of.any(axis=0)):
            hot_rows = np.flatnonzero(hot_rows_of[:, column])
            for row in hot_rows.tolist():
                sight = Sight(
                    at=int(batch.measured_at[row]),
                    value=float(values[row, column]),
                    probability=float(probability[row, column]),
                )
                self._judge(batch, row, int(column), sight, outcome)
        self._explain(batch, outcome)
        return replace(
            batch,
            stored_before=self._stored_before(batch, outcome.logs),
            status=[_STATUSES[code] for code in outcome.status.tolist()],
            states=tuple(outcome.states.values()),
            events=tuple(sorted(outcome.events, key=lambda event: (event.at, event.event_id))),
            causes={row: causes for row, causes in outcome.causes.items() if causes},
            scores=None,  # megabytes, which nobody asks any more
        )

    def forget(self, slots: Sequence[int]) -> None:
        """Forget these devices: their states are read from the store when they are seen again."""
        known = np.array([slot for slot in slots if slot < len(self._loaded)], dtype=np.int64)
        self._loaded[known] = False
        self._busy[known] = False
        for key in [key for key in self._watches if key[0] in set(known.tolist())]:
            del self._watches[key]
        for slot in known.tolist():
            self._judged_upto.pop(slot, None)

    def _judge(self, batch: Batch, row: int, column: int, sight: Sight, outcome: _Outcome) -> None:
        """One rule against one reading: the timers always, the alert unless judged before."""
        slot, name = int(batch.slots[row]), _NAMES[column]
        rule, threshold = self._rules.rule(slot, name), float(self._rules.threshold[slot, column])
        watch = self._watches.get((slot, column))
        if watch is None:
            state = AlertState(device_id=batch.device_ids[row], rule=name)
            watch = self._watches[(slot, column)] = _Watch(state)
        watch.timers = tick(watch.timers, rule, sight, threshold)
        here = Position(outcome.logs[batch.partition_of[row]], int(batch.offsets[row]))
        if not batch.replayed[row] and not is_judged(watch.state, here):
            begun = next_state(watch.state, watch.timers, rule, sight, threshold)
            if begun is not None:
                self._begin(batch, row, watch, rule, begun, sight, outcome, here)
        # The alert stays as it is, but of a reading without the rule's value nothing is known.
        level = _LEVEL[watch.state.level]
        if np.isnan(sight.value):
            level = min(level, _UNKNOWN)
        elif holds(watch.timers, rule, sight.at):
            level = _STRESSED
        elif sight.probability >= threshold:  # also of an alert that rests
            level = max(level, _SOON)
        if watch.state.level is not Status.OK and (
            level > outcome.status[row] or row not in outcome.causes
        ):
            outcome.causes[row] = watch.causes
        outcome.status[row] = max(outcome.status[row], level)
        self._busy[slot, column] = not watch.quiet

    def _begin(
        self,
        batch: Batch,
        row: int,
        watch: _Watch,
        rule: Rule,
        begun: State,
        sight: Sight,
        outcome: _Outcome,
        here: Position,
    ) -> None:
        """Move the alert on, and say so in an event."""
        before = watch.state
        watch.state = after(before, begun, sight.at, here)
        watch.causes = []
        predicted = rule.name in PREDICTED_RULES and not np.isnan(sight.probability)
        if predicted and watch.state.level is not Status.OK:
            outcome.unexplained.append((rule.name, row, watch.causes))
        outcome.states[(before.device_id, rule.name)] = watch.state
        expected_s = batch.scores.expected_s[rule.name][row] if predicted else np.nan
        outcome.events.append(
            AlertEvent(
                event_id=event_id(before.device_id, rule.name, watch.state.episode, begun),
                device_id=before.device_id,
                kind=batch.kinds[row],
                rule=rule.name,
                episode=watch.state.episode,
                state=begun,
                previous_state=State(before.level),
                at=sight.at,
                probability=_known(sight.probability),
                expected_s=_known(expected_s) if begun is State.SOON else None,
                value=_known(sight.value),
                limit=rule.limit,
                causes=watch.causes,
                model_version=self._predictor.versions[rule.name] if predicted else None,
                severity=severity_of(begun, rule),
            )
        )

    def _explain(self, batch: Batch, outcome: _Outcome) -> None:
        """Fill in why alerts began, all of a rule at once: asking costs the same for one or all."""
        for name in {name for name, _, _ in outcome.unexplained}:
            asked = [(row, causes) for rule, row, causes in outcome.unexplained if rule == name]
            found = self._predictor.causes(batch.scores, name, [row for row, _ in asked])
            for (_, causes), words in zip(asked, found, strict=True):
                causes.extend(words)

    def _hot(
        self, batch: Batch, values: NDArray[np.float64], probability: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """[slots, rules]: whose rows must be judged one by one."""
        limits = self._rules.limit[batch.slots, :_WIDTH]
        thresholds = self._rules.threshold[batch.slots, :_WIDTH]
        past = np.where(_ABOVE, values >= limits, values <= limits)
        found = past | (probability >= thresholds)
        hot = self._busy.copy()
        np.logical_or.at(hot, batch.slots[found.any(axis=1)], found[found.any(axis=1)])
        hot[batch.slots] &= self._rules.exists[batch.slots, :_WIDTH]
        return hot

    def _quiet_status(self, batch: Batch, probability: NDArray[np.float64]) -> NDArray[np.int8]:
        """Each row's status as long as nothing is going on: ok, or unknown."""
        unknown = np.zeros(len(batch), dtype=np.bool_)
        nothing_known = np.ones(len(batch), dtype=np.bool_)
        for name in PREDICTED_RULES:
            column = _NAMES.index(name)
            needs = batch.channel(_NEEDS[name])
            missing = np.isnan(probability[:, column])
            watched = ~np.isnan(self._rules.limit[batch.slots, column])
            unknown |= missing & watched & self._seen(batch.slots, ~np.isnan(needs), column)
            nothing_known &= missing
        return np.where(unknown | nothing_known, _UNKNOWN, _OK).astype(np.int8)

    def _stored_before(self, batch: Batch, logs: Sequence[str]) -> NDArray[np.bool_]:
        """[n], what an earlier run has judged, and stored before it stored the alert's new state.

        Its status then was told by the states before that, which nobody knows any more.
        """
        found = np.zeros(len(batch), dtype=np.bool_)
        if not self._judged_upto:
            return found
        for row in range(len(batch)):
            slot = int(batch.slots[row])
            upto = self._judged_upto.get(slot)
            if upto is None or logs[batch.partition_of[row]] != upto.log:
                continue
            found[row] = batch.offsets[row] <= upto.offset
            if not found[row]:
                del self._judged_upto[slot]
        return found

    def _seen(
        self, slots: NDArray[np.int64], present: NDArray[np.bool_], column: int
    ) -> NDArray[np.bool_]:
        """[n], whether the device was seen with what the rule needs, up to and with this row."""
        first = np.full(len(self._applies), len(slots), dtype=np.int64)
        rows = np.flatnonzero(present)
        np.minimum.at(first, slots[rows], rows)
        seen: NDArray[np.bool_] = self._applies[slots, column] | (
            np.arange(len(slots)) >= first[slots]
        )
        self._applies[slots[rows], column] = True
        return seen

    def load(self, batch: Batch) -> Sequence[AlertState]:
        """Read the states of devices seen for the first time since they came to this process.

        Must be called before each batch. Returns the states, of whatever rules, for others to take.
        Raises StoreBusy or StoreError; then nothing has changed.
        """
        self._grow(int(batch.slots.max(initial=-1)) + 1)
        new = np.unique(batch.slots[~self._loaded[batch.slots]])
        if not len(new):
            return ()
        slot_of = {batch.device_ids[row]: int(slot) for row, slot in enumerate(batch.slots)}
        wanted = {device for device, slot in slot_of.items() if not self._loaded[slot]}
        states = self._store.states_of(wanted)
        for state in states:
            if state.rule not in _NAMES:  # a silence or a notice, which others judge
                continue
            key = (slot_of[state.device_id], _NAMES.index(state.rule))
            self._watches[key] = _Watch(state, causes=self._stored_causes(state))
            self._busy[key] = state.level is not Status.OK
            if state.judged is not None:
                upto = self._judged_upto.setdefault(key[0], state.judged)
                self._judged_upto[key[0]] = max(upto, state.judged, key=attrgetter("offset"))
        self._loaded[new] = True
        return states

    def _stored_causes(self, state: AlertState) -> list[str]:
        """Why an open alert is where it is, as its event says."""
        if state.level is Status.OK:
            return []
        begun = event_id(state.device_id, state.rule, state.episode, State(state.level))
        event = self._store.event(begun)
        return event.causes if event else []

    def _grow(self, slots: int) -> None:
        missing = slots - len(self._loaded)
        if missing > 0:
            room = max(missing, len(self._loaded), 64)
            wide = np.zeros((room, _WIDTH), dtype=np.bool_)
            self._busy = np.concatenate([self._busy, wide])
            self._applies = np.concatenate([self._applies, wide])
            self._loaded = np.concatenate([self._loaded, np.zeros(room, dtype=np.bool_)])


_ABOVE = np.array([rule.direction is Direction.ABOVE for rule in READING_RULES])
_NEEDS: Mapping[str, str] = {"heat": "temperature_c", "overload": "load_pct"}


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
