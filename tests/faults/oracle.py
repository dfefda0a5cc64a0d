"""What must be true after any fault: nothing lost, nothing doubled, the same alerts.

Per device, produced = stored + dead letters + counted drops, and what is stored, readings with
their predictions and alert events with their times, is what an undisturbed consumer stores of the
same records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import cast

from confluent_kafka import Consumer, Message, TopicPartition

from fleetpulse.alerts import OFFLINE
from fleetpulse.kafka import DEAD_LETTER_TOPIC
from fleetpulse.notices import OURSELVES
from fleetpulse.stores.protocols import Device, Store, StoredReading

PAGE = 20_000
READ_S = 10.0

Found = tuple[int, int, str, float | None]  # measured_at, seq, status, probability
EventName = tuple[str, int]  # event_id, at


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A dead letter: which record it is about, and why."""

    key: str | None
    cause: str
    origin: tuple[str, int, int]  # topic, partition, offset


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was counted, and everything that is not as it must be."""

    produced: int
    stored: int
    lettered: int = 0
    dropped: int = 0
    events: int = 0
    faults: Sequence[str] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """Readings that are nowhere."""
        return self.produced - self.stored - self.lettered - self.dropped

    def __str__(self) -> str:
        return (
            f"{self.produced:,} produced, {self.stored:,} stored, {self.lettered:,} dead letters,"
            f" {self.dropped:,} dropped, {self.events:,} alert events"
        )


def judge(
    produced: Mapping[str, int],
    store: Store,
    undisturbed: Store,
    *,
    letters: Sequence[Letter] = (),
    dropped: Mapping[str, int] | None = None,
) -> Verdict:
    """Hold a store against what was produced, and against a store that had no faults.

    produced: acknowledged readings of each device, a beginning of what the undisturbed store got.
    dropped: readings of each device that its agent gave up, and counted.
    """
    letters_of = Counter(letter.key for letter in unique(letters))
    dropped = dropped or {}
    faults: list[str] = []
    stored: dict[str, int] = {}
    expected: set[EventName] = set()
    for device_id, count in produced.items():
        lettered, gone = letters_of[device_id], dropped.get(device_id, 0)
        rows, same = _compare(device_id, count - lettered, store, undisturbed)
        stored[device_id] = len(rows)
        if len(rows) + lettered + gone != count:
            faults.append(
                f"{device_id}: {count} produced, but {len(rows)} stored, {lettered} dead letters"
                f" and {gone} dropped"
            )
        elif not same and not gone:
            faults.append(f"{device_id}: other readings or predictions than undisturbed")
        last_at = rows[-1][0] if rows else -1
        expected |= {event for event in events_of(undisturbed, device_id) if event[1] <= last_at}
    strangers = {device.device_id for device in _devices(store)} - set(produced)
    faults += [f"{device_id}: nobody produced it" for device_id in sorted(strangers)]
    found = [event for device_id in produced for event in events_of(store, device_id)]
    faults += _of_events(found, expected)
    return Verdict(
        produced=sum(produced.values()),
        stored=sum(stored.values()),
        lettered=sum(letters_of[device_id] for device_id in produced),
        dropped=sum(dropped.values()),
        events=len(found),
        faults=faults,
    )


def events_of(store: Store, device_id: str) -> list[EventName]:
    """The alert events of one device, by their ids and times, newest first.

    Not those of its silence: they go by the consumer's clock, and our fleet stops when it is done.
    """
    events: list[EventName] = []
    before: tuple[int, str] | None = None
    while page := store.alerts.events_page(device_id=device_id, before=before, limit=1000):
        events += [(event.event_id, event.at) for event in page if event.rule != OFFLINE]
        before = (page[-1].at, page[-1].event_id)
    return events


def dead_letters(bootstrap_servers: str, topic: str) -> list[Letter]:
    """The dead letters about records of one topic, repeats included."""
    reader = a_reader(bootstrap_servers)
    try:
        return [letter for letter in _letters(reader) if letter.origin[0] == topic]
    finally:
        reader.close()


def a_reader(bootstrap_servers: str) -> Consumer:
    """A client that reads what is there; it never joins its group."""
    return Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "oracle",
            "log_level": 0,
            # Whatever else is asked waits behind a fetch that waits for more, 500 ms by default.
            "fetch.wait.max.ms": 10,
        }
    )


def unique(letters: Sequence[Letter]) -> list[Letter]:
    """One letter of each record: repeats are told apart by their origin."""
    return list({letter.origin: letter for letter in letters}.values())


def _of_events(found: Sequence[EventName], expected: set[EventName]) -> Iterator[str]:
    """What is wrong with the alert events."""
    missing, extra = expected - set(found), set(found) - expected
    doubled = len(found) - len({event_id for event_id, _ in found})
    for word, events in (("missing", missing), ("not in an undisturbed run", extra)):
        if events:
            yield f"{len(events)} alert events are {word}, such as {min(events)}"
    if doubled:
        yield f"{doubled} alert events are doubled"


def _compare(
    device_id: str, count: int, store: Store, undisturbed: Store
) -> tuple[list[Found], bool]:
    """A device's rows in the store, and whether they are the undisturbed ones."""
    rows = list(_rows(store, device_id))
    return rows, rows == list(islice(_rows(undisturbed, device_id), count))


def _rows(store: Store, device_id: str) -> Iterator[Found]:
    """Every reading of a device in short, in time order."""
    after: tuple[int, int] | None = None
    while page := store.readings.page(device_id, after=after, limit=PAGE):
        yield from map(_short, page)
        after = (page[-1].measured_at, page[-1].seq)


def _short(row: StoredReading) -> Found:
    # Rounded, since not every store keeps the last bits of a probability.
    probability = None if row.probability is None else round(row.probability, 6)
    return (row.measured_at, row.seq, row.status, probability)


def _devices(store: Store) -> Iterator[Device]:
    after: str | None = None
    while page := store.devices.page(after=after, limit=1000):
        yield from (device for device in page if device.kind != OURSELVES)
        after = page[-1].device_id


def _letters(reader: Consumer) -> Iterator[Letter]:
    """All that the dead-letter topic holds now."""
    known = reader.list_topics(timeout=READ_S).topics.get(DEAD_LETTER_TOPIC)
    for number in known.partitions if known is not None else ():
        place = TopicPartition(DEAD_LETTER_TOPIC, number, 0)
        _, end = reader.get_watermark_offsets(place, timeout=READ_S)
        reader.assign([place])
        at = 0
        while at < end:
            for message in reader.consume(min(PAGE, end - at), READ_S):
                at = (message.offset() or 0) + 1
                yield _letter(message)


def _letter(message: Message) -> Letter:
    assert message.error() is None, message.error()
    pairs = cast(Sequence[tuple[str, bytes]], message.headers() or ())
    headers = {name: _text(value) for name, value in pairs}
    key = message.key()
    return Letter(
        key=None if key is None else _text(key),
        cause=headers["cause"],
        origin=(headers["topic"], int(headers["partition"]), int(headers["offset"])),
    )


def _text(value: str | bytes | None) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
