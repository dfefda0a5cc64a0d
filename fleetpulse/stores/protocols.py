"""What a store keeps and promises; tests/contracts/ holds every backend to it.

Times are Unix ms. Every method may raise StoreBusy (ask again later) or StoreError. Lists come back
in a stated order, and pages continue after a key, never by counting rows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import msgspec

from fleetpulse.alerts import AlertEvent, AlertState, RuleChange, Severity, State, Status
from fleetpulse.stores.documents import DocumentStore
from fleetpulse.telemetry import CHANNELS, Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Scored readings as columns of n values each; NaN: missing."""

    device_ids: Sequence[str]
    measured_at: Sequence[int]
    seq: Sequence[int]
    channels: Sequence[Sequence[float]]  # one column per channel, in the order of CHANNELS
    rejected: Sequence[int]  # channels that came with an impossible value
    probability: Sequence[float]  # of the worst rule
    expected_s: Sequence[float]  # seconds until it is expected to hold
    status: Sequence[Status]
    causes: Mapping[int, Sequence[str]]  # by row; only warnings have causes
    model_version: str | None
    stored_before: Set[int] = frozenset()  # rows that stay as they are if they are stored, surely

    def __len__(self) -> int:
        return len(self.device_ids)


class StoredReading(msgspec.Struct, frozen=True, kw_only=True):
    """A reading with its prediction, as it is read back. None: missing or not known."""

    device_id: str
    measured_at: int
    seq: int
    temperature_c: float | None = None
    power_w: float | None = None
    load_pct: float | None = None
    voltage_v: float | None = None
    fan_cfm: float | None = None
    clock_ghz: float | None = None
    requested_clock_ghz: float | None = None
    load_1m: float | None = None
    throttled: float | None = None
    undervoltage: float | None = None
    memory_pct: float | None = None
    disk_pct: float | None = None
    rejected: int = 0
    probability: float | None = None
    expected_s: float | None = None
    status: Status = Status.UNKNOWN
    causes: list[str] = []
    model_version: str | None = None

    def channels(self) -> list[tuple[Channel, float | None]]:
        """Every channel with its value, in the order of CHANNELS."""
        return [(channel, getattr(self, channel.name)) for channel in CHANNELS]


NO_ROWS = Rows(
    device_ids=(),
    measured_at=(),
    seq=(),
    channels=[()] * len(CHANNELS),
    rejected=(),
    probability=(),
    expected_s=(),
    status=(),
    causes={},
    model_version=None,
)


class Resolution(StrEnum):
    """How fine readings are kept: each of them, or a rollup per minute or hour."""

    RAW = "raw"
    MINUTE = "1m"
    HOUR = "1h"


BUCKET_MS: Mapping[Resolution, int] = {Resolution.MINUTE: 60_000, Resolution.HOUR: 3_600_000}

Bucket = tuple[str, int]  # device_id, and where the bucket begins: a multiple of its length


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """One channel over a bucket, of the readings that have it; in the channel's unit."""

    count: int
    min: float
    max: float
    mean: float
    last: float


class Rollup(msgspec.Struct, frozen=True, kw_only=True):
    """The readings of one device in one bucket, in short."""

    device_id: str
    measured_at: int  # where the bucket begins, Unix ms
    resolution: Resolution
    count: int  # readings
    channels: dict[str, Spread]  # by channel name; one that no reading has is left out
    probability: float | None = None  # the worst


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A machine that has sent at least one reading."""

    device_id: str
    kind: str
    first_seen_at: int  # event time of its first stored reading
    clock_ahead_ms: int | None = None  # of its last refused record; negative: set back so far
    clock_ahead_at: int | None = None  # when that was, by our clock


class ClockAhead(msgspec.Struct, frozen=True, kw_only=True):
    """A device that dates its readings in the future, or that has gone back in time."""

    device_id: str
    kind: str
    ahead_ms: int  # negative: how far back its clock was set
    at: int  # Unix ms, our clock


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One episode of one rule of one device, as its newest event left it."""

    alert_id: str  # "<device>:<rule>:<episode>"
    device_id: str
    kind: str
    rule: str
    episode: int
    state: State  # current
    severity: Severity  # the worst so far
    opened_at: int
    changed_at: int
    closed_at: int | None = None  # recovered, or the danger passed
    stressed_at: int | None = None  # when the limit was reached, if it was
    probability: float | None = None  # at opening
    expected_s: float | None = None  # at opening
    value: float | None = None  # newest
    limit: float | None = None
    causes: list[str] = []  # at opening
    model_version: str | None = None
    acknowledged_at: int | None = None  # somebody has seen it
    acknowledged_by: str | None = None


class Opinion(StrEnum):
    """What an owner thinks of a warning."""

    RIGHT = "right"
    FALSE_ALARM = "false_alarm"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """An owner's opinion of one alert."""

    alert_id: str
    opinion: Opinion
    said_at: int  # Unix ms
    said_by: str  # "telegram:<chat id>", "key:<key id>", or "" for whoever is at this machine


class StoredEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An alert event in the outbox, and when it was written there (our clock)."""

    event: AlertEvent
    stored_at: int


class Progress(StrEnum):
    """How far a delivery is."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"  # given up
    FOLDED = "folded"  # told as part of a summary


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event for one chat or channel: the table of these is the queue."""

    event_id: str
    target: str  # "telegram:<chat id>", "notify:<channel>"
    due_at: int  # of one that was sent and waits: when it is told again
    progress: Progress = Progress.WAITING
    attempts: int = 0
    sent_at: int | None = None
    message_id: str | None = None  # the channel's own; "in " before it: with others' events
    error: str | None = None  # of the last attempt


class Chat(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who is told."""

    chat_id: str  # "telegram:<chat id>"
    title: str
    subscribed_at: int
    active: bool = True


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """A process that said it is alive."""

    process: str
    at: int
    detail: str = ""


class Scope(StrEnum):
    """What a key opens."""

    READ = "read"
    ACT = "act"  # rules, and what owners do with alerts
    ADMIN = "admin"  # everything, keys too
    INGEST = "ingest"  # sending readings, of the key's own device


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key as it is kept: only the hash of its secret part."""

    key_id: str  # the public part
    digest: str  # SHA-256 of the secret part, hexadecimal
    name: str
    scopes: list[Scope]
    device_id: str | None = None  # the only device that it is for
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None


class ReadingStore(Protocol):
    """Readings with their predictions, and their rollups."""

    def latest(self, device_id: str) -> StoredReading | None:
        """The newest by (measured_at, seq), whatever the order of arrival."""

    def latest_of(self, device_ids: Collection[str]) -> Mapping[str, StoredReading]:
        """The newest of each; devices without readings are left out."""

    def page(
        self,
        device_id: str,
        *,
        since: int | None = None,
        until: int | None = None,
        after: tuple[int, int] | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> Sequence[StoredReading]:
        """At most `limit` readings with since <= measured_at < until, in time order.

        after: the (measured_at, seq) of the last one of the page before.
        """

    def count(self, device_id: str | None = None) -> int:
        """How many are stored, of one device or of all."""

    def rejected_since(self, device_ids: Collection[str], since: int) -> Mapping[str, int]:
        """How many channel values of each were impossible since then; none: left out."""

    def rollups(
        self,
        device_id: str,
        resolution: Resolution,
        *,
        since: int | None = None,
        until: int | None = None,
        after: int | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> Sequence[Rollup]:
        """At most `limit` rollups that begin at since <= measured_at < until, in time order.

        resolution: MINUTE or HOUR. after: the measured_at of the last one of the page before.
        """


class DeviceStore(Protocol):
    """The machines."""

    def get(self, device_id: str) -> Device | None:
        """One device, or None."""

    def page(self, *, after: str | None = None, limit: int = 100) -> Sequence[Device]:
        """In the order of their ids."""

    def clocks_ahead(self, found: Sequence[ClockAhead]) -> None:
        """Remember how far these clocks were ahead, one a device; makes devices if need be."""


class AlertStore(Protocol):
    """States, episodes and the outbox of events."""

    def states_of(self, device_ids: Collection[str]) -> Sequence[AlertState]:
        """Every state stored for these devices."""

    def page(
        self,
        *,
        device_id: str | None = None,
        open_only: bool = False,
        since: int | None = None,
        until: int | None = None,
        before: tuple[int, str] | None = None,
        limit: int = 100,
    ) -> Sequence[Alert]:
        """Episodes, newest first by (opened_at, alert_id); since <= opened_at < until."""

    def events_page(
        self,
        *,
        device_id: str | None = None,
        since: int | None = None,
        until: int | None = None,
        before: tuple[int, str] | None = None,
        limit: int = 100,
    ) -> Sequence[AlertEvent]:
        """Events, newest first by (at, event_id); since <= at < until."""

    def get(self, alert_id: str) -> Alert | None:
        """One episode, or None."""

    def event(self, event_id: str) -> AlertEvent | None:
        """One event, or None."""

    def judge(self, verdict: Verdict) -> None:
        """Add an owner's verdict, or replace the one that the alert has."""

    def verdicts_of(self, alert_ids: Collection[str]) -> Mapping[str, Verdict]:
        """The verdicts of these alerts; those without one are left out."""

    def stored_since(self, stored_at: int, *, limit: int = 1000) -> Sequence[StoredEvent]:
        """Events written to the outbox at or after that moment, oldest first.

        Every save has a later moment than the saves before it, whatever the clocks of the writers:
        a reader that goes on after the newest stored_at it has seen misses nothing. Events of one
        moment are never parted, so that it always gets on; the list may be longer than `limit`.
        """


class DeliveryStore(Protocol):
    """The queue of messages."""

    def position(self, reader: str) -> int:
        """Up to when (stored_at) this reader has turned events into deliveries; 0: never."""

    def plan(self, reader: str, deliveries: Sequence[Delivery], upto: int) -> None:
        """Add deliveries and move the reader's position, at once.

        One that exists already (same event_id and target) is left as it is.
        """

    def due(self, target_prefix: str, now: int, *, limit: int = 100) -> Sequence[Delivery]:
        """Waiting ones with due_at <= now whose target begins so, by (due_at, event_id, target)."""

    def update(self, delivery: Delivery) -> None:
        """Replace the delivery with the same event_id and target."""

    def of_events(self, event_ids: Collection[str]) -> Sequence[Delivery]:
        """Every delivery of these events, by event and target."""


class ChatStore(Protocol):
    """Who is told."""

    def put(self, chat: Chat) -> None:
        """Add or replace."""

    def get(self, chat_id: str) -> Chat | None:
        """One chat, or None."""

    def active(self) -> Sequence[Chat]:
        """Every active chat, by chat_id."""


class RuleStore(Protocol):
    """What owners changed of the rules."""

    def put(self, change: RuleChange) -> None:
        """Add or replace the change of (device_id, rule)."""

    def of(self, device_id: str) -> Sequence[RuleChange]:
        """The changes of one device, by rule."""

    def changed_since(self, at: int) -> Sequence[RuleChange]:
        """Every change with changed_at >= at, by (changed_at, device_id, rule)."""


class KeyStore(Protocol):
    """The keys of the API."""

    def put(self, key: ApiKey) -> None:
        """Add or replace."""

    def get(self, key_id: str) -> ApiKey | None:
        """One key, revoked and expired ones too, or None."""

    def all(self) -> Sequence[ApiKey]:
        """Every key, by created_at and key_id."""

    def revoke(self, key_id: str, at: int) -> bool:
        """End a key; whether this call did it. Of several at once, exactly one is told True."""


class HeartbeatStore(Protocol):
    """Which processes are alive."""

    def beat(self, heartbeat: Heartbeat) -> None:
        """Add or replace the heartbeat of this process."""

    def all(self) -> Sequence[Heartbeat]:
        """Every heartbeat, by process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What a consumer saves at once: readings, and what they changed."""

    rows: Rows
    new_devices: Sequence[Device] = ()
    states: Sequence[AlertState] = ()
    events: Sequence[AlertEvent] = ()
    stored_at: int = 0  # our clock, for the outbox


class Store(Protocol):
    """Everything that is kept. Safe for use from several threads and processes."""

    @property
    def look_every_s(self) -> float:
        """How often to look for something new; some stores bill each look."""

    @property
    def readings(self) -> ReadingStore: ...

    @property
    def devices(self) -> DeviceStore: ...

    @property
    def alerts(self) -> AlertStore: ...

    @property
    def deliveries(self) -> DeliveryStore: ...

    @property
    def chats(self) -> ChatStore: ...

    @property
    def rules(self) -> RuleStore: ...

    @property
    def keys(self) -> KeyStore: ...

    @property
    def heartbeats(self) -> HeartbeatStore: ...

    @property
    def documents(self) -> DocumentStore: ...

    def save(self, scored: Scored) -> None:
        """Save all of it, in one transaction where the backend has them.

        Saving the same again changes nothing: a reading (device_id, measured_at, seq) and an
        event that exist are left as they are, a device that exists takes the new kind only. A state
        replaces the stored one, unless that was judged at a later offset of the same log: a
        consumer that has lost its partitions may save late, and must not undo its successor.
        """

    def roll(self, resolution: Resolution, buckets: Collection[Bucket]) -> None:
        """Work these rollups out anew: minutes from stored readings, hours from minutes.

        Doing it again counts nothing twice. A bucket with nothing below it is left as it is.
        """

    def prune(self, resolution: Resolution, before: int) -> None:
        """Give up readings, or rollups, from before that moment: whole days, soon enough.

        Several processes may do it, and again.
        """

    def check(self) -> None:
        """Return if the backend answers; raises StoreError."""

    def close(self) -> None:
        """Give back connections; the store cannot be used after."""
