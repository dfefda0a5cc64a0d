"""What a sensor is: a row that says where a snapshot of the machine holds one channel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from fleetpulse.errors import SettingsError
from fleetpulse.telemetry import CHANNEL, Unit

Snapshot = TypeVar("Snapshot")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor(Generic[Snapshot]):
    """A channel, where its value comes from, and where a snapshot holds it."""

    name: str  # a channel of telemetry.CHANNELS
    origin: str  # for people; generators/README.md repeats it
    read: Callable[[Snapshot], float | None]  # None: this machine lacks it

    @property
    def unit(self) -> Unit:
        """The unit of its channel."""
        return CHANNEL[self.name].unit


def read_all(sensors: Sequence[Sensor[Snapshot]], snapshot: Snapshot) -> dict[str, float | None]:
    """Every sensor's value in this snapshot, by channel name."""
    return {sensor.name: sensor.read(snapshot) for sensor in sensors}


@dataclass(frozen=True, slots=True, kw_only=True)
class FanRating:
    """What the fan's data sheet promises."""

    rpm: float
    cfm: float  # at that speed


def fan_rating(rpm: float | None, cfm: float | None) -> FanRating | None:
    """The rating from two settings; None when neither is given. Raises SettingsError."""
    if rpm is None and cfm is None:
        return None
    if rpm is None or cfm is None:
        raise SettingsError("FLEETPULSE_FAN_RATED_RPM and FLEETPULSE_FAN_RATED_CFM go together.")
    return FanRating(rpm=rpm, cfm=cfm)


def fan_flow_cfm(rpm: float | None, rating: FanRating | None) -> float | None:
    """The flow at this speed; None without a speed or a rating.

    Flow grows with speed: the first fan affinity law, in the same duct and air.
    """
    if rpm is None or rating is None:
        return None
    return rating.cfm * rpm / rating.rpm
