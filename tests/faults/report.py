"""What the fault tests found, row by row, and docs/faults.md made from it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"

HEAD = """\
# What was broken, and what held

Written by `make faults` on {date}. Each fault was injected while producers kept the consumers at
their capacity, or at the rate that the row names, and a kill counts only when the consumer had made
progress since the one before. The oracle of every row: per device, produced = stored + dead letters
+ counted drops, nothing doubled, and the alert events, by ids and times, are those of an
undisturbed run of the same readings.

| fault | on | injected | found | seconds |
|---|---|---|---|---:|
"""


class Fault(Enum):
    """The faults, in the order of the page."""

    CONSUMER_KILLED = "consumer killed (kill -9)"
    CONSUMER_KILLED_AT_STEP = "consumer killed at each step"
    BROKER_KILLED = "broker killed (kill -9)"
    REBALANCE_STORM = "rebalance storm"
    MEMBER_JOINS = "a second consumer joins; one of two is killed"
    SLOW_STAGE = "a stage slower than max.poll.interval"
    COMMIT_FAILS = "a commit fails (illegal generation)"
    POISON = "poison: fuzzed bytes"
    POISON_DEVICE = "poison: one device sends nothing else"
    LETTERS_REFUSED = "dead-letter topic not writable"
    STORE_UNPROCESSED = "store returns UnprocessedItems"
    STORE_THROTTLES = "store throttles fully"
    STORE_RESTARTED = "PostgreSQL restarted"
    ONE_DEVICE_FLOODS = "one device sends 100 times as much"
    AGENT_OFFLINE = "agent offline for a simulated day"
    AGENT_KILLED = "agent killed in mid-spool"
    SPOOL_DAMAGED = "spool truncated, corrupt, full"
    NETWORK = "slow and resetting network"
    DISK_FULL = "disk full under SQLite and the spool"
    CLOCK_JUMPS = "an agent's clock jumps"
    ALL_DOWN = "everything down for an hour, then back"
    BROKEN_PRODUCT = "check of this table: the product broken on purpose"


@dataclass
class Row:
    """One fault on one backend: what was done, what was counted, and whether it held."""

    fault: Fault
    backend: str
    injected: str = ""  # what, and how often
    found: str = ""  # counts and times
    holds: bool = False
    seconds: float = 0.0

    def __str__(self) -> str:
        found = self.found if self.holds else f"**does not hold** {self.found}"
        cells = (self.fault.value, self.backend, self.injected, found, f"{self.seconds:.0f}")
        return f"| {' | '.join(cells)} |"


@dataclass
class Report:
    """The rows of one session."""

    rows: list[Row] = field(default_factory=list)

    @contextmanager
    def row(self, fault: Fault, backend: str, injected: str = "") -> Iterator[Row]:
        """A row that holds if its block ends well; the block says what it found."""
        row, begin = Row(fault, backend, injected), time.monotonic()
        self.rows.append(row)
        try:
            yield row
            row.holds = True
        finally:
            row.seconds = time.monotonic() - begin

    def page(self) -> str:
        """docs/faults.md."""
        order = list(Fault)
        rows: Sequence[Row] = sorted(self.rows, key=lambda row: order.index(row.fault))
        head = HEAD.format(date=datetime.now(UTC).date().isoformat())
        return head + "".join(f"{row}\n" for row in rows)
