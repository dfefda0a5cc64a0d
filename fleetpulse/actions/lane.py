"""One channel as the delivery loop sees it: it answers in time, and says how it is."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress

from fleetpulse.actions.channels import Channel
from fleetpulse.clock import Clock
from fleetpulse.delivery.messages import Post
from fleetpulse.errors import NotifyError
from fleetpulse.health import Health

SEND_S = 90.0  # what takes longer is tried again
GIVE_UP_MS = 3 * 24 * 3_600_000  # a message all of whose events are older is of no use

log = logging.getLogger(__name__)


class Lane:
    """Sends through one channel, and reports its health as `notify:<name>`."""

    def __init__(self, name: str, channel: Channel, *, clock: Clock, health: Health) -> None:
        self._part, self._channel = f"notify:{name}", channel
        self._name, self._clock, self._health = name, clock, health
        self._worker: threading.Thread | None = None
        self._outcome: Future[str] = Future()

    def send(self, post: Post) -> str:
        """The message's id. Raises NotifyError."""
        try:
            message_id = self._in_time(post)
        except NotifyError as problem:
            self._health.report(self._part, f"The channel {self._name} fails: {problem}.")
            raise self._at_last(problem, post) from problem
        self._health.report(self._part, None)
        return message_id

    def leave(self) -> None:
        """Wait no longer for what is being sent: the process ends."""
        with suppress(InvalidStateError):
            self._outcome.set_exception(NotifyError("the process is stopping"))

    def _in_time(self, post: Post) -> str:
        """Send in a thread of its own, which may hang without us."""
        if self._worker is not None and self._worker.is_alive():
            raise NotifyError("it still hangs in the message before")
        self._outcome = Future()
        # A daemon: what hangs in a send must not hold up the end of the process.
        self._worker = threading.Thread(
            target=_settle, args=(self._outcome, self._channel, post), name=self._part, daemon=True
        )
        self._worker.start()
        try:
            return self._outcome.result(SEND_S)
        except TimeoutError as problem:
            raise NotifyError(f"it did not end within {SEND_S:.0f} s") from problem

    def _at_last(self, problem: NotifyError, post: Post) -> NotifyError:
        """The problem, or the end of it: what is too old is given up."""
        newest = max((event.at for event in post.events), default=self._clock.now_ms())
        if problem.permanent or self._clock.now_ms() - newest < GIVE_UP_MS:
            return problem
        return NotifyError(f"too old; {problem}", permanent=True, only_message=True)


def _settle(outcome: Future[str], channel: Channel, post: Post) -> None:
    """Send, and say how it went to whoever still waits."""
    with suppress(InvalidStateError):
        try:
            outcome.set_result(channel.send(post))
        except NotifyError as problem:
            outcome.set_exception(problem)
        except InvalidStateError:
            raise
        except Exception as problem:  # a library's own fault must not end the other channels
            log.exception("a channel broke")
            outcome.set_exception(NotifyError(f"it broke ({type(problem).__name__})"))
