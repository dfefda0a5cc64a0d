"""A chat whose calls hang, as they do until a time-out, and what the others are told meanwhile."""

from __future__ import annotations

import threading

from fleetpulse.delivery.messages import Post
from tests.contracts.builders import an_event
from tests.unit.delivery.bench import ADA, BOB, Bench, FakeSender

LONG_S = 5.0  # for what takes milliseconds unless it never comes


class HangingSender(FakeSender):
    """Ada's calls hang until they are let go; what Bob is told is known at once."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()
        self.bob_is_told = threading.Semaphore(0)

    def send(self, where: str, post: Post) -> str:
        if where == "1":
            self.let_go.wait()
        message_id = super().send(where, post)
        if where == "2":
            self.bob_is_told.release()
        return message_id


def test_while_the_calls_of_one_chat_hang_the_others_are_told_what_happens_next() -> None:
    bench = Bench(listed=[ADA, BOB])
    sender = HangingSender()
    bench.sender = sender
    bench.start()
    bench.process.step()
    stop = threading.Event()

    def deliver() -> None:
        while not stop.is_set():
            bench.process.step()

    process = threading.Thread(target=deliver)
    bench.happen(an_event(device_id="pi-1"))
    process.start()
    try:
        at_once = sender.bob_is_told.acquire(timeout=10)
        bench.happen(an_event(device_id="pi-2"))
        next_one = sender.bob_is_told.acquire(timeout=LONG_S)
    finally:
        sender.let_go.set()
        stop.set()
        process.join()

    assert (at_once, next_one) == (True, True)
