"""Which models score: the promoted ones; while those cannot be used, the last good ones.

A thread looks every 30 s which models are promoted. New ones are read, checked and loaded there,
and taken over between two batches; scoring never waits for the registry.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from consumer.stages.predict import Predictor
from fleetpulse.clock import Clock
from fleetpulse.errors import ModelError, StoreError
from fleetpulse.health import Health
from fleetpulse.notices import Matter, Notices
from fleetpulse.secrets import AwsKeys, Secret
from model.domain import Drift
from model.history import Floats, Int64s
from model.predictor import (
    FleetPredictor,
    Models,
    Scores,
    load_candidates,
    load_models,
    load_predictor,
)
from model.registry import Choice, ModelCard, ModelRegistry, Promotion, open_registry
from model.registry_kept import LastGood

log = logging.getLogger(__name__)

LOOK_S = 30.0
FIRST_LOOK_S = 8.0  # a consumer that starts waits no longer than this for the registry
_PART = "models"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """What serves until the registry has been read."""

    models: Models
    promotion: Promotion | None  # that they are from; None: they are the shipped ones
    words: str  # for people


def fallback(kept: LastGood) -> Fallback:
    """The models that are kept, or else the shipped ones. Raises ModelError."""
    try:
        index = kept.kept()
        models = load_models(index.cards, kept.read)
    except ModelError as nothing:
        log.info("nothing is kept of the models", extra={"problem": str(nothing)})
        shipped = open_registry()
        models = load_models(shipped.current(), shipped.read)
        words = f"the shipped models ({models.version}) serve"
        return Fallback(models=models, promotion=None, words=words)
    return Fallback(models=models, promotion=index.promotion, words=_serve_on(models))


def _serve_on(models: Models) -> str:
    return f"the last good models ({models.version}) serve on"


class ModelWatch:
    """Looks what is promoted, hands over what is good, and says what is not."""

    def __init__(
        self,
        registry: ModelRegistry,
        kept: LastGood,
        first: Fallback,
        *,
        health: Health,
        notices: Notices,
    ) -> None:
        self._registry, self._kept = registry, kept
        self._health, self._notices = health, notices
        self._good, self._serving = first.promotion, first.words
        self._ready: deque[Models] = deque(maxlen=1)  # its ends may be in different threads
        self._shadow: Mapping[str, Choice] = {}  # that is scoring
        self._unkept: tuple[Promotion, Mapping[str, ModelCard], Mapping[str, bytes]] | None = None

    def run(self, clock: Clock, stop: threading.Event, looked: threading.Event) -> None:
        """Look again and again until `stop` is set. looked: set after the first look."""
        try:
            while not stop.is_set():
                self.look()
                looked.set()
                clock.wait(LOOK_S, stop)
        finally:
            self._registry.close()

    def look(self) -> None:
        """Look once, and say how it went."""
        problem = None
        try:
            problem = self._renew()
        except ModelError as refused:
            problem = self._but(str(refused))
        except Exception:
            log.exception("looking for models failed")
            problem = self._but("Looking for models failed, and the consumer's log says why.")
        self._keep()
        self._say(problem)

    def take(self) -> Models | None:
        """Models that were promoted since the last call, ready for use."""
        return self._ready.popleft() if self._ready else None

    def not_yet(self) -> None:
        """Say that the first look takes long."""
        self._health.report(
            _PART, self._but(f"The models in {self._registry.place} are not read yet")
        )

    def _renew(self) -> str | None:
        """Take over what is promoted, if it is new; what is wrong with a candidate, if anything."""
        promotion = self._registry.promotion()
        if promotion == self._good and promotion.shadow == self._shadow:
            self._registry.check(promotion)
            return None
        self._refuse_older(promotion)
        cards, contents = self._registry.promoted(promotion), dict[str, bytes]()

        def read(card: ModelCard) -> bytes:
            contents[card.name] = self._registry.read(card)
            return contents[card.name]

        models = load_models(cards, read)
        used = {rule: cards[rule] for rule in contents}
        self._unkept = (promotion, used, contents)
        is_new = promotion != self._good
        self._good, self._serving = promotion, _serve_on(models)
        problem = None
        try:
            candidates = load_candidates(self._registry.candidates(promotion), self._registry.read)
            self._shadow = promotion.shadow
        except ModelError as refused:
            candidates = {}
            problem = self._but(f"No candidate scores in the shadow: {refused}")
        if is_new or candidates:
            self._ready.append(replace(models, candidates=candidates))
        return problem

    def _refuse_older(self, promotion: Promotion) -> None:
        """A bucket that was set back, or changed by hand, is no promotion."""
        place, before = self._registry.place, self._good.number if self._good else 0
        if not promotion.models:
            raise ModelError(f"Nothing is promoted in {place}: publish models and promote them.")
        if promotion.number < before:
            raise ModelError(
                f"The models in {place} went back from promotion {before} to {promotion.number}:"
                " promote the ones that are wanted, older ones too."
            )
        if promotion.number == before != 0 and promotion != self._good:
            raise ModelError(
                f"The models in {place} were changed under the same promotion, {before}: promote"
                " the ones that are wanted."
            )

    def _keep(self) -> None:
        """Keep what was found good; again at the next look if the disk does not take it."""
        if self._unkept is None:
            return
        try:
            self._kept.keep(*self._unkept)
        except OSError as problem:
            self._health.report(
                "kept-models",
                f"The models cannot be kept for a restart ({problem.strerror}): look at the data"
                " folder's disk.",
            )
        else:
            self._unkept = None
            self._health.report("kept-models", None)

    def _but(self, refusal: str) -> str:
        """The refusal, and what serves meanwhile, in one sentence."""
        return f"{refusal.removesuffix('.')}; {self._serving}."

    def _say(self, problem: str | None) -> None:
        self._health.report(_PART, problem)
        try:
            self._notices.report(Matter.MODEL, problem)
        except StoreError as refused:
            log.warning("no notice about the models", extra={"problem": str(refused)})


class FollowingPredictor:
    """A predictor whose models follow what is promoted; what it remembers of devices stays.

    Models change at the beginning of score(), so all scores of a batch are of one version, which
    `version` and `thresholds` tell until the next batch.
    """

    def __init__(self, first: Models, watch: ModelWatch) -> None:
        self._watch = watch
        self._predictor = FleetPredictor(watch.take() or first)

    @property
    def version(self) -> str:
        """Of the models that scored last."""
        return self._predictor.version

    @property
    def versions(self) -> Mapping[str, str]:
        """The same, by rule."""
        return self._predictor.versions

    @property
    def thresholds(self) -> Mapping[str, float]:
        """Which probability means soon, by rule."""
        return self._predictor.thresholds

    def score(
        self,
        slots: Int64s,
        kinds: Sequence[str],
        measured_at: Int64s,
        values: Floats,
        limits: Mapping[str, Floats],
        set_back: NDArray[np.bool_] | None = None,
    ) -> Scores:
        """Score n rows, with newly promoted models if there are any, and remember them."""
        promoted = self._watch.take()
        if promoted is not None:
            log.info(
                "models taken over",
                extra={"before": self._predictor.version, "version": promoted.version},
            )
            self._predictor.use(promoted)
        return self._predictor.score(slots, kinds, measured_at, values, limits, set_back)

    def causes(self, scores: Scores, rule: str, rows: Sequence[int]) -> list[list[str]]:
        """The top reasons for each of these rows' probabilities, in words with numbers."""
        return self._predictor.causes(scores, rule, rows)

    def drifts(self) -> Mapping[str, Sequence[Drift]]:
        """How far the fleet is from each rule's training, by feature."""
        return self._predictor.drifts()

    def learn(self, slot: int, period: int, means: Sequence[float], periods: float) -> None:
        """Take over what was normal for a device before, at the next score()."""
        self._predictor.learn(slot, period, means, periods)

    def forget(self, slots: Int64s) -> None:
        """Forget the samples of these devices."""
        self._predictor.forget(slots)


def follow(
    url: str | None,
    *,
    aws: AwsKeys | None = None,
    key: Secret | None = None,
    kept: Path,
    health: Health,
    notices: Notices,
    clock: Clock,
    stop: threading.Event,
) -> Predictor:
    """The predictor of the models at `url`, following them until `stop` is set.

    url: None for the shipped models, which nobody promotes. key: what models are signed with.
    kept: folder for the last good models.
    While the registry cannot be used at the start, the last good ones serve, or else the shipped
    ones. Raises ModelError for an address that is not one.
    """
    if url is None:
        return load_predictor()
    registry = open_registry(url, aws=aws, key=key)
    last_good = LastGood(kept / "last-good", registry.place)
    first = fallback(last_good)
    watch = ModelWatch(registry, last_good, first, health=health, notices=notices)
    looked = threading.Event()
    threading.Thread(
        target=watch.run, args=(clock, stop, looked), name="models", daemon=True
    ).start()
    _wait_for_either(looked, stop, FIRST_LOOK_S)
    if not looked.is_set():
        watch.not_yet()
    return FollowingPredictor(first.models, watch)


def _wait_for_either(one: threading.Event, other: threading.Event, seconds: float) -> None:
    """Return when one of these is set, or the time is over."""
    for _ in range(round(seconds / 0.1)):
        if one.wait(0.1) or other.is_set():
            return
