"""Promoted models are taken over between two batches; bad ones leave the last good ones serving."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import numpy as np
import pytest

from consumer.model_watch import FollowingPredictor, ModelWatch, fallback, follow
from fleetpulse.clock import ManualClock
from fleetpulse.health import Health
from fleetpulse.notices import OURSELVES, Matter, Notices
from fleetpulse.stores.memory import MemoryStore
from model.history import Floats
from model.predictor import Scores, load_predictor
from model.registry import FolderRegistry, ModelCard, open_registry
from model.registry_kept import LastGood
from tests.unit.model.builders import moments, rows

SHIPPED_VERSION = load_predictor().version


class Bench:
    """A folder of models, and a watch on it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.kept = folder / "models", folder / "kept"
        self.registry = FolderRegistry(self.folder)
        self.health, self.store = Health(), MemoryStore()

    def watch(self) -> FollowingPredictor:
        """A consumer that starts now; it has not looked yet."""
        kept = LastGood(self.kept, self.registry.place)
        first = fallback(kept)
        notices = Notices(self.store, ManualClock())
        self.watcher = ModelWatch(self.registry, kept, first, health=self.health, notices=notices)
        return FollowingPredictor(first.models, self.watcher)

    @property
    def heat_version(self) -> str:
        """Of the shipped model."""
        return open_registry().current()["heat"].version

    def promote(self, suffix: str, *, threshold: float = 0.5) -> None:
        """Publish and promote the shipped models under another version and threshold."""
        self.registry.promote(self.publish(suffix, threshold=threshold))

    def publish(self, suffix: str, *, threshold: float = 0.5) -> dict[str, str]:
        """Publish them under another version and threshold; the versions by rule."""
        shipped, versions = open_registry(), {}
        for rule, card in shipped.current().items():
            changed = msgspec.structs.replace(
                card, version=f"{card.version}-{suffix}", threshold=threshold
            )
            self.registry.publish(changed, shipped.read(card))
            versions[rule] = changed.version
        return versions

    def shadow(self, suffix: str) -> None:
        """Have a version that was published score in the shadow."""
        versions = {card.name: card.version for card in self.registry.cards()}
        assert all(version.endswith(suffix) for version in versions.values())
        self.registry.shadow(versions)

    def file(self, suffix: str) -> Path:
        """The heat model of a version."""
        (path,) = self.folder.glob(f"heat/*-{suffix}/heat.skops")
        return path

    @property
    def problem(self) -> str | None:
        """What is said of the models."""
        return self.health.problems().get("models")

    def alerts(self) -> list[str]:
        """The states of the alert about the models, in their order."""
        return [stored.event.state for stored in self.store.alerts.stored_since(0)]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def score(predictor: FollowingPredictor, first: int, count: int) -> Scores:
    """Score a stretch of one machine's heating."""
    seconds = np.arange(first, first + count) * 5.0
    temperature: Floats = 48 + 42 * (1 - np.exp(-seconds / 70))
    values = rows(count, temperature_c=temperature, load_pct=99.0, clock_ghz=1.8)
    limits = {"heat": np.full(count, 80.0), "overload": np.full(count, 95.0)}
    slots = np.zeros(count, np.int64)
    return predictor.score(slots, ["raspberry"] * count, moments(seconds), values, limits)


def test_what_is_promoted_serves_from_the_next_batch_on(bench: Bench) -> None:
    predictor = bench.watch()
    score(predictor, 0, 5)
    bench.promote("new", threshold=0.25)

    bench.watcher.look()
    before = predictor.version
    score(predictor, 5, 1)

    assert before == SHIPPED_VERSION
    assert predictor.version.endswith("-new")
    assert predictor.thresholds == {"heat": 0.25, "overload": 0.25}
    assert bench.problem is None


def test_devices_are_remembered_through_a_change_of_models(bench: Bench) -> None:
    whole = score(bench.watch(), 0, 20)
    predictor = bench.watch()

    first = score(predictor, 0, 10)
    bench.promote("new")
    bench.watcher.look()
    rest = score(predictor, 10, 10)

    assert predictor.version.endswith("-new")
    for rule in ("heat", "overload"):
        together = np.concatenate([first.features[rule], rest.features[rule]])
        np.testing.assert_array_equal(together, whole.features[rule])
        np.testing.assert_array_equal(rest.probability[rule], whole.probability[rule][10:])


def test_a_candidate_scores_beside_the_models_in_use(bench: Bench) -> None:
    bench.promote("good")
    predictor = bench.watch()
    bench.watcher.look()
    assert not score(predictor, 0, 10).candidate_probability

    bench.shadow("good")
    bench.watcher.look()
    scores = score(predictor, 10, 10)

    assert set(scores.candidate_probability) == {"heat", "overload"}
    known = scores.candidate_probability["heat"] > 0
    assert known.any()
    np.testing.assert_array_equal(
        scores.candidate_probability["heat"][known], scores.probability["heat"][known]
    )
    assert bench.problem is None


def test_a_candidate_scores_again_after_a_restart(bench: Bench) -> None:
    bench.promote("good")
    bench.shadow("good")
    bench.watch()
    bench.watcher.look()

    restarted = bench.watch()
    bench.watcher.look()

    assert set(score(restarted, 0, 10).candidate_probability) == {"heat", "overload"}


def test_a_candidate_that_was_changed_is_refused_and_the_models_in_use_serve(
    bench: Bench,
) -> None:
    bench.promote("good", threshold=0.25)
    bench.publish("next")
    predictor = bench.watch()
    bench.watcher.look()
    bench.registry.shadow({"heat": f"{bench.heat_version}-next"})
    bench.file("next").write_bytes(b"changed")

    bench.watcher.look()
    scores = score(predictor, 0, 10)

    assert bench.problem is not None
    assert "No candidate scores in the shadow" in bench.problem
    assert not scores.candidate_probability
    assert predictor.thresholds["heat"] == 0.25


def test_causes_are_those_of_the_models_that_scored(bench: Bench) -> None:
    predictor = bench.watch()
    scores = score(predictor, 0, 20)
    expected = predictor.causes(scores, "heat", [10])
    bench.promote("new")
    bench.watcher.look()
    score(predictor, 20, 1)

    assert scores.models.version == SHIPPED_VERSION
    assert predictor.causes(scores, "heat", [10]) == expected


def test_a_changed_file_is_refused_said_once_and_well_again_later(bench: Bench) -> None:
    bench.promote("good")
    predictor = bench.watch()
    bench.watcher.look()
    content = bench.file("good").read_bytes()
    bench.file("good").write_bytes(content[:-1] + b"x")

    bench.watcher.look()
    bench.watcher.look()
    score(predictor, 0, 1)
    said, version = bench.problem, predictor.version
    bench.file("good").write_bytes(content)
    bench.watcher.look()

    assert said is not None
    assert "is not the one that its card describes" in said
    assert said.endswith(f"; the last good models ({version}) serve on.")
    assert version.endswith("-good")
    assert bench.problem is None
    assert bench.alerts() == ["stressed", "recovered"]


def test_an_older_promotion_is_refused_and_a_promoted_older_version_is_not(bench: Bench) -> None:
    predictor = bench.watch()
    bench.promote("old")
    older = (bench.folder / "current.json").read_bytes()
    bench.promote("new")
    bench.watcher.look()
    (bench.folder / "current.json").write_bytes(older)

    bench.watcher.look()
    score(predictor, 0, 1)

    assert "went back from promotion 2 to 1" in (bench.problem or "")
    assert predictor.version.endswith("-new")

    for _ in range(2):
        bench.promote("old")
    bench.watcher.look()
    score(predictor, 1, 1)

    assert predictor.version.endswith("-old")
    assert bench.problem is None


def test_a_restart_without_a_registry_serves_the_last_good_models(bench: Bench) -> None:
    bench.promote("good")
    bench.watch()
    bench.watcher.look()
    (bench.folder / "current.json").write_text("torn")

    predictor = bench.watch()
    bench.watcher.look()
    score(predictor, 0, 1)

    assert predictor.version.endswith("-good")
    assert "current.json cannot be read" in (bench.problem or "")


def test_without_registry_and_kept_models_the_shipped_ones_serve_and_it_is_said(
    bench: Bench,
) -> None:
    predictor = bench.watch()
    bench.watcher.look()
    score(predictor, 0, 1)

    assert predictor.version == SHIPPED_VERSION
    assert f"; the shipped models ({SHIPPED_VERSION}) serve." in (bench.problem or "")


def test_kept_models_that_were_changed_are_not_used(bench: Bench) -> None:
    bench.promote("good")
    bench.watch()
    bench.watcher.look()
    for path in bench.kept.glob("*.skops"):
        path.write_bytes(b"x")

    assert bench.watch().version == SHIPPED_VERSION


def test_an_older_promotion_is_refused_after_a_restart_too(bench: Bench) -> None:
    bench.promote("old")
    older = (bench.folder / "current.json").read_bytes()
    bench.promote("new")
    bench.watch()
    bench.watcher.look()
    (bench.folder / "current.json").write_bytes(older)

    predictor = bench.watch()
    bench.watcher.look()
    score(predictor, 0, 1)

    assert predictor.version.endswith("-new")
    assert "went back" in (bench.problem or "")


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"horizon_s": 60.0}, "looks 60 s ahead"), ({"name": "overload"}, "made for other features")],
)
def test_a_model_that_does_not_fit_is_refused(
    bench: Bench, change: dict[str, object], reason: str
) -> None:
    bench.promote("good")
    predictor = bench.watch()
    bench.watcher.look()
    shipped = open_registry()
    card = shipped.current()["heat"]
    bad: ModelCard = msgspec.structs.replace(card, version="bad", **change)
    bench.registry.publish(bad, shipped.read(card))
    bench.registry.promote({bad.name: "bad"})

    bench.watcher.look()
    score(predictor, 0, 1)

    assert reason in (bench.problem or "")
    assert predictor.version.endswith("-good")


def test_a_model_of_another_scikit_learn_is_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = bench.watch()
    bench.promote("new")
    monkeypatch.setattr("sklearn.__version__", "1.99.0")

    bench.watcher.look()
    score(predictor, 0, 1)

    assert "was made with scikit-learn" in (bench.problem or "")
    assert predictor.version == SHIPPED_VERSION


def test_a_disk_that_keeps_nothing_stops_no_model(bench: Bench) -> None:
    bench.kept.write_text("a file where a folder is needed")
    predictor = bench.watch()
    bench.promote("new")

    bench.watcher.look()
    score(predictor, 0, 1)
    assert predictor.version.endswith("-new")
    assert "cannot be kept" in bench.health.problems()["kept-models"]

    bench.kept.unlink()
    bench.watcher.look()
    assert "kept-models" not in bench.health.problems()
    assert bench.watch().version.endswith("-new")


def test_the_thread_begins_with_what_is_promoted_and_stops(bench: Bench) -> None:
    bench.promote("new")
    stop = threading.Event()

    predictor = follow(
        f"dir:{bench.folder}",
        kept=bench.kept,
        health=bench.health,
        notices=Notices(bench.store, ManualClock()),
        clock=WaitingClock(),
        stop=stop,
    )

    assert predictor.version.endswith("-new")
    stop.set()
    for thread in threading.enumerate():
        if thread.name == "models":
            thread.join(10)
            assert not thread.is_alive()


class WaitingClock(ManualClock):
    """Waits until it is stopped."""

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        return stop.wait()


def test_models_that_a_user_made_are_not_touched_by_what_is_kept(bench: Bench) -> None:
    bench.promote("new")
    own = bench.folder / "heat.skops"
    own.write_bytes(b"mine")
    stop = threading.Event()
    stop.set()

    follow(
        f"dir:{bench.folder}",
        kept=bench.folder,
        health=bench.health,
        notices=Notices(bench.store, ManualClock()),
        clock=WaitingClock(),
        stop=stop,
    )
    kept = LastGood(bench.folder / "last-good", bench.registry.place)
    ModelWatch(
        bench.registry,
        kept,
        fallback(kept),
        health=bench.health,
        notices=Notices(bench.store, ManualClock()),
    ).look()

    assert own.read_bytes() == b"mine"
    assert len(bench.registry.cards()) == 2


def test_the_notice_is_about_fleetpulse_itself(bench: Bench) -> None:
    bench.watch()
    bench.watcher.look()

    (state,) = bench.store.alerts.states_of([OURSELVES])

    assert state.rule == Matter.MODEL
