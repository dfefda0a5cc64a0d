"""A consumer's models in a bucket that is away, slow, denies, or holds changed or older files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from consumer.model_watch import FollowingPredictor, ModelWatch, fallback
from fleetpulse.clock import ManualClock
from fleetpulse.health import Health
from fleetpulse.notices import Notices
from fleetpulse.secrets import AwsKeys
from fleetpulse.stores.memory import MemoryStore
from model.predictor import Scores, load_predictor
from model.registry import ModelRegistry, open_registry
from model.registry_kept import LastGood
from tests.services.s3 import KEYS, S3, WRONG_KEYS, SlowWay
from tests.unit.model.builders import moments, rows

pytestmark = pytest.mark.integration


class Bench:
    """A bucket with the shipped models promoted, and a consumer's watch on it."""

    def __init__(self, server: S3, folder: Path) -> None:
        self.server, self.kept, self.bucket = server, folder, server.bucket()
        self.objects = server.objects / self.bucket / "models"
        self.health, self.store = Health(), MemoryStore()
        self.opened: list[ModelRegistry] = []
        self.publisher = self.open(KEYS, server.endpoint)
        self.promote("good")

    def open(self, keys: AwsKeys, endpoint: str) -> ModelRegistry:
        """The registry in the bucket."""
        url = f"s3://{self.bucket}/models?region=us-east-1&endpoint={endpoint}"
        self.opened.append(open_registry(url, aws=keys))
        return self.opened[-1]

    def start(self, keys: AwsKeys = KEYS, endpoint: str | None = None) -> FollowingPredictor:
        """A consumer that starts, and has looked once."""
        registry = self.open(keys, endpoint or self.server.endpoint)
        kept = LastGood(self.kept, registry.place)
        first, notices = fallback(kept), Notices(self.store, ManualClock())
        self.watch = ModelWatch(registry, kept, first, health=self.health, notices=notices)
        self.watch.look()
        return FollowingPredictor(first.models, self.watch)

    def promote(self, suffix: str) -> None:
        """Publish and promote the shipped models under another version."""
        shipped, versions = open_registry(), {}
        for rule, card in shipped.current().items():
            named = msgspec.structs.replace(card, version=f"{card.version}-{suffix}")
            self.publisher.publish(named, shipped.read(card))
            versions[rule] = named.version
        self.publisher.promote(versions)

    def put(self, path: Path, content: bytes) -> None:
        """Put other content in an object's place, as somebody with the keys may."""
        key = path.relative_to(self.server.objects / self.bucket).as_posix()
        with contextlib.closing(self.server.client()) as client:
            client.put_object(Bucket=self.bucket, Key=key, Body=content)

    @property
    def problem(self) -> str:
        """What is said of the models."""
        return self.health.problems().get("models", "")

    def alert(self) -> list[str]:
        """The states of the alert about the models, in their order."""
        return [stored.event.state for stored in self.store.alerts.stored_since(0)]


@pytest.fixture
def bench(s3: S3, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(s3, tmp_path)
    yield bench
    for registry in bench.opened:
        registry.close()


def score(predictor: FollowingPredictor, first: int, count: int) -> Scores:
    """Score a stretch of one machine's heating."""
    seconds = np.arange(first, first + count) * 5.0
    temperature = 48 + 42 * (1 - np.exp(-seconds / 70))
    values = rows(count, temperature_c=temperature, load_pct=99.0, clock_ghz=1.8)
    limits = {"heat": np.full(count, 80.0), "overload": np.full(count, 95.0)}
    slots = np.zeros(count, np.int64)
    return predictor.score(slots, ["raspberry"] * count, moments(seconds), values, limits)


def test_a_promotion_takes_over_while_batches_are_scored_and_no_state_is_lost(
    bench: Bench,
) -> None:
    whole = score(bench.start(), 0, 20)
    predictor = bench.start()

    first = score(predictor, 0, 10)
    bench.promote("new")
    bench.watch.look()
    rest = score(predictor, 10, 10)

    assert first.models.version.endswith("-good")
    assert rest.models.version == predictor.version
    assert predictor.version.endswith("-new")
    for rule, features in whole.features.items():
        together = np.concatenate([first.features[rule], rest.features[rule]])
        np.testing.assert_array_equal(together, features)
    assert bench.problem == ""
    assert bench.alert() == []


def test_a_bucket_that_goes_away_and_comes_back_is_one_alert(bench: Bench) -> None:
    predictor = bench.start()
    with bench.server.down():
        bench.watch.look()
        bench.watch.look()
        score(predictor, 0, 1)
        said = bench.problem
    bench.watch.look()

    assert "it cannot be reached" in said
    assert said.endswith(f"; the last good models ({predictor.version}) serve on.")
    assert predictor.version.endswith("-good")
    assert bench.problem == ""
    assert bench.alert() == ["stressed", "recovered"]


def test_a_bucket_that_is_away_at_the_start_leaves_the_last_good_models(bench: Bench) -> None:
    bench.start()

    with bench.server.down():
        predictor = bench.start()

    assert predictor.version.endswith("-good")
    assert "it cannot be reached" in bench.problem


def test_a_denied_consumer_with_nothing_kept_serves_the_shipped_models(bench: Bench) -> None:
    predictor = bench.start(WRONG_KEYS)

    assert predictor.version == load_predictor().version
    assert "the secret does not fit" in bench.problem
    assert "the shipped models" in bench.problem


def test_a_slow_bucket_is_given_up_and_said(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.registry_s3.READ_S", 0.2)
    with SlowWay(bench.server.port) as way:
        predictor = bench.start(endpoint=way.endpoint)
        way.slow.set()
        bench.watch.look()
        score(predictor, 0, 1)

    assert predictor.version.endswith("-good")
    assert "it has been silent for" in bench.problem


def test_a_changed_file_is_refused(bench: Bench) -> None:
    predictor = bench.start()
    (path,) = bench.objects.glob("heat/*-good/heat.skops")
    bench.put(path, path.read_bytes() + b"x")

    bench.watch.look()
    score(predictor, 0, 1)

    assert "is not the one that its card describes" in bench.problem
    assert predictor.version.endswith("-good")


def test_a_changed_card_is_refused(bench: Bench) -> None:
    predictor = bench.start()
    bench.promote("new")
    (path,) = bench.objects.glob("heat/*-new/heat.json")
    bench.put(path, path.read_bytes() + b" ")

    bench.watch.look()
    score(predictor, 0, 1)

    assert "is not the one that was promoted" in bench.problem
    assert predictor.version.endswith("-good")


def test_an_older_promotion_is_refused_also_after_a_restart(bench: Bench) -> None:
    older = (bench.objects / "current.json").read_bytes()
    bench.promote("new")
    bench.start()
    bench.put(bench.objects / "current.json", older)

    bench.watch.look()
    said, predictor = bench.problem, bench.start()

    assert "went back from promotion 2 to 1" in said
    assert "went back from promotion 2 to 1" in bench.problem
    assert predictor.version.endswith("-new")
