"""The consumer from its settings: the real store, broker and models, and the ops port."""

from __future__ import annotations

import threading
from contextlib import closing
from functools import partial
from typing import Any

from consumer.app import Hardware
from consumer.model_watch import follow
from consumer.source import Membership
from fleetpulse.clock import SystemClock
from fleetpulse.health import Health
from fleetpulse.kafka import ALERTS_TOPIC, DEAD_LETTER_TOPIC, client_config, ensure_topics
from fleetpulse.lifetime import when_there
from fleetpulse.metrics import ConsumerMetrics, new_registry
from fleetpulse.notices import Notices
from fleetpulse.ops import ops_server
from fleetpulse.schemas import checked_decode
from fleetpulse.settings import ConsumerSettings
from fleetpulse.stores import open_store
from fleetpulse.stores.protocols import Store

DEAD_LETTER_HOURS = 365 * 24  # somebody must find the time to look at them


def consume(settings: ConsumerSettings, stop: threading.Event) -> None:
    """Score and store what the settings name until `stop` is set. Raises FleetpulseError."""
    health, clock, kafka = Health(), SystemClock(), client_config(settings)
    registry = new_registry("consumer", health)
    metrics = ConsumerMetrics(registry)
    waiting = partial(when_there, health=health, clock=clock, stop=stop)
    with ops_server(settings.ops_host, settings.ops_port, health, registry):
        store = waiting(lambda: opened_store(settings), part="store")
        with closing(store), checked_decode(settings) as decode:
            waiting(lambda: make_topics(kafka, settings), part="kafka")
            predictor = follow(
                settings.models,
                aws=settings.aws,
                key=settings.model_key,
                kept=settings.data / "models",
                health=health,
                notices=Notices(store, clock),
                clock=clock,
                stop=stop,
            )
            Hardware(
                kafka=kafka,
                membership=membership(settings),
                decode=decode,
                store=store,
                retention=settings.retention,
                predictor=predictor,
                health=health,
                metrics=metrics,
                clock=clock,
            ).run(stop)


def opened_store(settings: ConsumerSettings) -> Store:
    """The store of these settings."""
    return open_store(settings.store_url, aws=settings.aws, retention=settings.retention)


def membership(settings: ConsumerSettings) -> Membership:
    """What these settings say of reading."""
    return Membership(
        topics=settings.topics,
        group=settings.group,
        instance=settings.instance,
        batch_rows=settings.batch_rows,
        batch_ms=settings.batch_ms,
    )


def make_topics(kafka: dict[str, Any], settings: ConsumerSettings) -> None:
    """Make the topics that a consumer writes to, if they are missing. Raises BrokerError."""
    ensure_topics(
        kafka, [ALERTS_TOPIC], partitions=settings.partitions, log_hours=settings.log_hours
    )
    ensure_topics(
        kafka, [DEAD_LETTER_TOPIC], partitions=settings.partitions, log_hours=DEAD_LETTER_HOURS
    )
