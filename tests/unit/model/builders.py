"""Rows of telemetry for tests of the model: what is not named is ordinary."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fleetpulse.telemetry import CHANNEL_NAMES, COLUMN
from model.features import Look
from model.history import Floats, History, Int64s, Windows

NOON_MS = 1_795_348_800_000


def rows(count: int, **channels: ArrayLike) -> Floats:
    """[count, channels]; a channel that is not given is missing."""
    values = np.full((count, len(CHANNEL_NAMES)), np.nan)
    for name, column in channels.items():
        values[:, COLUMN[name]] = column
    return values


def moments(seconds: ArrayLike) -> Int64s:
    """Unix ms of these seconds after noon."""
    return NOON_MS + np.round(1000 * np.asarray(seconds, dtype=np.float64)).astype(np.int64)


def one_device(seconds: ArrayLike, **channels: ArrayLike) -> Windows:
    """The look-back of every row of one device."""
    count = np.size(seconds)
    return History().windows(np.zeros(count, np.int64), moments(seconds), rows(count, **channels))


def look_of(seconds: ArrayLike, **channels: ArrayLike) -> Look:
    """What every row of one device looks like."""
    return Look(one_device(seconds, **channels), np.ones(np.size(seconds)))
