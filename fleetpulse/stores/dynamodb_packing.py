"""Layout `minute` in bytes: a reading, and a chunk of readings of many devices."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from fleetpulse.alerts import Status
from fleetpulse.stores.dynamodb_readings import fields_of
from fleetpulse.stores.protocols import Rows, StoredReading
from fleetpulse.telemetry import CHANNEL_NAMES

# Sensors give few decimals: as thousandths most values take 1 to 5 bytes instead of 9.
_UNIT = 1_000
_LARGEST = 1e6
# The order is the format: add at the end only.
_STATUS = (Status.UNKNOWN, Status.OK, Status.SOON, Status.STRESSED)
_LEVEL = 1  # zlib's fastest: names repeat, numbers hardly do

_Number = int | float | None


class Row(NamedTuple):
    """A reading on its way into its minute."""

    device_id: str
    measured_at: int
    seq: int
    rejected: int
    packed: bytes
    model_version: str | None


class _Packed(msgspec.Struct, frozen=True, array_like=True):
    """A reading without what its place in the store says already."""

    has: int  # a bit a channel
    values: list[int | float]  # of those it has, in the order of CHANNELS
    status: int
    probability: _Number
    expected_s: _Number
    rejected: int
    model: int | None
    causes: list[str] = []


_encoder = msgspec.msgpack.Encoder()
_packed_decoder = msgspec.msgpack.Decoder(_Packed)
_chunk_decoder = msgspec.msgpack.Decoder(list[Row])


def packed_rows(rows: Rows) -> Iterator[Row]:
    """Each row packed; raises ValueError for crooked columns."""
    model = None if rows.model_version is None else model_number(rows.model_version)
    for place, known in fields_of(rows):
        rejected: Any = known["rejected"]
        yield Row(*place, rejected, _pack(known, model), rows.model_version)


def _pack(known: Mapping[str, Any], model: int | None) -> bytes:
    values = [known[name] for name in CHANNEL_NAMES]
    return _encoder.encode(
        _Packed(
            has=sum(1 << bit for bit, value in enumerate(values) if value is not None),
            values=[_short(value) for value in values if value is not None],
            status=_STATUS.index(known["status"]),
            probability=_shortened(known["probability"]),
            expected_s=_shortened(known["expected_s"]),
            rejected=known["rejected"],
            model=model,
            causes=known["causes"] or [],
        )
    )


def unpacked(
    device_id: str, measured_at: int, seq: int, packed: bytes, models: Mapping[int, str]
) -> StoredReading:
    """The reading that was packed; models: their names by number."""
    told = _packed_decoder.decode(packed)
    names = [name for bit, name in enumerate(CHANNEL_NAMES) if told.has >> bit & 1]
    return StoredReading(
        device_id=device_id,
        measured_at=measured_at,
        seq=seq,
        rejected=told.rejected,
        probability=_long(told.probability),
        expected_s=_long(told.expected_s),
        status=_STATUS[told.status],
        causes=told.causes,
        model_version=None if told.model is None else models[told.model],
        **dict(zip(names, map(_long, told.values), strict=True)),
    )


def reading_of(row: Row) -> StoredReading:
    """The reading of a row."""
    name = row.model_version
    models = {} if name is None else {model_number(name): name}
    return unpacked(row.device_id, row.measured_at, row.seq, row.packed, models)


def model_number(model_version: str) -> int:
    """A model's name in four bytes."""
    return zlib.crc32(model_version.encode())


def chunk_of(rows: Sequence[Row]) -> tuple[bytes, bytes]:
    """Rows in one piece, and a name that the same rows always have."""
    body = _encoder.encode(rows)
    return zlib.compress(body, _LEVEL), hashlib.blake2b(body, digest_size=8).digest()


def rows_in(chunk: bytes) -> list[Row]:
    """The rows of a chunk."""
    return _chunk_decoder.decode(zlib.decompress(chunk))


def _shortened(value: float | None) -> _Number:
    return None if value is None else _short(value)


def _short(value: float) -> int | float:
    """The value in thousandths, if that is exactly what it is."""
    if not abs(value) < _LARGEST:
        return value
    thousandths = round(value * _UNIT)
    return thousandths if thousandths / _UNIT == value else float(value)


def _long(number: _Number) -> float | None:
    return number / _UNIT if isinstance(number, int) else number
