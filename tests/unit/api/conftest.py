"""An application on a memory store, a clock that stands still, and builders for what it shows."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api import create_app
from fleetpulse.clock import ManualClock
from fleetpulse.stores.memory import MemoryStore
from tests.unit.api.builders import CARD, FakePublisher, FakeRegistry


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def publisher() -> FakePublisher:
    return FakePublisher()


@pytest.fixture
def app(store: MemoryStore, clock: ManualClock, publisher: FakePublisher) -> Flask:
    return create_app(store, FakeRegistry([CARD]), clock=clock, interval_s=5.0, publisher=publisher)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()
