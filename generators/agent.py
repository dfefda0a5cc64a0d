"""The agent's loop: measure on a fixed schedule, spool, publish."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Source(Protocol):
    """A machine, or a simulation of one."""

    @property
    def kind(self) -> str:
        """What sort of machine it is: one of telemetry.KINDS."""

    def values(self, at_ms: int) -> Mapping[str, float | None]:
        """The channels measured now, by name; None or absent: the machine lacks it.

        at_ms: now, in Unix ms. Called once per tick; a real machine measures, a simulated one
        moves on to that moment (the first call may be any time, later ones may skip).
        """
