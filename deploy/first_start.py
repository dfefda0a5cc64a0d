"""Makes what fleetpulse's processes find when they start; run again, it changes nothing.

Tables of the store, the bucket of the models with the shipped ones in use, and the key that
Prometheus reads the API with, in the data folder. It runs in the API's image (compose.yaml).
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from fleetpulse.clock import SystemClock
from fleetpulse.errors import FleetpulseError, ModelError, SettingsError
from fleetpulse.health import Health
from fleetpulse.keys import Purpose, find, make_key
from fleetpulse.lifetime import ToldToStop, on_stop_signal, when_there
from fleetpulse.settings import ApiSettings, load
from fleetpulse.stores import open_store
from fleetpulse.stores.protocols import KeyStore, Scope
from model.registry import open_registry

KEY_FILE = "prometheus.key"
MADE_BEFORE = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}


def main() -> int:
    """Make all of it; the exit code."""
    stop, clock = threading.Event(), SystemClock()
    on_stop_signal(stop.set)
    try:
        settings = load(ApiSettings)
        with closing(
            when_there(
                lambda: open_store(
                    settings.store_url, aws=settings.aws, retention=settings.retention
                ),
                part="store",
                health=Health(),
                clock=clock,
                stop=stop,
            )
        ) as store:
            make_bucket(settings)
            promote_shipped_models(settings)
            write_key(store.keys, settings.data / KEY_FILE, now_ms=clock.now_ms())
    except ToldToStop:
        return 1
    except FleetpulseError as problem:
        sys.stderr.write(f"first start: {problem}\n")
        return 2 if isinstance(problem, SettingsError) else 1
    return 0


def make_bucket(settings: ApiSettings) -> None:
    """The bucket of FLEETPULSE_MODELS, unless it is there. Raises ModelError, SettingsError."""
    parts = urlsplit(settings.models or "")
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    if parts.scheme != "s3" or settings.aws is None or "endpoint" not in query:
        raise SettingsError(
            "FLEETPULSE_MODELS must be s3://BUCKET/PREFIX?region=…&endpoint=…, with AWS_ACCESS_KEY"
            " and AWS_SECRET_ACCESS_KEY."
        )
    client = boto3.client(
        "s3",
        region_name=query.get("region", "us-east-1"),
        endpoint_url=query["endpoint"],
        aws_access_key_id=settings.aws.access_key,
        aws_secret_access_key=settings.aws.secret.get_secret_value(),
        config=Config(s3={"addressing_style": "path"}),
    )
    with closing(client):
        try:
            client.create_bucket(Bucket=parts.netloc)
        except ClientError as refusal:
            if refusal.response["Error"]["Code"] not in MADE_BEFORE:
                raise ModelError(f"The bucket of the models: {refusal}") from refusal
        except BotoCoreError as problem:
            raise ModelError(f"The bucket of the models: {problem}") from problem


def promote_shipped_models(settings: ApiSettings) -> None:
    """Publish the shipped models and have them used, unless somebody chose others."""
    with (
        closing(
            open_registry(settings.models, aws=settings.aws, key=settings.model_key)
        ) as registry,
        closing(open_registry()) as shipped,
    ):
        if registry.promotion().number:
            return
        cards = shipped.current()
        for card in cards.values():
            registry.publish(card, shipped.read(card))
        registry.promote({rule: card.version for rule, card in cards.items()})


def write_key(keys: KeyStore, file: Path, *, now_ms: int) -> None:
    """A key that reads, in this file, unless there is one that the store knows."""
    kept = file.read_text() if file.exists() else ""
    if find(keys, kept, Purpose.KEY, now_ms=now_ms) is not None:
        return
    key, text = make_key("prometheus", [Scope.READ], now_ms=now_ms)
    keys.put(key)
    partial = file.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    # Prometheus has this file's group.
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640), "w") as target:
        target.write(text)
    partial.replace(file)


if __name__ == "__main__":
    sys.exit(main())
