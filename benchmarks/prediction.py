"""How good the heat model is on machines unlike those of its training, and how far from the bound.

    python -m benchmarks.prediction [machines]

Simulated machines outside the training ranges: other parameters, loads, air and cooling, failing
fans. Beside the shipped model: a static limit, a straight line through the last minute, and the
bound: the same learner on the same training fleet, told the mean load of the coming 120 s.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from fleetpulse.alerts import HORIZON_S
from fleetpulse.telemetry import COLUMN, Reading
from generators.simulated import held_out_fleet, training_fleet
from model.evaluate import average_precision, baselines, calibration_error, warnings_at
from model.files import FittedModel
from model.history import Floats
from model.predictor import load_models
from model.questions import ROOM, Questions, ask, feature_column, thinned
from model.registry import open_registry
from model.sessions import Sessions, from_fleet
from model.train import CHANCE_PARAMETERS

RULE = "heat"
TRAINING_DEVICES, SECONDS = 300, 3_600
SEED = 7
Fleet = Iterable[tuple[str, str, Sequence[Reading]]]


def coming_load(sessions: Sessions, questions: Questions) -> Floats:
    """The mean load of the 120 s after each question, %; NaN: none was measured."""
    load = sessions.values[:, COLUMN["load_pct"]]
    measured = ~np.isnan(load)
    total = np.append(0.0, np.cumsum(np.where(measured, load, 0.0)))
    count = np.append(0.0, np.cumsum(measured))
    # Sessions one after the other on one axis, far apart.
    step = int(np.ptp(sessions.measured_at)) + round(2_000 * HORIZON_S)
    first = sessions.measured_at.min()
    axis = sessions.measured_at - first + sessions.slots * step
    asked = questions.measured_at - first + questions.slots * step
    begins = np.searchsorted(axis, asked, side="right")
    ends = np.searchsorted(axis, asked + round(1_000 * HORIZON_S), side="right")
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Floats = (total[ends] - total[begins]) / (count[ends] - count[begins])
    return mean


def told(sessions: Sessions, questions: Questions) -> Floats:
    """The features, and the coming load."""
    return np.column_stack([questions.features, coming_load(sessions, questions)])


def oracle() -> HistGradientBoostingClassifier:
    """The learner that is told the coming load, on the training fleet."""
    sessions = from_fleet(training_fleet(1, TRAINING_DEVICES, SECONDS))
    questions = thinned(ask(sessions, RULE), 1)
    questions = questions.of(questions.certain)
    model = HistGradientBoostingClassifier(
        early_stopping=False, random_state=1, **CHANCE_PARAMETERS[RULE]
    )
    return model.fit(told(sessions, questions), questions.reached)


def times_off_s(fitted: FittedModel, warned: Questions) -> tuple[float, float]:
    """How far the expected time is off where it was rightly warned, on average: model and line."""
    room = warned.features[:, feature_column(RULE, ROOM[RULE])]
    heating = warned.features[:, feature_column(RULE, "heating_60s")]  # °C/min
    with np.errstate(invalid="ignore", divide="ignore"):
        line = np.where(heating > 0, 60 * room / heating, HORIZON_S)
    ahead = (fitted.seconds.predict(warned.features), line)
    model_off_s, line_off_s = (
        float(np.abs(np.clip(each, 1.0, HORIZON_S) - warned.seconds).mean()) for each in ahead
    )
    return model_off_s, line_off_s


def main() -> None:
    """Print a table."""
    machines = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    registry = open_registry()
    models = load_models(registry.current(), registry.read)
    fitted, threshold = models.fitted[RULE], models.thresholds[RULE]
    sessions = from_fleet(held_out_fleet(SEED, machines, SECONDS))
    with threadpool_limits(2):
        bound = oracle()
        for name, limits in (("80 °C", [80.0]), ("50 to 95 °C", None)):
            asked = ask(sessions, RULE, limits)
            asked = asked.of(asked.known)
            chance = fitted.probability(asked.features)
            best = average_precision(
                asked.reached, bound.predict_proba(told(sessions, asked))[:, 1]
            )
            found = average_precision(asked.reached, chance)
            print(f"\nLimits {name}: {len(asked):,} questions, {asked.reached.mean():.1%} reached")
            print(f"  model: AP {found:.3f}, {found / best:.2f} of the bound {best:.3f}")
            for baseline, score in baselines(RULE, asked).items():
                value = average_precision(asked.reached, score)
                print(f"  {baseline}: AP {value:.3f}, the model has {found / value:.2f} times that")
            print(f"  calibration error: {calibration_error(asked.reached, chance):.4f}")
            for figure, value in warnings_at(asked, chance, threshold).items():
                print(f"  {figure}: {value}")
            warned = asked.of(asked.reached & (chance >= threshold))
            model_off_s, line_off_s = times_off_s(fitted, warned)
            print(f"  expected time off by {model_off_s:.0f} s, a line by {line_off_s:.0f} s")


if __name__ == "__main__":
    main()
