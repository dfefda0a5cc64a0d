"""Records from Kafka as columnar batches; offsets are committed only when told."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from consumer.batch import Batch, Partition
from consumer.decoding import Decoder, Record
from consumer.refill import RefillMarks
from consumer.statistics import read_statistics
from fleetpulse.errors import BrokerAway, BrokerError, StoreBusy, StoreError
from fleetpulse.health import Health
from fleetpulse.kafka import Complaints
from fleetpulse.metrics import ConsumerMetrics

log = logging.getLogger(__name__)

_RETRY_S = 1.0
_POLL_S = 0.1
_START_S = 4.0  # an answer of the broker; then the process ends and is started again
_COMMITTED_TRIES = 5
_LEAVE_S = 4.0  # for the broker to let us go
_STATISTICS_MS = 5_000


@dataclass(slots=True)
class _Assigned:
    """What is known of one assigned partition."""

    judge_from: int  # records before this offset were judged by an earlier run
    committed: int
    marks: RefillMarks = field(default_factory=RefillMarks)
    expected: int | None = None  # the next offset
    start: int | None = None  # where we began; None: wherever the log begins


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """Which records a process reads, as which member of which group, and in what portions.

    topics: names with commas, or a regular expression beginning with ^. instance: this member's own
    name in the group, so that it keeps its partitions when it comes back within the session's
    timeout.
    """

    topics: str
    group: str
    instance: str | None = None
    batch_rows: int
    batch_ms: int


class KafkaSource:
    """One member of a consumer group, read in batches.

    config: the client's address and security. forget: called with the partitions that were just
    assigned, since another member may have moved their devices on.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        membership: Membership,
        *,
        decoder: Decoder,
        forget: Callable[[Sequence[Partition]], None],
        health: Health,
        metrics: ConsumerMetrics,
    ) -> None:
        self._decoder, self._forget = decoder, forget
        self._health, self._metrics = health, metrics
        self._membership = membership
        self._assigned: dict[Partition, _Assigned] = {}
        self._holding = False
        self._complaints = Complaints(config)
        self._to_commit: dict[Partition, TopicPartition] = {}
        self._under_way: dict[Partition, TopicPartition] = {}  # committed, and not answered yet
        self._fatal: KafkaError | None = None  # the client is of no more use
        self._outages = 0
        self._settle: Callable[[], None] = lambda: None
        instance, topics = membership.instance, membership.topics
        member = {} if instance is None else {"group.instance.id": instance}
        self._consumer = Consumer(
            dict(config)
            | member
            | {
                "group.id": membership.group,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": 10_000,
                "topic.metadata.refresh.interval.ms": 10_000,
                # librdkafka's default of 1 s idles a fast reader whenever its queue was full.
                "fetch.queue.backoff.ms": 10,
                # What waits in memory, in the client and on its way to it.
                "queued.max.messages.kbytes": 2_048,
                "fetch.max.bytes": 2 * 1024 * 1024,
                "error_cb": self._log_error,
                "on_commit": self._note_commit,
                "statistics.interval.ms": _STATISTICS_MS,
                "stats_cb": self._read_statistics,
            }
        )
        try:
            self.cluster = str(self._consumer.list_topics(timeout=_START_S).cluster_id)
            self._consumer.subscribe(
                [topics] if topics.startswith("^") else topics.split(","),
                on_assign=self._assign,
                on_revoke=self._revoke,
                on_lost=self._drop,
            )
        except KafkaException as problem:
            self._consumer.close()
            raise BrokerAway(f"Kafka does not answer: {_said(problem)}") from problem

    def next_batch(self) -> Batch:
        """What arrives within the batch's time and size; no rows when nothing came.

        Raises BrokerError once the group has shut this member out for good.
        """
        self._end_if_fatal()
        self._send_commit()
        try:
            rows, seconds = self._membership.batch_rows, self._membership.batch_ms / 1000
            messages = self._consumer.consume(rows, seconds)
        except KafkaException as problem:
            self._note_if_fatal(problem.args[0])
            log.warning("cannot read, trying again", extra={"problem": _said(problem)})
            messages = []
        batch = self._decoder.decode(self._records(messages), self.cluster)
        return replace(batch, refill_offsets=self._mark(batch))

    def commit(self, batch: Batch) -> None:
        """Say that everything before the batch's next offsets is safe; does not wait for an answer.

        A broker that hangs would hang us too. The answer comes while we read on, and the client
        does not give a partition away before it has it. The offset to read again from after a
        restart rides along as the commit's metadata.
        """
        for (topic, number), offset in batch.next_offsets.items():
            known = self._assigned.get((topic, number))
            if known is not None and offset > known.judge_from:
                refill = str(batch.refill_offsets.get((topic, number), offset))
                self._to_commit[(topic, number)] = TopicPartition(topic, number, offset, refill)
        self._send_commit()

    def _send_commit(self, *, at_once: bool = False) -> None:
        """Send what is to be committed, one request at a time.

        Of two, the client may repeat the first one after the second: the group would go back.
        at_once: it is the last chance.
        """
        if not self._to_commit or (self._under_way and not at_once):
            return
        self._under_way, self._to_commit = self._to_commit, {}
        try:
            self._consumer.commit(offsets=list(self._under_way.values()), asynchronous=True)
        except KafkaException as problem:
            self._uncommitted(problem.args[0])

    def hold_while(self, write: Callable[[], None], stop: threading.Event) -> bool:
        """Do `write` until it succeeds, the partitions waiting meanwhile; False: stopped first.

        The group membership stays alive while a store or a broker is busy or away. Raises
        BrokerError once the group has shut this member out for good.
        """
        while not stop.is_set():
            self._end_if_fatal()
            try:
                write()
            except (StoreError, BrokerError) as problem:
                retry_s = problem.retry_after_s if isinstance(problem, StoreBusy) else _RETRY_S
                self._hold(problem)
                # A failed write leaves errors that refer to their frames, which refer to the rows.
                gc.collect()
                self._wait(retry_s, stop)
            else:
                self._release()
                return True
        return False

    @property
    def outages(self) -> int:
        """How often the last broker was lost."""
        return self._outages

    def places(self) -> Mapping[Partition, int | None]:
        """The next offset of each assigned partition; None: wherever the log begins."""
        return {
            partition: known.start if known.expected is None else known.expected
            for partition, known in self._assigned.items()
        }

    def before_revoke(self, settle: Callable[[], None]) -> None:
        """Have `settle` called before partitions are given away, so that it may still commit."""
        self._settle = settle

    def close(self) -> None:
        """Leave the group, so that others take the partitions at once.

        From a broker that does not answer we go without leave: after the session's timeout it gives
        the partitions to others.
        """
        self._send_commit(at_once=True)
        # A daemon, since the client waits for that broker as long as it takes.
        leaving = threading.Thread(target=self._consumer.close, name="leaving", daemon=True)
        leaving.start()
        leaving.join(_LEAVE_S)
        if leaving.is_alive():
            log.warning("the broker does not let us go; others wait for the session's timeout")

    def _records(self, messages: Sequence[Message]) -> list[Record]:
        """The messages as records; errors of the client are logged, not handed on."""
        records = []
        for message in messages:
            error = message.error()
            if error is not None:
                self._log_error(error)
                continue
            # A message without an error has all of these.
            partition = cast(Partition, (message.topic(), message.partition()))
            offset = cast(int, message.offset())
            known = self._assigned.get(partition)
            self._notice_gap(known, partition, offset)
            replayed = known is not None and offset < known.judge_from
            records.append((partition, offset, message.key(), message.value(), replayed))
        return records

    def _notice_gap(self, known: _Assigned | None, partition: Partition, offset: int) -> None:
        """Say so when records are gone before they were read, as an embedded broker loses them."""
        if known is None:
            return
        if known.expected is not None and offset > known.expected:
            topic, number = partition
            log.warning(
                "the broker dropped records unread",
                extra={
                    "topic": topic,
                    "partition": number,
                    "offset": known.expected,
                    "records": offset - known.expected,
                },
            )
        known.expected = offset + 1

    def _end_if_fatal(self) -> None:
        """Raise what the client cannot recover from; a process that starts anew can."""
        if self._fatal is not None:
            raise BrokerError(
                f"The group {self._membership.group} has shut this consumer out"
                f" ({self._fatal.str()}); it is to be started again. If it happens again and again,"
                " another consumer has the same FLEETPULSE_GROUP_INSTANCE: give each its own."
            )

    def _note_commit(self, error: KafkaError | None, offsets: list[TopicPartition]) -> None:
        """Take the answer to a commit."""
        failed = error or next((one.error for one in offsets if one.error is not None), None)
        if failed is not None:
            self._uncommitted(failed)
            return
        self._under_way = {}
        for one in offsets:
            known = self._assigned.get((one.topic, one.partition))
            if known is not None:
                known.committed = one.offset

    def _uncommitted(self, error: KafkaError) -> None:
        """Have a commit that failed sent again, as far as the partitions are still ours.

        It is also what a rebalance does to a commit under way: nothing to worry about.
        """
        log.info("commit failed, it comes again", extra={"problem": error.str()})
        ours = {name: one for name, one in self._under_way.items() if name in self._assigned}
        self._to_commit = ours | self._to_commit
        self._under_way = {}

    def _note_if_fatal(self, error: KafkaError) -> None:
        if error.fatal() or error.code() == KafkaError._FATAL:
            self._fatal = error

    def _log_error(self, error: KafkaError) -> None:
        self._note_if_fatal(error)
        self._outages += error.code() == KafkaError._ALL_BROKERS_DOWN
        self._complaints(error)

    def _mark(self, batch: Batch) -> dict[Partition, int]:
        """From where a restart must read that continues after this batch."""
        for index, partition in enumerate(batch.partitions):
            known = self._assigned.get(partition)
            rows = batch.partition_of == index
            if known is not None and rows.any():
                known.marks.note(int(batch.offsets[rows].min()), int(batch.measured_at[rows].max()))
        return {
            partition: known.marks.start(offset)
            for partition, offset in batch.next_offsets.items()
            if (known := self._assigned.get(partition)) is not None
        }

    def _assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Begin each partition where a restart must: at the committed offset less the refill."""
        names = [(one.topic, one.partition) for one in partitions]
        self._forget(names)
        starts = []
        for one in _committed(consumer, partitions):
            committed = max(one.offset, 0)  # negative: nothing was ever committed
            refill = _refill_of(one.metadata, committed)
            # Without a commit the client's own rule holds: from the earliest record.
            start = min(refill, committed) if one.offset >= 0 else one.offset
            self._assigned[(one.topic, one.partition)] = _Assigned(
                judge_from=committed, committed=committed, start=start if start >= 0 else None
            )
            starts.append(TopicPartition(one.topic, one.partition, start))
        consumer.incremental_assign(starts)
        if self._holding:
            consumer.pause(starts)
        log.info("assigned", extra={"partitions": " ".join(f"{t}/{p}" for t, p in names)})

    def _revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._settle()
        self._send_commit(at_once=True)
        self._drop(consumer, partitions)

    def _drop(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for one in partitions:
            self._assigned.pop((one.topic, one.partition), None)
            self._to_commit.pop((one.topic, one.partition), None)
        consumer.incremental_unassign(partitions)

    def _read_statistics(self, document: str) -> None:
        statistics = read_statistics(document)
        away = None if statistics.is_connected else "Kafka does not answer."
        self._health.report("kafka", away)
        ends = dict(statistics.ends())
        self._metrics.lag(
            {
                partition: max(0, ends.get(partition, known.committed) - known.committed)
                for partition, known in self._assigned.items()
            }
        )

    def _hold(self, problem: Exception) -> None:
        self._health.report("writing", str(problem))
        if not self._holding:
            self._metrics.holds.inc()
            self._metrics.held.set(1)
            self._consumer.pause(self._consumer.assignment())
            self._holding = True

    def _wait(self, seconds: float, stop: threading.Event) -> None:
        for _ in range(max(1, round(seconds / _POLL_S))):
            if stop.is_set():
                return
            try:
                # Keeps the membership; paused partitions give nothing but errors.
                told = self._consumer.poll(_POLL_S)
            except KafkaException as problem:
                self._log_error(problem.args[0])
            else:
                if told is not None and (error := told.error()) is not None:
                    self._log_error(error)

    def _release(self) -> None:
        if self._holding:
            self._health.report("writing", None)
            self._metrics.held.set(0)
            self._consumer.resume(self._consumer.assignment())
            self._holding = False


def _committed(consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
    """Where the group stands in these partitions.

    Raises BrokerError when the broker does not say: to read without knowing would judge again what
    is judged, and never commit, so the process ends and starts anew.
    """
    if not partitions:
        return []
    for attempt in range(_COMMITTED_TRIES):
        try:
            return consumer.committed(partitions, timeout=10)
        except KafkaException as problem:
            reason = _said(problem)
            log.warning(
                "cannot read the group's offsets", extra={"attempt": attempt + 1, "problem": reason}
            )
    raise BrokerError(f"The broker does not say where the group stands: {reason}")


def _said(problem: KafkaException) -> str:
    """What the client says went wrong."""
    return str(problem.args[0].str())


def _refill_of(metadata: str | None, committed: int) -> int:
    """From where a restart reads; another program's commit says nothing about that."""
    return int(metadata) if metadata and metadata.isascii() and metadata.isdigit() else committed
