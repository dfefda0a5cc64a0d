"""The schema registry, where there is one, and what a consumer does with the ids that it meets.

With KAFKA_SCHEMA_ENDPOINT set, whoever publishes readings registers the schema and puts its id
before each record, and consumers ask whether an id stands for readings. The client is imported only
then: its 24 MB are nearly as much as an agent takes.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fleetpulse import wire
from fleetpulse.clock import Clock, SystemClock
from fleetpulse.errors import BrokerError, DecodeError, SchemaError, SettingsError
from fleetpulse.settings import KafkaSettings
from fleetpulse.telemetry import Reading

if TYPE_CHECKING:
    from fleetpulse.schema_registry import SchemaRegistry

WAIT_MS = 500  # most that the readings wait for a registry, within WINDOW_MS
WINDOW_MS = 10_000
ASK_AGAIN_MS = 10_000  # for an id that nobody could tell about
PAUSE_S = 1.0  # after a question without an answer
END_S = 1.0  # for the question under way, at the end
HEADER_AGAIN_MS = 4_000  # for one that was not to be had; less than the API asks to wait
MOST_UNKNOWN = 1000  # ids that are remembered as unknown, and questions that wait

Decode = Callable[[bytes | None], tuple[Reading, int]]

log = logging.getLogger(__name__)


def open_registry(settings: KafkaSettings) -> SchemaRegistry | None:
    """The schema registry of these settings; None: there is none. Raises SettingsError."""
    if settings.schema_endpoint is None:
        return None
    try:
        from fleetpulse.schema_registry import SchemaRegistry  # see above: its memory
    except ImportError:
        raise SettingsError(
            "KAFKA_SCHEMA_ENDPOINT: the schema registry's client is not installed;"
            " run: pip install 'fleetpulse[schema]'"
        ) from None
    user, password = settings.schema_username, settings.schema_password
    login = None
    if user is not None and password is not None:
        login = f"{user.get_secret_value()}:{password.get_secret_value()}"
    return SchemaRegistry(settings.schema_endpoint, login)


class Headers:
    """What goes before the records of each topic: asked for once, and kept.

    Threads may share it. One of them asks; the others, and whoever comes within seconds of an ask
    that failed, do not wait for a registry that is away.
    """

    def __init__(self, ask: Callable[[str], bytes], clock: Clock) -> None:
        """ask: what goes before each record of a topic; raises SchemaError."""
        self._ask, self._clock = ask, clock
        self._lock = threading.Lock()
        self._known: dict[str, bytes] = {}
        self._failed: dict[str, tuple[int, str]] = {}  # when, Unix ms, and why

    def before(self, topic: str) -> bytes:
        """What goes before each record of a topic. Raises SchemaError until it is known."""
        found = self._known.get(topic)
        if found is not None:
            return found
        with self._lock:
            if topic not in self._known:
                self._known[topic] = self._asked(topic)
            return self._known[topic]

    def _asked(self, topic: str) -> bytes:
        failed_at, cause = self._failed.get(topic, (0, ""))
        if cause and 0 <= self._clock.now_ms() - failed_at < HEADER_AGAIN_MS:
            raise SchemaError(cause)
        try:
            return self._ask(topic)
        except SchemaError as problem:
            self._failed[topic] = (self._clock.now_ms(), str(problem))
            raise


@contextmanager
def record_headers(settings: KafkaSettings) -> Iterator[Headers]:
    """What goes before the records of each topic: nothing where there is no registry.

    Raises SettingsError.
    """
    registry = open_registry(settings)
    if registry is None:
        yield Headers(lambda topic: b"", SystemClock())
        return
    try:
        yield Headers(registry.header, SystemClock())
    finally:
        registry.close()


@contextmanager
def checked_decode(settings: KafkaSettings) -> Iterator[Decode]:
    """The decoder of records: wire.decode, with schema ids checked where there is a registry.

    Raises SettingsError.
    """
    registry = open_registry(settings)
    if registry is None:
        yield wire.decode
        return
    check = SchemaCheck(registry.objection, SystemClock())
    try:
        yield check.decode
    finally:
        check.close()
        registry.close()


@dataclass(frozen=True, slots=True)
class _Question:
    header: bytes
    answered: threading.Event = field(default_factory=threading.Event)


class SchemaCheck:
    """Decodes records; a framed one whose schema is not that of a reading is refused.

    What is known of an id is kept for ever. An id that nobody can tell about now is accepted, since
    JSON describes itself, and asked for again in the background. To ask holds the records up for
    half a second at most, and that at most once in ten.
    """

    def __init__(
        self, ask: Callable[[int], str | None], clock: Clock, *, pause_s: float = PAUSE_S
    ) -> None:
        """ask: why records of a schema id are no readings, None: they can be; raises BrokerError.

        pause_s: the thread's rest after each question that was not answered.
        """
        self._ask, self._clock, self._pause_s = ask, clock, pause_s
        self._objections: dict[bytes, str] = {}  # by header; empty: none
        self._asked_at: dict[bytes, int] = {}  # of what is not known, Unix ms
        self._waits: list[tuple[int, int]] = []  # when they were over and how long, in ms
        self._questions: queue.Queue[_Question | None] = queue.Queue(MOST_UNKNOWN)
        self._thread: threading.Thread | None = None
        self._over = threading.Event()
        self._complaint = ""

    def decode(self, value: bytes | None) -> tuple[Reading, int]:
        """As wire.decode; raises DecodeError also for a schema that is not of readings."""
        if value and value[0] == 0:
            header = value[: wire.HEADER_BYTES]
            found = self._objections.get(header)
            if found is None:
                found = self._look_up(header)
            if found:
                raise DecodeError("schema", f"id {wire.schema_id(header)}: {found}")
        return wire.decode(value)

    def close(self) -> None:
        """Ask no more."""
        self._over.set()
        with suppress(queue.Full):  # then it looks at `_over` soon enough
            self._questions.put_nowait(None)
        if self._thread is not None:
            self._thread.join(END_S)

    def _look_up(self, header: bytes) -> str:
        """What is known of an id after asking; what is not known has no objection."""
        if len(header) < wire.HEADER_BYTES:
            return ""  # no id, and no JSON either
        now_ms = self._clock.now_ms()
        asked_at = self._asked_at.get(header)
        if asked_at is not None and 0 <= now_ms - asked_at < ASK_AGAIN_MS:
            return ""
        question = _Question(header)
        try:
            self._questions.put_nowait(question)
        except queue.Full:
            return ""
        self._remember(header, now_ms)
        self._work()
        if asked_at is None:
            self._wait(question, now_ms)
        return self._objections.get(header, "")

    def _remember(self, header: bytes, now_ms: int) -> None:
        self._asked_at.pop(header, None)
        if len(self._asked_at) >= MOST_UNKNOWN:
            del self._asked_at[next(iter(self._asked_at))]
        self._asked_at[header] = now_ms

    def _wait(self, question: _Question, now_ms: int) -> None:
        """Wait for an answer, as long as is left of the time that may be waited."""
        self._waits = [wait for wait in self._waits if 0 <= now_ms - wait[0] < WINDOW_MS]
        left_ms = WAIT_MS - sum(waited_ms for _, waited_ms in self._waits)
        if left_ms > 0:
            self._clock.wait(left_ms / 1000, question.answered)
            over_ms = self._clock.now_ms()
            self._waits.append((over_ms, min(max(1, over_ms - now_ms), left_ms)))

    def _work(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._answer, daemon=True, name="schemas")
            self._thread.start()

    def _answer(self) -> None:
        while (question := self._questions.get()) is not None and not self._over.is_set():
            is_known = self._is_told(question.header)
            question.answered.set()
            if not is_known:
                self._over.wait(self._pause_s)

    def _is_told(self, header: bytes) -> bool:
        """Whether the registry tells what an id stands for."""
        number = wire.schema_id(header)
        try:
            found = self._ask(number) or ""
        except BrokerError as problem:
            self._complain(str(problem))
            return False
        except Exception as problem:  # a thread that ends would leave all further ids unknown
            if self._over.is_set():  # the client was closed meanwhile
                return False
            if self._complaint != repr(problem):
                self._complaint = repr(problem)
                log.exception("no schema; trying on", extra={"schema_id": number})
            return False
        self._objections[header], self._complaint = found, ""
        log.info("schema known", extra={"schema_id": number, "objection": found or None})
        return True

    def _complain(self, sentence: str) -> None:
        """Say it once, until the registry tells something."""
        if sentence != self._complaint:
            self._complaint = sentence
            log.warning("records are read without their schema", extra={"problem": sentence})
