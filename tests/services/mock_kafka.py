"""The broker inside librdkafka, told to fail as a real one does and cannot be made to.

It is reached through ctypes, since the Python client starts it but does not hand it out. Calls and
their types: librdkafka's own header, src/rdkafka_mock.h.
"""

from __future__ import annotations

import ctypes
import uuid
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path

import confluent_kafka
import pytest

from tests.services.missing import without

_PRODUCER = 0
_WORDS_BYTES = 512
_SITE = Path(confluent_kafka.__file__).parents[1]


class Request(IntEnum):
    """Requests of Kafka's protocol, by their API keys: https://kafka.apache.org/protocol."""

    OFFSET_COMMIT = 8
    HEARTBEAT = 12


class MockKafka:
    """A cluster of one broker, in memory, in this process."""

    def __init__(self) -> None:
        self._library = _library()
        words = ctypes.create_string_buffer(_WORDS_BYTES)
        config = self._library.rd_kafka_conf_new()
        for name, value in (("test.mock.num.brokers", "1"), ("log_level", "0")):
            self._library.rd_kafka_conf_set(
                config, name.encode(), value.encode(), words, len(words)
            )
        self._client = self._library.rd_kafka_new(_PRODUCER, config, words, len(words))
        assert self._client, words.value.decode()
        self._cluster = self._library.rd_kafka_handle_mock_cluster(self._client)
        servers: bytes = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster)
        self.bootstrap_servers = servers.decode()

    def topic(self, name: str | None = None, *, partitions: int = 1) -> str:
        """Make a topic, by default of a new name, and give its name."""
        name = name or f"topic-{uuid.uuid4().hex}"
        error = self._library.rd_kafka_mock_topic_create(
            self._cluster, name.encode(), partitions, 1
        )
        assert error == 0, error
        return name

    def fail(self, request: Request, error: int, *, times: int = 1) -> None:
        """Answer the next requests of this kind with an error, a code of KafkaError."""
        errors = (ctypes.c_int * times)(*[error] * times)
        self._library.rd_kafka_mock_push_request_errors_array(self._cluster, request, times, errors)

    def close(self) -> None:
        """End it; its records are gone."""
        self._library.rd_kafka_destroy(self._client)


def _library() -> ctypes.CDLL:
    """The very library that the Python client uses."""
    found = [
        *_SITE.glob("confluent_kafka.libs/librdkafka*"),
        *_SITE.glob("confluent_kafka/.dylibs/*"),
    ]
    if not found:
        without("librdkafka beside its Python client", how="install confluent-kafka from a wheel")
    library = ctypes.CDLL(str(found[0]))
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    signatures = {
        "rd_kafka_conf_new": (pointer, []),
        "rd_kafka_conf_set": (ctypes.c_int, [pointer, text, text, text, ctypes.c_size_t]),
        "rd_kafka_new": (pointer, [ctypes.c_int, pointer, text, ctypes.c_size_t]),
        "rd_kafka_destroy": (None, [pointer]),
        "rd_kafka_handle_mock_cluster": (pointer, [pointer]),
        "rd_kafka_mock_cluster_bootstraps": (text, [pointer]),
        "rd_kafka_mock_topic_create": (
            ctypes.c_int,
            [pointer, text, ctypes.c_int, ctypes.c_int],
        ),
        "rd_kafka_mock_push_request_errors_array": (
            None,
            [pointer, ctypes.c_int16, ctypes.c_size_t, ctypes.POINTER(ctypes.c_int)],
        ),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


@pytest.fixture
def mock_kafka() -> Iterator[MockKafka]:
    """A cluster of its own."""
    cluster = MockKafka()
    yield cluster
    cluster.close()
