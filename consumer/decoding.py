"""Records -> one columnar batch, in one pass; what will never be a reading is set aside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter

import numpy as np

from consumer.batch import Batch, Partition, Refused, drop_impossible
from consumer.roster import Roster
from fleetpulse import wire
from fleetpulse.clock import Clock
from fleetpulse.errors import DecodeError
from fleetpulse.schemas import Decode
from fleetpulse.stores.protocols import ClockAhead, Device
from fleetpulse.telemetry import CHANNEL_NAMES, Reading

FUTURE_MS = 300_000  # a reading dated further ahead than this is refused

# partition, offset, key, value, replayed
Record = tuple[Partition, int, bytes | None, bytes | None, bool]

_channel_values = attrgetter(*CHANNEL_NAMES)


class Decoder:
    """Decodes records and gives their devices slots."""

    def __init__(self, roster: Roster, clock: Clock, decode: Decode = wire.decode) -> None:
        """decode: a record's value -> its reading, and how many channels were not numbers."""
        self._roster, self._clock, self._decode = roster, clock, decode

    def decode(self, records: Sequence[Record], cluster: str) -> Batch:
        """The records as a batch; refused ones are in `refused`, with their cause."""
        latest = self._clock.now_ms() + FUTURE_MS
        readings: list[Reading] = []
        rejected: list[int] = []
        kept: list[Record] = []
        refused: list[Refused] = []
        ahead: list[ClockAhead] = []
        for record in records:
            try:
                reading, bad_channels = self._decode(record[3])
                if reading.measured_at > latest:
                    if not record[4]:
                        ahead.append(self._clock_ahead(reading))
                    raise DecodeError("future", f"dated more than {FUTURE_MS // 60_000} min ahead")
            except DecodeError as error:
                partition, offset, key, value, replayed = record
                if not replayed:
                    refused.append(
                        Refused(
                            partition=partition, offset=offset, key=key, value=value, error=error
                        )
                    )
                continue
            readings.append(reading)
            rejected.append(bad_channels)
            kept.append(record)
        batch = self._columns(readings, kept, rejected, cluster)
        return _with_rest(batch, records, refused, ahead)

    def _columns(
        self,
        readings: Sequence[Reading],
        records: Sequence[Record],
        rejected: Sequence[int],
        cluster: str,
    ) -> Batch:
        values = np.array([_channel_values(reading) for reading in readings], dtype=np.float64)
        values = values.reshape(len(readings), len(CHANNEL_NAMES))
        counts = np.array(rejected, dtype=np.int64) + drop_impossible(values)
        slots, new_devices = self._slots(readings, records)
        numbers = {record[0]: 0 for record in records}
        numbers = {partition: number for number, partition in enumerate(numbers)}
        return Batch(
            slots=slots,
            device_ids=[reading.device_id for reading in readings],
            kinds=[reading.kind for reading in readings],
            measured_at=np.array([reading.measured_at for reading in readings], dtype=np.int64),
            seq=np.array([reading.seq for reading in readings], dtype=np.int64),
            values=values,
            rejected=counts,
            partitions=tuple(numbers),
            partition_of=np.array([numbers[record[0]] for record in records], dtype=np.int64),
            offsets=np.array([record[1] for record in records], dtype=np.int64),
            replayed=np.array([record[4] for record in records], dtype=np.bool_),
            next_offsets={},
            cluster=cluster,
            new_devices=new_devices,
        )

    def _slots(
        self, readings: Sequence[Reading], records: Sequence[Record]
    ) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], list[Device]]:
        slots = np.empty(len(readings), dtype=np.int64)
        new_devices = []
        for row, (reading, record) in enumerate(zip(readings, records, strict=True)):
            slots[row], is_new = self._roster.slot(reading.device_id, reading.kind, record[0])
            if is_new:
                new_devices.append(
                    Device(
                        device_id=reading.device_id,
                        kind=reading.kind,
                        first_seen_at=reading.measured_at,
                    )
                )
        return slots, new_devices

    def _clock_ahead(self, reading: Reading) -> ClockAhead:
        now = self._clock.now_ms()
        return ClockAhead(
            device_id=reading.device_id,
            kind=reading.kind,
            ahead_ms=reading.measured_at - now,
            at=now,
        )


def _with_rest(
    batch: Batch,
    records: Sequence[Record],
    refused: Sequence[Refused],
    ahead: Sequence[ClockAhead],
) -> Batch:
    """The batch with what concerns all records, refused ones too."""
    next_offsets: dict[Partition, int] = {}
    for record in records:
        next_offsets[record[0]] = record[1] + 1  # offsets of a partition come in order
    return replace(batch, next_offsets=next_offsets, refused=refused, clocks_ahead=ahead)
