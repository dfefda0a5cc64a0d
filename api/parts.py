"""What the application was made of, for the resources to use."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, current_app

from api.publish import Publisher
from api.track_records import TrackRecords
from fleetpulse import presence
from fleetpulse.clock import Clock
from fleetpulse.settings import Retention
from fleetpulse.stores.protocols import Store
from model.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The store, the models and the clock behind the answers."""

    store: Store
    registry: Registry
    clock: Clock
    interval_s: float  # how often devices are expected to send
    chat_url: str | None
    publisher: Publisher
    retention: Retention
    track_records: TrackRecords

    @property
    def stale_after_ms(self) -> int:
        """How old the newest reading may be before nothing is known of its device any more."""
        return presence.stale_after_ms(self.interval_s)


def install(app: Flask, parts: Parts) -> None:
    """Hand the parts to the application."""
    app.extensions["fleetpulse"] = parts


def parts() -> Parts:
    """The parts of the application that answers this request."""
    found: Parts = current_app.extensions["fleetpulse"]
    return found


def store() -> Store:
    """The store of the application that answers this request."""
    return parts().store


def now_ms() -> int:
    """The time of the application that answers this request, Unix ms."""
    return parts().clock.now_ms()
