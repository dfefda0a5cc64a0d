"""Delivery from the spool to the API: for agents that have no access to Kafka, but a key.

`POST {api}/api/v1/readings` with the device's own ingest key; the API publishes what it accepts.
The promises are those of publish.py: in order, again and again until the API has it, and a reading
leaves the spool only then. A kill, or an answer that is lost, repeats readings, which the store
sees through; it never loses one. One request is under way at a time, in a thread of its own, so
that a network which is silent never holds up a measurement.

A reading that the API can never take (422) would hold up all others for ever: it is found by
sending fewer and fewer, given up, said, and counted as dropped. Any other answer is no reason to
give up anything: it may come from whatever stands between.
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import queue
import random
import re
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import msgspec

from fleetpulse.clock import Clock
from fleetpulse.errors import SettingsError
from generators.spool import Spool
from generators.spool_files import Entry

PATH = "/api/v1/readings"
MOST_READINGS = 500  # of one request: some 150 kB
TIMEOUT_S = 30.0
POLL_S = 0.5  # longest wait for an answer before looking around
FIRST_RETRY_S = 1.0  # doubled after each failure in a row
LONGEST_RETRY_S = 60.0
LONGEST_RETRY_AFTER_S = 600.0  # whatever the API asks for
_REASON_BYTES = 200

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request."""

    status: int | None = None  # None: no answer
    accepted: int | None = None  # readings that the API says it has
    retry_after: str | None = None
    reason: str = ""  # why there is none, or the body
    detail: str = ""  # what the API says of a refusal, in a sentence


Post = Callable[[bytes], Answer]  # sends one request; failures of the network are answers too


class Poster:
    """Requests to one API over a connection that is kept open. Not for several threads."""

    def __init__(self, api: str, key: str, timeout_s: float = TIMEOUT_S) -> None:
        """api: such as https://fleet.example.org. Raises SettingsError when it is no address."""
        connect, self._path = _target(api)
        self._connection = connect(timeout_s)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def __call__(self, body: bytes) -> Answer:
        for is_old in (self._connection.sock is not None, False):
            try:
                return self._answer(body)
            except (OSError, http.client.HTTPException) as problem:
                self._connection.close()  # the next request opens another
                reason, closed = _why(problem), isinstance(problem, ConnectionError)
                if not (is_old and closed):  # servers close what is idle, at any moment
                    break
        return Answer(reason=reason)

    def _answer(self, body: bytes) -> Answer:
        with contextlib.suppress(BrokenPipeError):  # it may have answered before it read all
            self._connection.request("POST", self._path, body=body, headers=self._headers)
        response = self._connection.getresponse()
        said = response.read()
        return Answer(
            status=response.status,
            accepted=_accepted(said) if response.status == 202 else None,
            retry_after=response.getheader("Retry-After"),
            reason=said[:_REASON_BYTES].decode(errors="replace"),
            detail=_detail(said) if response.status == 403 else "",
        )

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def key_tried(post: Post, device_id: str) -> Answer:
    """What the API says to no readings of this device; `accepted` is 0 when it takes the key."""
    return post(msgspec.json.encode({"device_id": device_id, "readings": []}))


class Uploader:
    """Moves readings from a spool to the API."""

    outlet = "api"

    def __init__(self, spool: Spool, *, api: str, post: Post, clock: Clock) -> None:
        """api: as people are told of it. post: used by one other thread only."""
        self.published = 0
        self._spool, self._api, self._clock = spool, _shown(api), clock
        self._most = MOST_READINGS  # of the next request
        self._under_way: list[Entry] = []
        self._failures = 0  # in a row
        self._wait_ms = 0.0  # after the last failure
        self._failed_ms = 0
        self._complaint = ""  # what was said of the API since it last took a reading
        self._bodies: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        threading.Thread(target=self._send, args=(post,), name="upload", daemon=True).start()

    @property
    def trouble(self) -> str:
        """Why the API did not take what was sent last, one sentence; empty: it did."""
        return self._complaint

    def deliver(self, seconds: float, stop: threading.Event) -> None:
        """Publish what waits, and wait, for this long or until `stop` is set."""
        began_ms = self._clock.now_ms()
        while not stop.is_set():
            self._feed()
            left_s = seconds - (self._clock.now_ms() - began_ms) / 1000
            if not 0 < left_s <= seconds:  # over, or the clock was set back
                return
            if self._under_way:
                self._receive(min(left_s, POLL_S))
            else:
                self._clock.wait(min(left_s, POLL_S) if self._spool.depth else left_s, stop)

    def drain(self, seconds: float) -> None:
        """Publish what waits, for at most this long."""
        began_ms = self._clock.now_ms()
        never = threading.Event()
        while self._spool.depth > 0 and not self._passed(began_ms, seconds * 1000):
            self._feed()
            if self._under_way:
                self._receive(0.1)
            else:
                self._clock.wait(0.1, never)

    def _send(self, post: Post) -> None:
        """The other thread: one request after the other."""
        while True:
            self._answers.put(post(self._bodies.get()))

    def _feed(self) -> None:
        """Have the next readings sent, if nothing is under way and no pause was asked for."""
        if self._under_way or not self._passed(self._failed_ms, self._wait_ms):
            return
        self._under_way = self._spool.take(self._most)
        if self._under_way:
            body = b",".join(entry.payload for entry in self._under_way)
            self._bodies.put(b"[%s]" % body)

    def _receive(self, seconds: float) -> None:
        try:
            answer = self._answers.get(timeout=seconds)
        except queue.Empty:
            return
        sent, self._under_way = self._under_way, []
        if answer.accepted == len(sent):
            self._accepted(sent)
        elif answer.status == 422 and len(sent) == 1:
            self._give_up(sent[0], answer)
        elif answer.status in (413, 422) and len(sent) > 1:
            self._most = len(sent) // 2  # at once, to get past it or to find out which it is
            self._spool.rewind()
        else:
            self._spool.rewind()
            self._complain(answer)
            self._pause(answer.retry_after)
        self._spool.settle()

    def _accepted(self, sent: list[Entry]) -> None:
        for entry in sent:
            self._spool.ack(entry.seq)
        self.published += len(sent)
        self._failures, self._wait_ms = 0, 0.0
        self._most = min(MOST_READINGS, 2 * self._most)
        if self._complaint:
            self._complaint = ""
            log.warning(
                "the API takes readings again",
                extra={"api": self._api, "waiting": self._spool.depth},
            )

    def _give_up(self, entry: Entry, answer: Answer) -> None:
        self._spool.give_up(entry.seq)
        log.error(
            "a reading is given up, and counted as dropped",
            extra={
                "api": self._api,
                "seq": entry.seq,
                "problem": answer.reason,
                "dropped": self._spool.dropped,
            },
        )

    def _pause(self, retry_after: str | None) -> None:
        """Wait as long as the API asks for, or longer after each failure in a row."""
        asked_s = _seconds(retry_after, self._clock.now_ms())
        if asked_s is None:
            asked_s = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** min(self._failures, 10))
            asked_s *= random.uniform(0.75, 1.0)  # noqa: S311 - a fleet must not return at once
        self._failures += 1
        self._failed_ms, self._wait_ms = self._clock.now_ms(), 1000 * asked_s

    def _complain(self, answer: Answer) -> None:
        """Say it once: not again before a reading got through, unless it is another thing."""
        sentence = told(answer)
        if sentence != self._complaint:
            self._complaint = sentence
            log.warning(
                "readings wait in the spool",
                extra={"api": self._api, "problem": sentence},
            )

    def _passed(self, since_ms: int, for_ms: float) -> bool:
        """Whether so much time has passed; also when the clock was set back."""
        return not 0 <= self._clock.now_ms() - since_ms < for_ms


_SENTENCES = {
    401: "does not know this key (401); put a valid one into FLEETPULSE_INGEST_KEY",
    403: "does not let this key send this device's readings (403); make one with"
    " `fleetpulse keys create` for this device",
    413: "takes not even one reading at a time (413); check FLEETPULSE_API",
    404: "has no place for readings (404); check FLEETPULSE_API",
    429: "asks for fewer requests (429)",
    503: "asks to wait (503)",
}


def told(answer: Answer) -> str:
    """What is wrong, for people: one sentence."""
    return f"The API {_said(answer)}."


def _said(answer: Answer) -> str:
    if answer.status is None:
        return f"does not answer ({answer.reason})"
    if answer.detail:
        return f"refuses ({answer.status}): {answer.detail.rstrip('.')}"
    if 300 <= answer.status < 400:
        return f"is somewhere else ({answer.status}); put its final address into FLEETPULSE_API"
    return _SENTENCES.get(answer.status, f"answers {answer.status}, not as the API does")


def _seconds(retry_after: str | None, now_ms: int) -> float | None:
    """The value of a Retry-After header, seconds or a date; None: there is no usable one."""
    if retry_after is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}", retry_after):
        return min(float(retry_after), LONGEST_RETRY_AFTER_S)
    try:
        until_s = parsedate_to_datetime(retry_after).timestamp()
    except ValueError:
        return None
    return min(max(0.0, until_s - now_ms / 1000), LONGEST_RETRY_AFTER_S)


def _accepted(said: bytes) -> int | None:
    """How many readings the API says that it has; None: whoever answers is not the API."""
    try:
        return msgspec.json.decode(said, type=_Accepted).accepted
    except msgspec.MsgspecError:
        return None


def _detail(said: bytes) -> str:
    """Why the API refuses; empty: whoever answers does not say, as the API would."""
    try:
        detail = msgspec.json.decode(said, type=_Problem).detail
    except msgspec.MsgspecError:
        return ""
    return "".join(filter(str.isprintable, detail))[:_REASON_BYTES]


class _Problem(msgspec.Struct):
    """The body of a refusal (RFC 9457)."""

    detail: str


class _Accepted(msgspec.Struct):
    """The body of a 202."""

    accepted: int


Connect = Callable[[float], http.client.HTTPConnection]
_CONNECTIONS: dict[str, type[http.client.HTTPConnection]] = {
    "http": http.client.HTTPConnection,
    "https": http.client.HTTPSConnection,
}


def _target(api: str) -> tuple[Connect, str]:
    """How to connect to the API, and the path of readings there. Raises SettingsError."""
    try:
        parts = urlsplit(api)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    is_plain = parts.username is None and re.search(r"\s", api) is None
    if host is None or not is_plain or parts.scheme not in _CONNECTIONS:
        raise SettingsError(
            "FLEETPULSE_API must be an address such as https://HOST or http://HOST:PORT."
        )
    make = _CONNECTIONS[parts.scheme]
    return lambda timeout_s: make(host, port, timeout=timeout_s), parts.path.rstrip("/") + PATH


def _shown(api: str) -> str:
    """The address for the log, without what may be secret in it."""
    parts = urlsplit(api)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _why(problem: Exception) -> str:
    """Why there is no answer, in a few words."""
    if isinstance(problem, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not trusted here: {problem.verify_message}; check FLEETPULSE_API,"
            " this machine's clock and its CA certificates"
        )
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror
    return str(problem) or type(problem).__name__
