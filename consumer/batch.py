"""Readings taken together, as columns, from the log to the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleetpulse.alerts import AlertEvent, AlertState, Status
from fleetpulse.errors import DecodeError
from fleetpulse.stores.protocols import Bucket, ClockAhead, Device, Resolution
from fleetpulse.telemetry import CHANNELS, COLUMN

Partition = tuple[str, int]  # topic, partition number


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A record that will never be a reading, where it came from, and why."""

    partition: Partition
    offset: int
    key: bytes | None
    value: bytes | None
    error: DecodeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """n readings in the order of their arrival, and what to commit once they are safe.

    The source fills the first part; each stage returns a batch with more of the second.
    """

    slots: NDArray[np.int64]  # [n], the device's row in every dense table
    device_ids: Sequence[str]
    kinds: Sequence[str]
    measured_at: NDArray[np.int64]  # [n], Unix ms
    seq: NDArray[np.int64]
    values: NDArray[np.float64]  # [n, channels], NaN: missing
    rejected: NDArray[np.int64]  # [n], channels that held an impossible value
    partitions: Sequence[Partition]  # of this batch
    partition_of: NDArray[np.int64]  # [n], index into `partitions`
    offsets: NDArray[np.int64]  # [n], of the row's partition
    replayed: NDArray[np.bool_]  # [n], judged and stored before: fills the rings and timers only
    next_offsets: Mapping[Partition, int]  # to commit once the rows are safe
    refill_offsets: Mapping[Partition, int] = field(default_factory=dict)  # where a restart reads
    cluster: str = ""
    new_devices: Sequence[Device] = ()
    refused: Sequence[Refused] = ()
    clocks_ahead: Sequence[ClockAhead] = ()

    # by stages
    late: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=np.bool_))
    set_back: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=np.bool_))
    probability: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))  # worst rule's
    expected_s: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    status: Sequence[Status] = ()
    causes: Mapping[int, Sequence[str]] = field(default_factory=dict)  # by row
    model_version: str | None = None
    rule_probability: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    scores: Any = None  # what the predictor needs to say why
    load_mean_60s: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    stored_before: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=np.bool_))
    states: Sequence[AlertState] = ()
    events: Sequence[AlertEvent] = ()
    closed: Mapping[Resolution, Sequence[Bucket]] = field(default_factory=dict)  # to be rolled up

    def __len__(self) -> int:
        return len(self.device_ids)

    def channel(self, name: str) -> NDArray[np.float64]:
        """One channel's values, [n]."""
        return self.values[:, COLUMN[name]]

    def logs(self) -> list[str]:
        """The names of the batch's partitions, as alert states have them."""
        return [f"{self.cluster}/{topic}/{number}" for topic, number in self.partitions]


LOWEST = np.array([channel.low for channel in CHANNELS])
HIGHEST = np.array([channel.high for channel in CHANNELS])


def drop_impossible(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Make values outside their channel's physical range missing, in place; how many, by row."""
    impossible = (values < LOWEST) | (values > HIGHEST)
    values[impossible] = np.nan
    counts: NDArray[np.int64] = impossible.sum(axis=1, dtype=np.int64)
    return counts
