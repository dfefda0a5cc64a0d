"""Delivery over HTTP: in order, again and again, until the API has every reading."""

from __future__ import annotations

import json
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fleetpulse.clock import ManualClock, SystemClock
from fleetpulse.errors import SettingsError
from generators.spool import Spool
from generators.upload import MOST_READINGS, Answer, Poster, Uploader, told
from tests.services.certificates import Authority

NEVER = threading.Event()
KEY = "fp_ingest_secret"


class Api:
    """Takes readings, or says what a test wants it to say."""

    def __init__(self) -> None:
        self.seqs: list[int] = []
        self.sizes: list[int] = []  # of the requests
        self.answers: deque[Answer] = deque()  # given first
        self.judge: Callable[[list[int]], Answer | None] = lambda seqs: None

    def __call__(self, body: bytes) -> Answer:
        seqs = [reading["seq"] for reading in json.loads(body)]
        self.sizes.append(len(seqs))
        said = self.answers.popleft() if self.answers else self.judge(seqs)
        if said is not None:
            return said
        self.seqs += seqs
        return Answer(status=202, accepted=len(seqs))


class Setting:
    """A spool, an API and the uploader between them."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.api = Api()
        self.spool = Spool(folder, 8 * 1024 * 1024, self.clock)
        self.uploader = Uploader(
            self.spool, api="https://fleet.example.org", post=self.api, clock=self.clock
        )

    def fill(self, readings: int) -> None:
        for _ in range(readings):
            self.spool.append(b'{"seq":%d}' % self.spool.next_seq)

    def deliver(self, seconds: float = 5.0) -> None:
        """Deliver for so long by the manual clock, whatever the other thread takes."""
        until_ms = self.clock.now_ms() + seconds * 1000
        while self.clock.now_ms() < until_ms:
            self.uploader._feed()
            if self.uploader._under_way:
                self.uploader._receive(10.0)
            else:
                self.clock.advance(0.5)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Setting]:
    setting = Setting(tmp_path / "spool")
    yield setting
    setting.spool.close()


def test_readings_arrive_in_order_and_leave_the_spool(agent: Setting) -> None:
    agent.fill(3 * MOST_READINGS)

    agent.deliver()

    assert agent.api.seqs == list(range(1, 3 * MOST_READINGS + 1))
    assert agent.api.sizes == [MOST_READINGS] * 3
    assert (agent.uploader.published, agent.spool.depth) == (3 * MOST_READINGS, 0)


def test_delivering_takes_as_long_as_was_asked_for(agent: Setting) -> None:
    began_ms = agent.clock.now_ms()

    agent.uploader.deliver(5.0, NEVER)

    assert agent.clock.now_ms() - began_ms == 5000


@pytest.mark.parametrize("status", [None, 200, 302, 400, 401, 403, 404, 413, 429, 500, 502, 503])
def test_whatever_is_answered_nothing_is_lost_and_all_arrives_later(
    agent: Setting, status: int | None
) -> None:
    agent.api.judge = lambda _: Answer(status=status)
    agent.fill(5)
    agent.deliver(300)
    assert (agent.spool.depth, agent.spool.dropped) == (5, 0)

    agent.api.judge = lambda _: None
    agent.deliver(120)

    assert agent.api.seqs == [1, 2, 3, 4, 5]
    assert (agent.spool.depth, agent.spool.dropped) == (0, 0)


def test_a_202_of_somebody_else_is_not_believed(agent: Setting) -> None:
    agent.api.answers.append(Answer(status=202, accepted=None))
    agent.api.answers.append(Answer(status=202, accepted=1))
    agent.fill(2)

    agent.deliver(60)

    assert agent.api.seqs == [1, 2]


def test_an_outage_is_told_once_and_so_is_its_end(
    agent: Setting, caplog: pytest.LogCaptureFixture
) -> None:
    agent.api.judge = lambda _: Answer(status=401, reason="no such key")
    agent.fill(1)
    agent.deliver(600)
    during = agent.uploader.trouble
    agent.api.judge = lambda _: None
    agent.deliver(120)

    assert (during, agent.uploader.trouble) == (vars(caplog.records[0])["problem"], "")
    assert caplog.messages == ["readings wait in the spool", "the API takes readings again"]
    assert vars(caplog.records[0])["api"] == "https://fleet.example.org"
    assert vars(caplog.records[0])["problem"] == (
        "The API does not know this key (401); put a valid one into FLEETPULSE_INGEST_KEY."
    )


def test_a_door_that_stays_shut_is_not_knocked_at_all_the_time(agent: Setting) -> None:
    agent.api.judge = lambda _: Answer(status=401)
    agent.fill(1)

    agent.deliver(3600)

    assert 60 <= len(agent.api.sizes) <= 100


@pytest.mark.parametrize(
    "retry_after", ["120", "Tue, 10 Nov 2026 10:17:45 GMT"], ids=["seconds", "date"]
)
def test_the_api_says_when_to_come_again(tmp_path: Path, retry_after: str) -> None:
    agent = Setting(tmp_path / "asked")
    agent.clock.advance(1_794_305_745 - agent.clock.now_ms() / 1000)  # 120 s before that date
    agent.api.answers.append(Answer(status=429, retry_after=retry_after))
    agent.fill(1)

    agent.deliver(118)
    before = list(agent.api.sizes)
    agent.deliver(4)

    assert (before, agent.api.sizes) == ([1], [1, 1])
    agent.spool.close()


def test_what_is_too_much_at_once_goes_in_parts_and_the_parts_grow_again(agent: Setting) -> None:
    agent.api.judge = lambda seqs: Answer(status=413) if len(seqs) > 130 else None
    agent.fill(1000)
    agent.deliver()
    assert agent.api.seqs == list(range(1, 1001))

    agent.api.judge = lambda _: None
    agent.fill(2 * MOST_READINGS)
    agent.deliver()

    assert agent.api.sizes[-1] > 250
    assert agent.spool.dropped == 0


def test_a_reading_that_can_never_be_taken_is_given_up_and_counted(
    agent: Setting, caplog: pytest.LogCaptureFixture
) -> None:
    agent.api.judge = lambda seqs: Answer(status=422, reason="bad kind") if 77 in seqs else None
    agent.fill(300)

    agent.deliver()

    assert agent.api.seqs == [seq for seq in range(1, 301) if seq != 77]
    assert (agent.spool.depth, agent.spool.dropped) == (0, 1)
    told = vars(caplog.records[-1])
    assert (told["seq"], told["problem"], told["dropped"]) == (77, "bad kind", 1)


def test_a_network_that_is_silent_does_not_hold_up_measuring(tmp_path: Path) -> None:
    silence = threading.Event()

    def post(_: bytes) -> Answer:
        silence.wait(30)
        return Answer(reason="timed out")

    spool = Spool(tmp_path / "silent", 64 * 1024, SystemClock())
    spool.append(b"{}")
    uploader = Uploader(spool, api="http://pi", post=post, clock=SystemClock())

    uploader.deliver(0.02, NEVER)  # comes back
    uploader.drain(0.02)

    assert (spool.depth, silence.is_set()) == (1, False)
    silence.set()
    spool.close()


def test_draining_ends_at_once_when_nothing_waits(agent: Setting) -> None:
    began_ms = agent.clock.now_ms()

    agent.uploader.drain(2.0)

    assert agent.clock.now_ms() == began_ms


def test_a_clock_that_is_set_back_does_not_hold_delivery_up(agent: Setting) -> None:
    agent.api.answers.append(Answer(status=503, retry_after="60"))
    agent.fill(1)
    agent.deliver(2)
    agent.clock.advance(-3600)

    agent.deliver(2)

    assert agent.api.seqs == [1]


class Door(BaseHTTPRequestHandler):
    """A small server that speaks as the API does."""

    protocol_version = "HTTP/1.1"
    requests: list[tuple[str, str | None, int]] = []  # path, authorization, readings
    status = 202
    said: bytes | None = None  # in place of how many were taken
    closes = False  # after each answer, without saying so

    def do_POST(self) -> None:
        readings = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.requests.append((self.path, self.headers["Authorization"], len(readings)))
        said = self.said or json.dumps({"accepted": len(readings)}).encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(said)))
        self.send_header("Retry-After", "7")
        self.end_headers()
        self.wfile.write(said)
        self.close_connection = self.closes

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    monkeypatch.setattr(Door, "requests", [])
    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def post(door: ThreadingHTTPServer) -> Iterator[Poster]:
    made = Poster(f"http://127.0.0.1:{door.server_port}/fleet/", KEY)
    yield made
    made.close()


def test_the_key_goes_with_each_request_and_the_answer_comes_back(post: Poster) -> None:
    assert post(b'[{"seq":1},{"seq":2}]').accepted == 2
    assert post(b'[{"seq":3}]').accepted == 1

    assert Door.requests == [
        ("/fleet/api/v1/readings", f"Bearer {KEY}", 2),
        ("/fleet/api/v1/readings", f"Bearer {KEY}", 1),
    ]


def test_a_certificate_that_is_not_trusted_is_told_as_such(
    door: ThreadingHTTPServer, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Authority(tmp_path).server_file())
    door.socket = context.wrap_socket(door.socket, server_side=True)
    post = Poster(f"https://127.0.0.1:{door.server_port}", KEY)

    said = told(post(b"[]"))

    assert "its certificate is not trusted here: unable to get local issuer" in said
    assert "check FLEETPULSE_API" in said


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            b'{"detail": "The Host header names another machine."}',
            "The API refuses (403): The Host header names another machine.",
        ),
        (b'{"detail": "two\\nlines"}', "The API refuses (403): twolines."),
        (b"<html>", "The API does not let this key send this device's readings (403)"),
        (b'{"detail": 5}', "The API does not let this key send this device's readings (403)"),
    ],
)
def test_why_the_api_refuses_is_told_in_its_own_words(
    post: Poster, monkeypatch: pytest.MonkeyPatch, body: bytes, said: str
) -> None:
    monkeypatch.setattr(Door, "status", 403)
    monkeypatch.setattr(Door, "said", body)

    assert told(post(b"[]")).startswith(said)


def test_a_refusal_comes_back_with_its_retry_after(
    post: Poster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Door, "status", 429)

    answer = post(b"[]")

    assert (answer.status, answer.retry_after, answer.accepted) == (429, "7", None)


def test_a_connection_that_the_server_closed_meanwhile_is_made_anew(
    post: Poster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Door, "closes", True)

    answers = [post(b"[]").status for _ in range(3)]

    assert answers == [202, 202, 202]


def test_a_server_that_is_away_is_an_answer_too() -> None:
    post = Poster("http://127.0.0.1:9", KEY)

    assert post(b"[]") == Answer(reason="Connection refused")


@pytest.mark.parametrize(
    "api",
    [
        "",
        "fleet.example.org",
        "ftp://x",
        "https://",
        "http://h:x",
        "https://me:pw@host",
        "http://my host",
    ],
)
def test_what_is_no_address_is_refused_without_repeating_it(api: str) -> None:
    with pytest.raises(SettingsError, match="FLEETPULSE_API must be an address") as refused:
        Poster(api, KEY)

    assert "pw" not in str(refused.value)
