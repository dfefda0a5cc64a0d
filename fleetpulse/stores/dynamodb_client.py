"""DynamoDB's client: where it is, calls with errors told by their code, many calls at once."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Literal, NoReturn, TypeVar, get_args
from urllib.parse import parse_qsl, urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)

from fleetpulse.clock import Clock
from fleetpulse.errors import SettingsError, StoreAway, StoreBusy, StoreError
from fleetpulse.secrets import AwsKeys

Layout = Literal["reading", "minute"]
Item = dict[str, dict[str, Any]]

WORKERS = 16  # requests under way at once
PATIENCE_S = 5.0  # how long what DynamoDB leaves unprocessed is sent again
FIRST_WAIT_S = 0.05
LONGEST_WAIT_S = 1.0
RETRY_AFTER_S = 1.0
WRITES_AT_ONCE = (
    25  # https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
)
READS_AT_ONCE = (
    100  # https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
)

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
_ASKS_FOR_TIME = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
        "TransactionInProgressException",
    }
)
_NOT_ALLOWED = frozenset(
    {
        "AccessDeniedException",
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "UnrecognizedClientException",
    }
)
# The prefix leaves room for the longest ending within the 255 characters of a table's name.
_PREFIX = re.compile(r"[A-Za-z0-9_.-]{3,200}")
_WRONG_ADDRESS = (
    "FLEETPULSE_STORE is no address of a DynamoDB store ({fault});"
    " use dynamodb://PREFIX?region=REGION, with &layout=minute for a large fleet."
)

T = TypeVar("T")
R = TypeVar("R")
_jitter = random.SystemRandom()


@dataclass(frozen=True, kw_only=True)
class Address:
    """Which tables of which DynamoDB, and how readings lie in them."""

    prefix: str
    region: str | None = None
    endpoint: str | None = None
    layout: Layout = "reading"

    @classmethod
    def of(cls, url: str) -> Address:
        """The address that a URL says. Raises SettingsError, without the URL."""
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query))
        if not _PREFIX.fullmatch(parts.netloc) or parts.path not in ("", "/"):
            _refuse("the prefix is 3 to 200 letters, digits, '_', '.' or '-'")
        if unknown := options.keys() - {"region", "endpoint", "layout"}:
            _refuse(f"unknown option {min(unknown)}")
        layout = options.get("layout", "reading")
        if layout not in get_args(Layout):
            _refuse(f"layout is {' or '.join(get_args(Layout))}")
        endpoint = options.get("endpoint")
        if endpoint is not None and not re.fullmatch(r"https?://[^/@\s]+/?", endpoint):
            _refuse("endpoint is http://HOST:PORT or https://HOST")
        return cls(
            prefix=parts.netloc,
            region=options.get("region"),
            endpoint=endpoint,
            layout="minute" if layout == "minute" else "reading",
        )


def _refuse(fault: str) -> NoReturn:
    raise SettingsError(_WRONG_ADDRESS.format(fault=fault))


class Taken(Exception):
    """A condition did not hold: somebody was there before."""

    def __init__(self, item: Item | None) -> None:
        super().__init__("the condition did not hold")
        self.item = item  # what is there, if it was asked for


class Dynamo:
    """The DynamoDB at an address. Safe for use from several threads.

    Nothing of botocore leaves it: throttling is StoreBusy, no answer StoreAway, a condition that
    does not hold is Taken, everything else StoreError.
    """

    def __init__(self, address: Address, aws: AwsKeys | None, clock: Clock) -> None:
        self.address, self._clock = address, clock
        self._client = _client(address, aws)
        self._pool = ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="dynamodb")
        self._closed = threading.Event()

    def table(self, name: str) -> str:
        """The full name of one of our tables."""
        return f"{self.address.prefix}-{name}"

    def now_ms(self) -> int:
        """Unix milliseconds."""
        return self._clock.now_ms()

    def now_s(self) -> int:
        """Unix seconds, as time to live counts."""
        return self._clock.now_ms() // 1000

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """One request, named as boto3's method."""
        try:
            done: dict[str, Any] = getattr(self._client, operation)(**parameters)
        except ClientError as error:
            raise self._failure(operation, error) from error
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise SettingsError(
                "There are no AWS credentials for the DynamoDB store: set AWS_ACCESS_KEY and"
                " AWS_SECRET_ACCESS_KEY, or give this process a role or a profile."
            ) from error
        except BotoCoreError as error:
            raise StoreAway(
                f"DynamoDB does not answer {operation} for {self._where} ({type(error).__name__}):"
                " check the network, the region and the endpoint."
            ) from error
        return done

    def each(self, work: Callable[[T], R], parts: Iterable[T]) -> list[R]:
        """What `work` gives for each part, in order, several at a time.

        `work` must not call this again. After a failure nothing more is begun, and the first one
        is raised once all that was begun has ended.
        """
        failed = threading.Event()
        futures = [self._pool.submit(_unless, failed, work, part) for part in parts]
        problems = [problem for future in futures if (problem := future.exception())]
        for problem in problems:
            if not isinstance(problem, _NotBegun):
                raise problem
        return [future.result() for future in futures]

    def put_all(self, table: str, items: Iterable[Item]) -> None:
        """Write items of different keys, replacing those that exist."""
        requests = ({"PutRequest": {"Item": item}} for item in items)
        self.each(partial(self._write_some, table), _batches(requests, WRITES_AT_ONCE))

    def delete_in_turn(self, table: str, keys: Iterable[Item]) -> None:
        """Delete the items with these keys, in the thread of the caller."""
        requests = ({"DeleteRequest": {"Key": key}} for key in keys)
        for some in _batches(requests, WRITES_AT_ONCE):
            self._write_some(table, some)

    def _write_some(self, table: str, requests: Sequence[dict[str, Any]]) -> None:
        waits = self._waits()
        left = requests
        while left:
            done = self.call("batch_write_item", RequestItems={table: left})
            left = done.get("UnprocessedItems", {}).get(table, [])
            if left:
                next(waits)

    def get_all(self, table: str, keys: Iterable[Item]) -> list[Item]:
        """The items with these keys, which are all different, in no order; absent: left out."""
        found = self.each(partial(self._get_some, table), _batches(keys, READS_AT_ONCE))
        return [item for items in found for item in items]

    def _get_some(self, table: str, keys: Sequence[Item]) -> list[Item]:
        waits = self._waits()
        found: list[Item] = []
        left = keys
        while left:
            wanted = {table: {"Keys": left, "ConsistentRead": True}}
            done = self.call("batch_get_item", RequestItems=wanted)
            found += done["Responses"].get(table, [])
            left = done.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
            if left:
                next(waits)
        return found

    def get(self, table: str, key: Item) -> Item | None:
        """One item, or None."""
        done = self.call("get_item", TableName=table, Key=key, ConsistentRead=True)
        found: Item | None = done.get("Item")
        return found

    def query(self, table: str, **parameters: Any) -> Iterator[Item]:
        """What a query finds, page after page as it is taken."""
        if "IndexName" not in parameters:  # an index cannot be read so
            parameters["ConsistentRead"] = True
        for page in self._pages("query", table, parameters):
            yield from page["Items"]

    def count(self, operation: str, table: str, **parameters: Any) -> int:
        """How many a query or a scan finds."""
        parameters |= {"Select": "COUNT", "ConsistentRead": True}
        return sum(page["Count"] for page in self._pages(operation, table, parameters))

    def scan(self, table: str, **parameters: Any) -> Iterator[Item]:
        """Everything in a table."""
        parameters["ConsistentRead"] = True
        for page in self._pages("scan", table, parameters):
            yield from page["Items"]

    def _pages(
        self, operation: str, table: str, parameters: dict[str, Any]
    ) -> Iterator[dict[str, Any]]:
        more: dict[str, Any] = {}
        while True:
            page = self.call(operation, TableName=table, **parameters, **more)
            yield page
            if "LastEvaluatedKey" not in page:
                return
            more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def pause(self, seconds: float) -> None:
        """Wait; closing the store ends it."""
        self._clock.wait(seconds, self._closed)

    def _waits(self) -> Iterator[None]:
        """Waits that double, with jitter; raises StoreBusy when they have taken too long."""
        spent, longest = 0.0, FIRST_WAIT_S
        while spent < PATIENCE_S and not self._closed.is_set():
            wait = longest * _jitter.uniform(0.5, 1.0)
            self.pause(wait)
            spent, longest = spent + wait, min(2 * longest, LONGEST_WAIT_S)
            yield
        raise self.busy()

    def busy(self) -> StoreBusy:
        """That DynamoDB asks for time."""
        return StoreBusy(
            f"DynamoDB throttles {self._where}: it is asked for more than it gives just now.",
            retry_after_s=RETRY_AFTER_S,
        )

    def close(self) -> None:
        """Give back threads and connections."""
        self._closed.set()
        self._pool.shutdown()
        self._client.close()

    @property
    def _where(self) -> str:
        return f"the store {self.address.prefix}"

    def _failure(self, operation: str, error: ClientError) -> Exception:
        code = error.response.get("Error", {}).get("Code", "unknown")
        if code == "ConditionalCheckFailedException":
            return Taken(error.response.get("Item"))  # type: ignore[arg-type]
        if code in _ASKS_FOR_TIME:
            return self.busy()
        if code in _NOT_ALLOWED:
            return NotAllowed(
                f"AWS refuses {operation} for {self._where} ({code}): check the access key, and"
                " let it do what docs/dynamodb.md lists."
            )
        if code == "ResourceNotFoundException":
            return Absent(
                f"A table of {self._where} is gone: restart fleetpulse to make it, or restore it."
            )
        return Failed(f"DynamoDB failed at {operation} for {self._where} ({code}).", code=code)


class NotAllowed(StoreError):
    """The account may not."""


class Absent(StoreError):
    """There is no such table."""


class Failed(StoreError):
    """Another failure; `code` is DynamoDB's."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class _NotBegun(Exception):
    """Another part has failed before this one was begun."""


def _unless(failed: threading.Event, work: Callable[[T], R], part: T) -> R:
    if failed.is_set():
        raise _NotBegun
    try:
        return work(part)
    except BaseException:
        failed.set()
        raise


def _batches(parts: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(parts)
    while batch := list(islice(rest, size)):
        yield batch


def _client(address: Address, aws: AwsKeys | None) -> Any:
    session = boto3.session.Session(
        aws_access_key_id=None if aws is None else aws.access_key,
        aws_secret_access_key=None if aws is None else aws.secret.get_secret_value(),
        region_name=address.region,
    )
    config = Config(
        connect_timeout=3,
        read_timeout=5,
        # Short: the consumer has its partitions wait, and writes the same batch again.
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=2 * WORKERS,
        parameter_validation=False,  # ours are made by code; it takes a third of a request's time
        tcp_keepalive=True,
    )
    try:
        return session.client("dynamodb", endpoint_url=address.endpoint, config=config)
    except NoRegionError as error:
        _refuse_region(error)


def _refuse_region(error: Exception) -> NoReturn:
    raise SettingsError(_WRONG_ADDRESS.format(fault="no region is named")) from error
