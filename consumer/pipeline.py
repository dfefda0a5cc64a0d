"""The loop: from the source through the stages to the sink."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from consumer.batch import Batch, Refused

Stage = Callable[[Batch], Batch]


class Source(Protocol):
    """Where batches come from."""

    def next_batch(self) -> Batch:
        """The next readings; of no rows when nothing came, since time passes all the same."""

    def hold_while(self, write: Callable[[], None], stop: threading.Event) -> bool:
        """Do `write` until it succeeds; False: stopped first."""

    def commit(self, batch: Batch) -> None:
        """Say that the batch is safe."""


class Sink(Protocol):
    """Where batches go."""

    def write(self, batch: Batch) -> None:
        """Save it; the same batch may come twice."""


class Letters(Protocol):
    """Where records go that will never be readings."""

    def deliver(self, refused: Sequence[Refused]) -> None:
        """Return once they are safe."""


def _nothing(_: str) -> None:
    """The default of `reached`."""


def run(
    source: Source,
    stages: Sequence[Stage],
    letters: Letters,
    sink: Sink,
    stop: threading.Event,
    *,
    reached: Callable[[str], None] = _nothing,
) -> None:
    """Move batches from source to sink until `stop` is set.

    Write, then commit: a crash in between repeats a batch and never loses one, so every sink must
    accept the same batch twice. reached: told the name of each step once it is done; tests end the
    process there.
    """
    while not stop.is_set():
        batch = source.next_batch()
        reached("read")
        for stage in stages:
            batch = stage(batch)
        reached("staged")
        if not source.hold_while(partial(letters.deliver, batch.refused), stop):
            return
        reached("lettered")
        if not source.hold_while(partial(sink.write, batch), stop):
            return
        reached("written")
        source.commit(batch)
        reached("committed")
