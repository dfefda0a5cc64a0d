"""Where the logs of a real broker end, asked while it is killed and started again."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest

from consumer.batch import Partition
from consumer.ends import Ends
from consumer.source import Membership
from fleetpulse.errors import BrokerAway
from tests.integration.processes import until
from tests.services.kafka import Kafka

pytestmark = pytest.mark.integration

PATIENCE_S = 60.0
ASK_EVERY_S = 1.0
ASKED_WHILE_DOWN = 3


class Reader:
    """Has read nothing of one partition."""

    outages = 0

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def places(self) -> Mapping[Partition, int | None]:
        return {(self._topic, 0): None}


def reached(ends: Ends) -> bool:
    """Whether the end is known, and read: no broker, no knowledge."""
    try:
        ends.ask()
        for one in (*ends._ends.values(), *ends._begins.values()):
            one.exception(timeout=10)
        return ends.reached()
    except BrokerAway:
        time.sleep(ASK_EVERY_S)
        return False


def test_who_asked_a_broker_that_was_away_learns_where_the_log_ends_once_it_is_back(
    kafka: Kafka,
) -> None:
    topic = kafka.topic()
    config = {"bootstrap.servers": kafka.bootstrap_servers, "log_level": "0"}
    ends = Ends(
        config, Membership(topics=topic, group=topic, batch_rows=1, batch_ms=1), Reader(topic)
    )
    until(lambda: reached(ends), PATIENCE_S)

    with kafka.down():
        assert not any(reached(ends) for _ in range(ASKED_WHILE_DOWN))

    until(lambda: reached(ends), PATIENCE_S)
    ends.close()
