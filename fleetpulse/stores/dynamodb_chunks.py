"""Open chunks of layout `minute`: readings of many devices, packed into one item by minute."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from fleetpulse.stores.dynamodb_client import Dynamo, Item
from fleetpulse.stores.dynamodb_packing import Row, chunk_of, rows_in
from fleetpulse.stores.dynamodb_readings import place_bytes, place_of
from fleetpulse.stores.dynamodb_tables import EXPIRES_AT, READINGS
from fleetpulse.stores.dynamodb_values import attributes, shard_of
from fleetpulse.stores.protocols import BUCKET_MS, Resolution

MINUTE_MS = BUCKET_MS[Resolution.MINUTE]
# Each save writes an item to each shard that it has readings of, and a page of one device reads the
# whole shard: fewer cost less to write, more cost less to read.
CHUNK_SHARDS = 16
_HALF = 2**63  # numbers of chunks, of 8 bytes, are below zero unless they are to come behind
_OPEN = "open/"  # no device is called so
ROWS_OF_A_CHUNK = 1_000  # with the longest names and causes they stay under 400 KB


def minute_of(measured_at: int) -> int:
    """Where the minute of a reading begins."""
    return measured_at - measured_at % MINUTE_MS


class Chunks:
    """The readings whose minutes are not closed yet."""

    def __init__(self, dynamo: Dynamo, keep_s: int) -> None:
        self._dynamo, self._keep_s = dynamo, keep_s
        self._table = dynamo.table(READINGS)

    def prepared(self, rows: Iterable[Row], *, behind: bool = False) -> list[Item]:
        """The chunks that these rows make.

        behind: those that come after all others of their minute. Of equal readings the first one
        counts, so rows in these change nothing that is stored.
        """
        parts: dict[tuple[int, int], list[Row]] = {}
        for row in rows:
            part = (shard_of(row.device_id, CHUNK_SHARDS), minute_of(row.measured_at))
            parts.setdefault(part, []).append(row)
        return [
            self._item(shard, minute, piece, behind=behind)
            for (shard, minute), found in parts.items()
            for piece in _pieces(found)
        ]

    def save(self, chunks: Iterable[Item]) -> None:
        """Keep what `prepared` gave."""
        self._dynamo.put_all(self._table, chunks)

    def delete(self, chunks: Iterable[Item]) -> None:
        """Give up chunks whose readings are in their minutes."""
        keys = [{"device": chunk["device"], "place": chunk["place"]} for chunk in chunks]
        self._dynamo.delete_in_turn(self._table, keys)

    def in_shard(self, shard: int, *, before: int | None = None) -> Iterator[Item]:
        """The chunks of a shard, oldest minute first; before: of minutes that begin earlier."""
        last = 2**128 - 1 if before is None else place_of(before, -(2**63)) - 1
        return self._dynamo.query(
            self._table,
            KeyConditionExpression="device = :shard AND place <= :last",
            FilterExpression=f"{EXPIRES_AT} > :now",
            ExpressionAttributeValues=attributes(
                {":shard": _pk(shard), ":last": place_bytes(last), ":now": self._dynamo.now_s()}
            ),
        )

    def rows(self, shard: int) -> list[Row]:
        """The readings of a shard; of equal ones the first is the one that counts."""
        return [row for chunk in self.in_shard(shard) for row in rows_of(chunk)]

    def _item(self, shard: int, minute: int, rows: list[Row], *, behind: bool) -> Item:
        body, name = chunk_of(rows)
        number = (int.from_bytes(name, "big") >> 1) - (0 if behind else _HALF)
        return attributes(
            {
                "device": _pk(shard),
                "place": place_bytes(place_of(minute, number)),
                "rows": body,
                "count": len(rows),
                EXPIRES_AT: minute // 1000 + self._keep_s,
            }
        )


def rows_of(chunk: Item) -> list[Row]:
    """The readings of a chunk."""
    return rows_in(chunk["rows"]["B"])


def shard_and_count(chunk: Item) -> tuple[int, int]:
    """Where a chunk is, and how many readings it has."""
    return int(chunk["device"]["S"].removeprefix(_OPEN)), int(chunk["count"]["N"])


def is_chunk(item: Item) -> bool:
    """Whether an item of the table is a chunk."""
    return "rows" in item


def _pk(shard: int) -> str:
    return f"{_OPEN}{shard}"


def _pieces(rows: list[Row]) -> Iterator[list[Row]]:
    rest = iter(rows)
    while piece := list(islice(rest, ROWS_OF_A_CHUNK)):
        yield piece
