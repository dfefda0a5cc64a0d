"""A process from its start to its end: it waits for what it needs, and ends in time."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from fleetpulse.clock import Clock
from fleetpulse.errors import BrokerAway, StoreAway, StoreBusy
from fleetpulse.health import Health

AGAIN_S = 2.0
END_WITHIN_S = 8.0  # the promise is 10; the rest is for the interpreter
UNFINISHED = 1  # the exit code of a process that was not done in time

log = logging.getLogger(__name__)

Made = TypeVar("Made")


class ToldToStop(Exception):
    """The process was told to stop before it had what it needs."""


def when_there(
    make: Callable[[], Made], *, part: str, health: Health, clock: Clock, stop: threading.Event
) -> Made:
    """What `make` gives, asked again while the service behind it is away.

    part: what /readyz calls it meanwhile. Raises ToldToStop once `stop` is set, and at once
    whatever no waiting mends.
    """
    while True:
        try:
            made = make()
        except (BrokerAway, StoreAway, StoreBusy) as problem:
            health.report(part, str(problem))
        else:
            health.report(part, None)
            return made
        if clock.wait(AGAIN_S, stop):
            raise ToldToStop


def on_stop_signal(tell: Callable[[], object]) -> None:
    """Call `tell` on SIGTERM and SIGINT, and see to it that the process ends in time then.

    tell: called in a thread of its own. What talks to a broker or a disk that hangs may hang with
    it. All that matters is safe before it is acknowledged, so a process that is not done in time
    leaves as one that is killed does.
    """
    signals, writer = socket.socketpair()
    writer.setblocking(False)
    # Python calls its handlers in the main thread, once that is back from whatever library it is
    # in; the number of the signal is written here at once.
    signal.set_wakeup_fd(writer.detach(), warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    threading.Thread(target=_end, args=(signals, tell), name="signals", daemon=True).start()


def _end(signals: socket.socket, tell: Callable[[], object]) -> None:
    """Tell once a signal is there; a process that ends by itself does not wait for the rest."""
    signals.recv(1)
    tell()
    time.sleep(END_WITHIN_S)
    log.warning(
        "not done in time; leaving as it is, the next start goes on from what is safe",
        extra={"seconds": END_WITHIN_S},
    )
    logging.shutdown()
    os._exit(UNFINISHED)
