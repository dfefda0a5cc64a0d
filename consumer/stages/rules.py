"""The rules in force for every device, as dense tables that follow their owners' changes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from consumer.roster import Roster
from fleetpulse.alerts import RULE_NAMES, Rule, RuleChange, rule_named, rules_for
from fleetpulse.clock import Clock
from fleetpulse.errors import StoreError
from fleetpulse.stores.protocols import RuleStore

log = logging.getLogger(__name__)

REFRESH_MS = 2_000
READ_ALL_MS = 60_000
_OVERLAP_MS = 60_000  # a change may be stored a little later than its own time says


class RuleBook:
    """Rules by slot: `limit` and `threshold` are [slots, rules], in the order of RULE_NAMES.

    A rule that a device does not have, or that is switched off, has the limit NaN: nothing is ever
    past it. `exists` tells the two apart. default_thresholds: gives the probability that means
    soon where a rule does not say; another model may have others.
    """

    def __init__(
        self,
        store: RuleStore,
        roster: Roster,
        clock: Clock,
        default_thresholds: Callable[[], Mapping[str, float]],
    ) -> None:
        self._store, self._roster, self._clock = store, roster, clock
        self._ask_default_thresholds = default_thresholds
        self._default_thresholds = default_thresholds()
        self._changes: dict[str, dict[str, RuleChange]] = {}
        self._rules: dict[int, Mapping[str, Rule]] = {}
        self._asked_at: int | None = None
        self._read_all_at: int | None = None
        self._newest_change = 0
        self.exists: NDArray[np.bool_] = np.zeros((0, len(RULE_NAMES)), dtype=np.bool_)
        self.limit: NDArray[np.float64] = np.empty((0, len(RULE_NAMES)))
        self.threshold: NDArray[np.float64] = np.empty((0, len(RULE_NAMES)))

    def refresh(self) -> None:
        """Take in new devices, and every few seconds what owners changed."""
        stale = self._roster.take_changed()
        now = self._clock.now_ms()
        if self._asked_at is None or abs(now - self._asked_at) >= REFRESH_MS:
            self._asked_at = now
            stale |= self._read_changes(now)
        self._grow()
        for slot in stale:
            self._set(slot)

    def refresh_thresholds(self) -> None:
        """Take in what the models that have just scored call soon."""
        thresholds = self._ask_default_thresholds()
        if thresholds != self._default_thresholds:
            self._default_thresholds = thresholds
            for slot in range(len(self._roster)):
                self._set(slot)

    def rule(self, slot: int, name: str) -> Rule:
        """One rule of one device."""
        return self._rules[slot][name]

    def rule_of(self, device_id: str, kind: str, name: str) -> Rule:
        """One rule of a device that may have no slot; in any thread."""
        changes = tuple(self._changes.get(device_id, {}).values())
        return rule_named(name, kind, changes)

    def _read_changes(self, now: int) -> set[int]:
        """The slots whose rules changed. Once a minute all changes are read again, since a clock
        that is behind dates a change before others that are known."""
        since = max(0, self._newest_change - _OVERLAP_MS)
        if self._read_all_at is None or abs(now - self._read_all_at) >= READ_ALL_MS:
            self._read_all_at, since = now, 0
        try:
            changes = self._store.changed_since(since)
        except StoreError as problem:
            log.warning("rules stay as they were", extra={"problem": str(problem)})
            return set()
        stale = set()
        for change in changes:
            self._newest_change = max(self._newest_change, change.changed_at)
            of_device = self._changes.setdefault(change.device_id, {})
            slot = self._roster.known(change.device_id)
            if of_device.get(change.rule) != change and slot is not None:
                stale.add(slot)
            of_device[change.rule] = change
        return stale

    def _grow(self) -> None:
        missing = len(self._roster) - len(self.limit)
        if missing > 0:
            room = np.full((max(missing, len(self.limit), 64), len(RULE_NAMES)), np.nan)
            self.exists = np.concatenate([self.exists, np.zeros(room.shape, dtype=np.bool_)])
            self.limit = np.concatenate([self.limit, room])
            self.threshold = np.concatenate([self.threshold, room])

    def _set(self, slot: int) -> None:
        changes = self._changes.get(self._roster.device_ids[slot], {}).values()
        rules = {rule.name: rule for rule in rules_for(self._roster.kinds[slot], changes)}
        self._rules[slot] = rules
        self.exists[slot] = False
        self.limit[slot] = np.nan
        self.threshold[slot] = np.nan
        for rule in rules.values():
            column = RULE_NAMES.index(rule.name)
            self.exists[slot, column] = True
            if rule.enabled:
                default = self._default_thresholds.get(rule.name, np.nan)
                self.limit[slot, column] = rule.limit
                self.threshold[slot, column] = default if rule.threshold is None else rule.threshold
