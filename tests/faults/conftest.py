"""The fault table: `FAULTS=full` runs its long form and writes docs/faults.md."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleetpulse.stores.protocols import Store
from tests.faults.agents import FarKafka, running
from tests.faults.fleet import Fleet
from tests.faults.report import PAGE, Report
from tests.faults.stack import Scene, opened
from tests.services.dynamodb import DynamoDBLocal
from tests.services.dynamodb_proxy import DynamoDBProxy, Faults
from tests.services.kafka import Kafka
from tests.services.postgres import Postgres

LONGEST_UNDISTURBED_S = 300.0
# About a second's work, as of the other stores.
AHEAD_OF_DYNAMODB = {"reading": 2_000, "minute": 4_000}
REPORT = pytest.StashKey[Report]()


@dataclass(frozen=True, slots=True)
class Size:
    """How much is injected: a sample of each row for CI, or all of it."""

    full: bool

    def of(self, short: int, full: int) -> int:
        """The number for this size."""
        return full if self.full else short


def pytest_configure(config: pytest.Config) -> None:
    config.stash[REPORT] = Report()


def pytest_sessionfinish(session: pytest.Session) -> None:
    found = session.config.stash[REPORT]
    if is_full() and found.rows:
        PAGE.write_text(found.page())


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for row in config.stash[REPORT].rows:
        terminalreporter.write_line(str(row))


def is_full() -> bool:
    """Whether the long form was asked for."""
    return os.environ.get("FAULTS") == "full"


@pytest.fixture(scope="session")
def size() -> Size:
    """How much is injected."""
    return Size(full=is_full())


@pytest.fixture(scope="session")
def report(pytestconfig: pytest.Config) -> Report:
    """What was found."""
    return pytestconfig.stash[REPORT]


@pytest.fixture(scope="session")
def fleet(size: Size) -> Fleet:
    """The readings of every row; a row that needs fewer takes the first ones."""
    return Fleet(devices=120, ticks=size.of(720, 3_000))


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the stores of all rows are."""
    return tmp_path_factory.mktemp("stores")


@pytest.fixture(scope="session")
def undisturbed(kafka: Kafka, fleet: Fleet, stores: Path) -> Iterator[Store]:
    """What one consumer without any fault stores of the whole fleet."""
    scene = Scene(kafka, stores)
    scene.member().start()
    try:
        with scene.load(fleet.records) as load:
            scene.consume_all(load, LONGEST_UNDISTURBED_S)
    finally:
        scene.close()
    with opened(scene.url) as store:
        yield store


@pytest.fixture(scope="session")
def far_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FarKafka]:
    """A broker behind a proxy, for agents."""
    with running(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def scene(kafka: Kafka, stores: Path) -> Iterator[Scene]:
    """A topic and a SQLite store of one row; its consumers end with it."""
    made = Scene(kafka, stores)
    yield made
    made.close()


@pytest.fixture
def postgres_scene(kafka: Kafka, stores: Path, postgres: Postgres) -> Iterator[Scene]:
    """The same with a PostgreSQL store."""
    with postgres.database() as name:
        made = Scene(kafka, stores, postgres.url(name))
        yield made
        made.close()


@dataclass(frozen=True, slots=True)
class DynamoDBScene:
    """A scene on DynamoDB, and what the proxy before it can do."""

    scene: Scene
    faults: Faults


def layouts(sample: str) -> list[str]:
    """The layouts of DynamoDB that a row runs on: both, or in the short form this one."""
    return list(AHEAD_OF_DYNAMODB) if is_full() else [sample]


@pytest.fixture
def dynamodb_scene(
    kafka: Kafka,
    stores: Path,
    dynamodb: DynamoDBLocal,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[DynamoDBScene]:
    """The same with a DynamoDB store, in the layout that is the fixture's parameter."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    with DynamoDBProxy(dynamodb.endpoint) as proxy:
        url = dynamodb.url(
            f"faults{uuid.uuid4().hex[:8]}", layout=request.param, endpoint=proxy.endpoint
        )
        made = Scene(kafka, stores, url, ahead=AHEAD_OF_DYNAMODB[request.param])
        with contextlib.closing(made):
            yield DynamoDBScene(made, proxy.faults)


@pytest.fixture
def dynamodb_sample(
    kafka: Kafka, stores: Path, dynamodb: DynamoDBLocal, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scene]:
    """The same with a DynamoDB store as a large fleet has it, nothing wrong with it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    url = dynamodb.url(f"faults{uuid.uuid4().hex[:8]}", layout="minute")
    with contextlib.closing(Scene(kafka, stores, url)) as made:
        yield made


@pytest.fixture(params=["scene", "dynamodb_sample"] if is_full() else ["scene"])
def sampled_scene(request: pytest.FixtureRequest) -> Scene:
    """SQLite, and in the long form DynamoDB: for the faults that are not of one store."""
    made: Scene = request.getfixturevalue(request.param)
    return made


@pytest.fixture(params=["scene", "postgres_scene"])
def any_scene(request: pytest.FixtureRequest) -> Scene:
    """Each of the two, for the faults that must be tried on both."""
    made: Scene = request.getfixturevalue(request.param)
    return made
