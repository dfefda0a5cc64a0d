"""The outbox in DynamoDB: in which order events were stored, with no gaps for a reader.

`head` is the newest moment with the names of its events. Before a writer replaces it, it copies it
to its lasting place; replacing it is one conditional write. So moments grow with every save,
whatever the writers' clocks, and when a moment can be read, all before it can.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import msgspec

from fleetpulse.stores.dynamodb_client import Item, Taken
from fleetpulse.stores.dynamodb_records import NEW, Records
from fleetpulse.stores.dynamodb_values import attributes, key, moment

# Names of events of one moment: with 64 characters of a device's id they stay under the 400 KB that
# an item may have, however badly they compress. A larger save takes several moments.
EVENTS_AT_ONCE = 3_000

HEAD = key("outbox", "head")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A moment of the outbox, and the names of the events that were stored then."""

    stored_at: int
    event_ids: frozenset[str]

    @classmethod
    def read(cls, item: Item) -> Entry:
        """The entry that an item holds."""
        names = msgspec.json.decode(zlib.decompress(item["event_ids"]["B"]), type=frozenset[str])
        return cls(stored_at=int(item["stored_at"]["N"]), event_ids=names)

    def item(self) -> Item:
        """The entry as attributes."""
        names = zlib.compress(msgspec.json.encode(sorted(self.event_ids)))
        return attributes({"stored_at": self.stored_at, "event_ids": names})


class Outbox:
    """The moments at which events were stored."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def head(self) -> Entry | None:
        """The newest moment; None: nothing was ever stored."""
        found = self._records.dynamo.get(self._records.table, HEAD)
        return None if found is None else Entry.read(found)

    def holds(self, stored_at: int, event_id: str) -> bool:
        """Whether this event was stored at that moment."""
        head = self.head()
        if head is not None and head.stored_at == stored_at:
            return event_id in head.event_ids
        found = self._records.dynamo.get(self._records.table, _place(stored_at))
        return found is not None and event_id in Entry.read(found).event_ids

    def append(self, head: Entry | None, stored_at: int, event_ids: Collection[str]) -> bool:
        """Put a moment after `head`; False: another writer was there before."""
        if head is not None:
            self._records.put(_place(head.stored_at) | head.item())
        entry = Entry(stored_at=stored_at, event_ids=frozenset(event_ids))
        try:
            self._replace(head, entry)
        except Taken:
            return False
        return True

    def _replace(self, head: Entry | None, entry: Entry) -> None:
        item = HEAD | entry.item()
        if head is None:
            self._records.put(item, NEW)
            return
        self._records.dynamo.call(
            "put_item",
            TableName=self._records.table,
            Item=item,
            ConditionExpression="stored_at = :known",
            ExpressionAttributeValues=attributes({":known": head.stored_at}),
        )

    def since(self, stored_at: int) -> Iterator[Entry]:
        """The moments from then on, oldest first."""
        # The head first: all before it are in their lasting places by then.
        head = self.head()
        if head is None or head.stored_at < stored_at:
            return
        found = (
            self._records.dynamo.query(
                self._records.table,
                KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
                ExpressionAttributeValues=attributes(
                    {
                        ":pk": "outbox",
                        ":first": _sort_key(stored_at),
                        ":last": _sort_key(head.stored_at - 1),
                    }
                ),
            )
            if stored_at < head.stored_at
            else iter(())
        )
        yield from map(Entry.read, found)
        yield head


def _place(stored_at: int) -> Item:
    return key("outbox", _sort_key(stored_at))


def _sort_key(stored_at: int) -> str:
    return f"moment {moment(stored_at)}"
