"""Values as DynamoDB keeps them: attributes, keys that sort, and the shards of global lists."""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

import msgspec

from fleetpulse.stores.dynamodb_client import Dynamo, Item

# A partition takes 1,000 write units and gives 3,000 read units a second; a list over all devices
# is spread over this many. Changing it moves every item: see docs/decisions/0005-dynamodb.md.
SHARDS = 8
# A number outside of this cannot be DynamoDB's: it is kept as text.
_SMALLEST, _LARGEST = 1e-130, 9.9e125
_HALF = 2**63

Kind = TypeVar("Kind", bound=msgspec.Struct)
T = TypeVar("T")


def attribute(value: object) -> dict[str, Any]:
    """One value. Floats keep every digit: as the shortest text that gives the same float."""
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, int):
        return {"N": str(value)}
    if isinstance(value, float):
        fits = value == 0 or _SMALLEST <= abs(value) <= _LARGEST
        return {"N" if fits else "S": repr(value)}
    if isinstance(value, bytes):
        return {"B": value}
    if isinstance(value, list | tuple):
        return {"L": [attribute(one) for one in value]}
    if isinstance(value, Mapping):
        return {"M": attributes(value)}
    raise TypeError(f"{type(value).__name__} has no place in DynamoDB")


def attributes(fields: Mapping[str, object]) -> Item:
    """An item of these fields; those that are None are left out."""
    return {name: attribute(value) for name, value in fields.items() if value is not None}


def item_of(kept: msgspec.Struct) -> Item:
    """A struct as the attributes of an item."""
    return attributes(msgspec.to_builtins(kept))


def value(found: dict[str, Any]) -> Any:
    """The value of one attribute."""
    ((kind, content),) = found.items()
    if kind == "N":
        return _number(content)
    if kind == "L":
        return [value(one) for one in content]
    if kind == "M":
        return fields(content)
    return content


def fields(item: Item) -> dict[str, Any]:
    """The fields of an item."""
    return {name: value(found) for name, found in item.items()}


def struct_of(kind: type[Kind], item: Item) -> Kind:
    """The struct that an item holds; attributes that are none of its fields are left out."""
    # not strict: a float that is kept as text becomes one again
    return msgspec.convert(fields(item), kind, strict=False)


def _number(text: str) -> int | float:
    number = float(text)
    return int(text) if text.lstrip("-").isdigit() and abs(number) < _HALF else number


def key(pk: str, sk: str) -> Item:
    """The key of a record."""
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def moment(at: int) -> str:
    """A time, or any 64-bit number, as text that sorts like it."""
    return f"{at + _HALF:020d}"


def sorting(at: int, *names: str) -> str:
    """A sort key: by time, then by names. A space sorts before whatever a name holds."""
    return " ".join((moment(at), *names))


def shard_of(name: str, shards: int = SHARDS) -> int:
    """Which part of a spread list this name belongs to, today and always."""
    return zlib.crc32(name.encode()) % shards


def sharded(prefix: str, name: str) -> str:
    """The partition key of the part of a spread list that this name belongs to."""
    return f"{prefix}/{shard_of(name)}"


def every_shard(prefix: str) -> list[str]:
    """The partition keys of all parts of a spread list."""
    return [f"{prefix}/{shard}" for shard in range(SHARDS)]


def merged(
    dynamo: Dynamo,
    find: Callable[[str], Iterator[Item]],
    prefix: str,
    order: Callable[[Item], Any],
    *,
    limit: int,
    reverse: bool = False,
) -> list[Item]:
    """The first `limit` items of a spread list, in order; `find` gives those of one part."""
    parts = dynamo.each(lambda pk: list(islice(find(pk), limit)), every_shard(prefix))
    return list(islice(heapq.merge(*parts, key=order, reverse=reverse), limit))


def unique(values: Iterable[T], place: Callable[[T], Any]) -> dict[Any, T]:
    """The values by their place; of equal places the first."""
    found: dict[Any, T] = {}
    for one in values:
        found.setdefault(place(one), one)
    return found
