"""A process whose store or broker is away waits for it, says so, and can be told to stop."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from fleetpulse.cli.readiness import problems_at
from fleetpulse.kafka import EmbeddedBroker
from tests.integration.processes import running, stopped, until
from tests.services.kafka import Kafka
from tests.services.ports import free_ports
from tests.services.postgres import Postgres

CONSUMER, BOT = ("consumer", "hardware"), ("bot",)

pytestmark = pytest.mark.integration


@pytest.fixture
def embedded_broker(tmp_path: Path) -> Iterator[None]:
    with closing(EmbeddedBroker(tmp_path)):
        yield


def asked(port: int, path: str) -> tuple[int, bytes]:
    """The status and the body of what is answered there; 0: nothing is."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=2)) as connection:
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""


def status(port: int, path: str) -> int:
    return asked(port, path)[0]


def is_well(port: int, part: str) -> bool:
    """Whether the process that answers there has no trouble with this part; others may have."""
    problems = problems_at(port)
    return problems is not None and part not in problems


@pytest.mark.usefixtures("embedded_broker")
@pytest.mark.parametrize("words", [CONSUMER, BOT], ids=lambda words: words[0])
def test_a_store_that_is_away_is_waited_for(
    tmp_path: Path, postgres: Postgres, words: Sequence[str]
) -> None:
    (port,) = free_ports(1)
    with postgres.database() as name:
        own = {"FLEETPULSE_STORE": postgres.url(name), "FLEETPULSE_OPS_PORT": str(port)}
        with postgres.down(), running(words, tmp_path, **own) as process:
            until(lambda: "store" in (problems_at(port) or ()))

            postgres.start()
            until(lambda: is_well(port, "store"))

            assert stopped(process) == 0


def test_the_api_waits_for_its_store_and_says_so(tmp_path: Path, postgres: Postgres) -> None:
    (port,) = free_ports(1)
    with postgres.database() as name:
        own = {"FLEETPULSE_STORE": postgres.url(name), "FLEETPULSE_PORT": str(port)}
        with postgres.down(), running(("api",), tmp_path, **own) as process:
            until(lambda: status(port, "/readyz") == 503)
            (check,) = json.loads(asked(port, "/readyz")[1])["checks"]
            assert (check["name"], check["ok"]) == ("store", False)
            assert status(port, "/healthz") == 200

            postgres.start()
            until(lambda: status(port, "/api/v1/fleet") == 200)

            assert stopped(process) == 0


def test_a_broker_that_is_away_is_waited_for(tmp_path: Path, kafka: Kafka) -> None:
    (port,) = free_ports(1)
    own = {
        "KAFKA_BROKER_SETTINGS": kafka.bootstrap_servers,
        "FLEETPULSE_TOPICS": kafka.topic(),
        "FLEETPULSE_OPS_PORT": str(port),
    }
    with kafka.down(), running(CONSUMER, tmp_path, **own) as process:
        until(lambda: "kafka" in (problems_at(port) or ()))

        kafka.start()
        until(lambda: problems_at(port) == {})

        assert stopped(process) == 0


@pytest.mark.parametrize("words", [CONSUMER, BOT, ("api",)], ids=lambda words: words[0])
def test_a_process_that_waits_can_be_told_to_stop(tmp_path: Path, words: Sequence[str]) -> None:
    port, store, broker = free_ports(3)
    own = {
        "FLEETPULSE_STORE": f"postgresql+psycopg://user:secret@127.0.0.1:{store}/fleet",
        "KAFKA_BROKER_SETTINGS": f"127.0.0.1:{broker}",
        "FLEETPULSE_PORT": str(port),
        "FLEETPULSE_OPS_PORT": str(port),
    }
    with running(words, tmp_path, **own) as process:
        until(lambda: status(port, "/readyz") == 503)

        assert stopped(process) == 0


def test_a_consumer_that_asks_for_its_broker_can_be_told_to_stop(tmp_path: Path) -> None:
    """It is within one question of the client's, which nothing interrupts."""
    ops, broker = free_ports(2)
    own = {"KAFKA_BROKER_SETTINGS": f"127.0.0.1:{broker}", "FLEETPULSE_OPS_PORT": str(ops)}
    with running(CONSUMER, tmp_path, **own) as process:
        until((tmp_path / "fleetpulse.db").exists)
        until(lambda: status(ops, "/readyz") != 0)

        assert stopped(process) == 0
