"""`fleetpulse doctor` with real connections: what answers, what refuses, what is not there."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from fleetpulse.cli import doctor_questions
from fleetpulse.cli.doctor import Asked, State, finding_of
from fleetpulse.kafka import EmbeddedBroker
from tests.services.ports import free_ports
from tests.services.schema_registry import SchemaRegistry

pytestmark = pytest.mark.integration


class Elsewhere(BaseHTTPRequestHandler):
    """Sends everybody elsewhere, and keeps what was asked."""

    paths: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.paths.append(self.path)
        self.send_response(302)
        self.send_header("Location", self.path.replace("/bot", "/elsewhere"))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The address of a server that redirects."""
    Elsewhere.paths.clear()
    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def said_of(part: str) -> tuple[State, str]:
    """What comes of the question about this part."""
    found = finding_of(next(each for each in doctor_questions.QUESTIONS if each.part == part))
    return found.state, found.said


def test_a_broker_that_answers_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broker = EmbeddedBroker(tmp_path)
    monkeypatch.setenv("FLEETPULSE_DATA", str(tmp_path))

    state, said = said_of("broker")

    assert (state, said) == (State.OK, f"{broker.address}: brokers 1, topics 0")
    broker.close()


@pytest.mark.parametrize(("login", "state"), [(None, State.OK), ("u:other", State.NOT_OK)])
def test_a_schema_registry_answers_or_refuses(
    monkeypatch: pytest.MonkeyPatch, login: str | None, state: State
) -> None:
    with SchemaRegistry(login=login) as registry:
        monkeypatch.setenv("KAFKA_SCHEMA_ENDPOINT", registry.endpoint)
        monkeypatch.setenv("SCHEMA_USERNAME", "u")
        monkeypatch.setenv("SCHEMA_PASSWORD", "geheim")

        found, said = said_of("schema registry")

    assert found is state, said
    assert "geheim" not in said


def test_a_redirect_does_not_get_the_token(elsewhere: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEGRAM_TOKEN", "1:geheim")
    monkeypatch.setenv("FLEETPULSE_TELEGRAM_API", elsewhere)

    state, said = said_of("Telegram")

    assert Elsewhere.paths == ["/bot1:geheim/getMe"]
    assert state is State.NOT_OK
    assert "geheim" not in said


def test_what_is_not_there_is_told_within_the_time_and_without_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (port,) = free_ports(1)
    nobody = f"127.0.0.1:{port}"
    for name, value in {
        "KAFKA_BROKER_SETTINGS": nobody,
        "KAFKA_SCHEMA_ENDPOINT": f"http://user:geheim@{nobody}",
        "FLEETPULSE_API": f"http://{nobody}",
        "FLEETPULSE_INGEST_KEY": "fp_geheim",
        "FLEETPULSE_STORE": f"postgresql+psycopg://user:geheim@{nobody}/x",
        "FLEETPULSE_MODELS": f"s3://bucket/models?region=x&endpoint=http://{nobody}",
        "AWS_ACCESS_KEY": "key",
        "AWS_SECRET_ACCESS_KEY": "geheim",
        "TELEGRAM_TOKEN": "1:geheim",
        "FLEETPULSE_TELEGRAM_API": f"http://{nobody}",
    }.items():
        monkeypatch.setenv(name, value)

    settings, *findings = Asked(doctor_questions.QUESTIONS, 5).findings()

    assert (settings.part, settings.state) == ("settings", State.OK)
    assert {each.state for each in findings} == {State.NOT_OK}
    assert not [each for each in findings if "geheim" in each.said]
    assert not [each for each in findings if not re.search("(FLEETPULSE|KAFKA)_[A-Z]+", each.said)]
