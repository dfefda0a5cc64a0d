"""A bench to deliver on: a store, a chat application and a clock; processes come and go."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from fleetpulse.alerts import AlertEvent
from fleetpulse.clock import ManualClock
from fleetpulse.delivery.loop import Delivering
from fleetpulse.delivery.messages import Post
from fleetpulse.errors import NotifyError
from fleetpulse.health import Health
from fleetpulse.metrics import DeliveryMetrics, new_registry
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Delivery, Store
from fleetpulse.watch import Watch
from tests.contracts.builders import NOON, told

ADA, BOB = "telegram:1", "telegram:2"
PNG = b"a picture"
# How the message of a warning changes when an episode of the builders comes true.
CAME_TRUE = "has reached its limit, 1 min after this:"


def words_of(text: str) -> str:
    """What the first line says of the device."""
    return text.splitlines()[0].split("</b> ")[1]


class FakeSender:
    """Keeps what it is given; refuses when it is told to."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Post]] = []
        self.read: list[tuple[str, str]] = []  # where, and what it said, in the order of reading
        self.edited: list[tuple[str, str, Post]] = []  # where, the message's id, what it says now
        self.gone: set[str] = set()  # messages that people have deleted
        self.refusals: dict[str, NotifyError] = {}  # by chat id
        self.tries = 0
        self._lock = threading.Lock()

    can_edit = True

    def pause_s(self, where: str) -> float:
        return 0.0

    def edit(self, where: str, message_id: str, post: Post) -> bool:
        with self._lock:
            if where in self.refusals:
                raise self.refusals[where]
            if message_id in self.gone:
                return False
            self.edited.append((where, message_id, post))
            self.read.append((where, post.text))
            return True

    def send(self, where: str, post: Post) -> str:
        with self._lock:
            self.tries += 1
            if where in self.refusals:
                raise self.refusals[where]
            self.sent.append((where, post))
            self.read.append((where, post.text))
            return str(len(self.sent))

    def words(self, where: str = "1") -> list[str]:
        """What this chat has read of its devices, changes of messages among it."""
        return [words_of(text) for chat, text in self.read if chat == where]

    def texts(self, chat_id: str = "1") -> list[str]:
        """What this chat has read."""
        return [post.text for chat, post in self.sent if chat == chat_id]


class Bench:
    """A store, a chat application and a clock; processes come and go."""

    def __init__(self, *, listed: Sequence[str] = (ADA,)) -> None:
        self.store: Store = MemoryStore()
        self.sender = FakeSender()
        self.clock = ManualClock(NOON)
        self.listed = listed
        self.charted: list[str] = []
        self.start()

    def start(self) -> None:
        """A new process: it knows only what is stored."""
        self.health = Health()
        self.registry = new_registry("bot", self.health)
        self.process = Delivering(
            kind="telegram",
            store=self.store,
            sender=self.sender,
            clock=self.clock,
            chart=self.chart,
            listed=self.listed,
            watch=Watch("bot", self.store, self.clock),
            health=self.health,
            metrics=DeliveryMetrics(self.registry),
        )

    def chart(self, _store: Store, event: AlertEvent) -> bytes | None:
        self.charted.append(event.event_id)
        return PNG

    def happen(self, *events: AlertEvent, late_s: float = 0) -> None:
        """Events are stored, `late_s` after the time that the outbox has for them."""
        self.store.save(told(*events, stored_at=self.clock.now_ms() - round(late_s * 1000)))

    def later(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.process.step()

    def delivery_of(self, event: AlertEvent, target: str = ADA) -> Delivery:
        of_event = self.store.deliveries.of_events([event.event_id])
        return next(each for each in of_event if each.target == target)
