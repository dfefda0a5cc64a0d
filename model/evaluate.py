"""How good a model is, against what one would do without one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, brier_score_loss, precision_recall_curve

from fleetpulse.alerts import HORIZON_S
from model.history import Floats, Int64s
from model.questions import ROOM, Questions, feature_column
from model.registry import Source

Figures = dict[str, float | list[float] | str]

QUESTIONS: Mapping[str, str] = {
    "heat": "Will the temperature, now below the limit, reach it within 120 s?",
    "overload": "Will the mean load of 60 s, now below the limit, reach it within 120 s?",
}
CAVEATS: Mapping[str, str] = {
    "heat": "It cannot know work that has not begun: a limit that is reached within seconds of a"
    " sudden load is warned of late. Simulated machines are simpler than real ones. Machines that"
    " report less often than every 2 minutes are hardly warned of.",
    "overload": "It continues what the load does; work that has not begun is not foreseen. It is"
    " trained on simulated load profiles and benchmark sessions, not on yours.",
}


CALIBRATION_BINS = 10
_QUANTILES = np.linspace(0, 0.95, 60)  # of what is said before a limit is reached
_AROUND_S = 420.0  # of a case that is shown
_LONG_BEFORE_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was asked of one source, and what models that had not seen the machine said."""

    source: Source
    questions: Questions
    chance: Floats  # [m], calibrated
    fold: Int64s  # [m], in which the machine was left out


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One machine on its way to a limit, or not."""

    machine: str
    limit: float
    seconds: Floats  # [k], since the first of these readings
    quantity: Floats  # [k], what is compared with the limit
    chance: Floats  # [k]


def threshold_for(
    reached: NDArray[np.bool_], chance: Floats, precision: float, weights: Floats
) -> float:
    """The lowest chance from which on warnings are right at least that often.

    If none is, the lowest one from which on they are right as often as they ever are.
    """
    rights, _, thresholds = precision_recall_curve(reached, chance, sample_weight=weights)
    good = np.flatnonzero(rights[:-1] >= min(precision, rights[:-1].max()))
    return float(thresholds[good[0]])


def threshold_of_warnings(questions: Questions, chance: Floats, precision: float) -> float:
    """The lowest chance from which on so many warnings are right: runs of them, not readings.

    All questions of the machines and limits must be there. If no chance is so sure, the one from
    which on warnings are right most often.
    """
    device = _numbered(questions.slots, questions.limit)
    order = np.lexsort((questions.measured_at, device))
    device, at = device[order], questions.measured_at[order]
    chance, known = chance[order], questions.known[order]
    reached = questions.reached[order]
    candidates = np.unique(np.quantile(chance[reached], _QUANTILES))
    shares = np.zeros(len(candidates))
    for place, threshold in enumerate(candidates):
        warned = (chance >= threshold) & known
        right = runs_right(device, at, warned, reached)
        shares[place] = right.mean() if len(right) else 0.0
    return float(candidates[np.argmax(shares >= min(precision, shares.max()))])


def runs_right(
    devices: Int64s | NDArray[np.int32],
    at: Int64s,
    warned: NDArray[np.bool_],
    right: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Of each run of warnings, no farther apart than the horizon, whether one of them was right.

    [n], of readings by device and time (Unix ms).
    """
    rows = np.flatnonzero(warned)
    if not len(rows):
        return np.zeros(0, dtype=np.bool_)
    begins = (np.diff(devices[rows]) != 0) | (np.diff(at[rows]) > 1000 * HORIZON_S)
    runs = np.append(0, np.cumsum(begins))
    found: NDArray[np.bool_] = np.bincount(runs, weights=right[rows]) > 0
    return found


def baselines(rule: str, questions: Questions) -> dict[str, Floats]:
    """What one would do without a model: scores that are higher the likelier the limit is."""
    room = questions.features[:, feature_column(rule, ROOM[rule])]
    if rule == "heat":
        ahead = questions.features[:, feature_column(rule, "projected_60s")]
        return {
            "static limit": -room,
            "linear extrapolation": -np.where(np.isnan(ahead), room, ahead),
        }
    ahead = questions.features[:, feature_column(rule, "load_room")]
    return {"static limit": -room, "load now": -ahead}


def figures(
    rule: str,
    evidence: Sequence[Evidence],
    threshold: float,
) -> Figures:
    """Figures of each source, on machines that were not trained on, beside the baselines."""
    found: Figures = {}
    for each in evidence:
        name, questions, chance = each.source.name, each.questions, each.chance
        if not questions.reached.any():
            continue
        found[f"{name}: AP"] = average_precision(questions.reached, chance)
        found[f"{name}: AP per fold"] = [
            average_precision(questions.reached[asked], chance[asked])
            for asked in (each.fold == fold for fold in np.unique(each.fold))
            if questions.reached[asked].any()
        ]
        for baseline, score in baselines(rule, questions).items():
            found[f"{name}: AP of {baseline}"] = average_precision(questions.reached, score)
        found |= {
            f"{name}: {figure}": value
            for figure, value in warnings_at(questions, chance, threshold).items()
        }
        found[f"{name}: Brier score"] = round(float(brier_score_loss(questions.reached, chance)), 4)
        found[f"{name}: calibration error"] = round(calibration_error(questions.reached, chance), 4)
        found[f"{name}: share that is reached"] = round(float(questions.reached.mean()), 4)
    return found


def warnings_at(questions: Questions, chance: Floats, threshold: float) -> dict[str, float]:
    """What a threshold means: precision, recall, and how long before the crossing it warns."""
    warned = (chance >= threshold) & questions.known
    right = int((warned & questions.reached).sum())
    leads, firsts = lead_times(questions, warned), first_warnings(questions, warned)
    return {
        "precision at the threshold": round(right / max(1, int(warned.sum())), 3),
        "recall at the threshold": round(right / max(1, int(questions.reached.sum())), 3),
        "recall at precision 0.8": _recall_at(questions.reached, chance, 0.8),
        "crossings warned of": round(len(leads) / max(1, crossings(questions)), 3),
        "median lead time, s": round(float(np.median(leads)), 1) if len(leads) else 0.0,
        "median time from a session's first warning, s": (
            round(float(np.median(firsts)), 1) if len(firsts) else 0.0
        ),
    }


def lead_times(questions: Questions, warned: NDArray[np.bool_]) -> Floats:
    """Seconds from the first warning to the crossing, of each crossing that was warned of."""
    right = warned & ~np.isnan(questions.seconds)
    crossing = _crossing_of(questions, right)
    leads = np.zeros(int(crossing.max(initial=-1)) + 1)
    np.maximum.at(leads, crossing, questions.seconds[right])
    return leads


def first_warnings(questions: Questions, warned: NDArray[np.bool_]) -> Floats:
    """Seconds from the first warning to where a session first reaches the limit.

    Of each session and limit that was warned of in the _LONG_BEFORE_S before it, rightly or too
    early; what was said still earlier was of something else.
    """
    place, reached = _numbered(questions.slots, questions.limit), ~np.isnan(questions.seconds)
    pairs = int(place.max(initial=-1)) + 1
    crossing, first = np.full(pairs, np.inf), np.full(pairs, np.inf)
    moments = questions.measured_at[reached] + 1000 * questions.seconds[reached]
    np.minimum.at(crossing, place[reached], moments)
    ahead_ms = crossing[place] - questions.measured_at
    meant = warned & (ahead_ms > 0) & (ahead_ms <= 1000 * _LONG_BEFORE_S)
    np.minimum.at(first, place[meant], questions.measured_at[meant].astype(np.float64))
    ahead = np.isfinite(first) & np.isfinite(crossing)
    leads: Floats = (crossing[ahead] - first[ahead]) / 1000.0
    return leads


def crossings(questions: Questions) -> int:
    """How many times a limit is reached."""
    return int(_crossing_of(questions, ~np.isnan(questions.seconds)).max(initial=-1)) + 1


def _crossing_of(questions: Questions, rows: NDArray[np.bool_] | Int64s) -> Int64s:
    """Which crossing each of these rows leads to, numbered from 0; all of them lead to one."""
    moments = questions.measured_at[rows] + np.round(1000 * questions.seconds[rows])
    return _numbered(questions.slots[rows], questions.limit[rows], moments)


def _numbered(*columns: Int64s | Floats) -> Int64s:
    """Each row's number among the different rows of these columns, [n]."""
    _, number = np.unique(np.stack(columns), axis=1, return_inverse=True)
    found: Int64s = number.ravel()
    return found


def calibration_error(reached: NDArray[np.bool_], chance: Floats) -> float:
    """Expected calibration error: how far what is said is from how often it is so, on average.

    Bins of equal width, each counting as much as it holds (Naeini et al., AAAI 2015).
    """
    said, happened, share = calibration_bins(reached, chance)
    return float(np.nansum(share * np.abs(said - happened)))


def calibration_bins(reached: NDArray[np.bool_], chance: Floats) -> tuple[Floats, Floats, Floats]:
    """Of each bin of chances: the mean one, how often the limit was reached, the share of answers.

    [CALIBRATION_BINS] each; NaN where there are none.
    """
    places = np.minimum((chance * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)

    def sums(weights: Floats | NDArray[np.bool_]) -> Floats:
        return np.bincount(places, weights, CALIBRATION_BINS).astype(np.float64)

    count = sums(np.ones(len(chance)))
    with np.errstate(invalid="ignore"):
        return sums(chance) / count, sums(reached) / count, count / len(chance)


def misses(rule: str, evidence: Evidence, threshold: float) -> Iterator[Case]:
    """Crossings that nothing was said of, the most surprising first; one of each machine."""
    questions, chance = evidence.questions, evidence.chance
    reached = np.flatnonzero(~np.isnan(questions.seconds))
    crossing = _crossing_of(questions, reached)
    highest = np.zeros(int(crossing.max(initial=-1)) + 1)
    np.maximum.at(highest, crossing, chance[reached])
    surprise = np.bincount(crossing, -np.log(np.clip(chance[reached], 1e-6, 1.0)))
    surprise[highest >= threshold] = -1.0
    order = np.argsort(-surprise, kind="stable")
    worst = (reached[crossing == place] for place in order if surprise[place] > 0)
    return _cases(rule, evidence, (rows[-1] for rows in worst))


def false_alarms(rule: str, evidence: Evidence) -> Iterator[Case]:
    """Where most was said and nothing followed; one of each machine."""
    certain = evidence.questions.certain & ~evidence.questions.reached
    rows = np.flatnonzero(certain)
    order = np.argsort(-evidence.chance[rows], kind="stable")
    return _cases(rule, evidence, iter(rows[order].tolist()))


def _cases(rule: str, evidence: Evidence, rows: Iterator[int]) -> Iterator[Case]:
    """What led to each of these rows and what came after, as far as it was asked about."""
    questions, shown = evidence.questions, set[str]()
    for row in rows:
        machine = str(questions.groups[row])
        if machine in shown:
            continue
        shown.add(machine)
        near = np.abs(questions.measured_at - questions.measured_at[row]) <= 500 * _AROUND_S
        same = (questions.slots == questions.slots[row]) & (questions.limit == questions.limit[row])
        places = np.flatnonzero(near & same)
        places = places[np.argsort(questions.measured_at[places], kind="stable")]
        at = questions.measured_at[places]
        room = questions.features[places, feature_column(rule, ROOM[rule])]
        yield Case(
            machine=machine,
            limit=float(questions.limit[row]),
            seconds=(at - at[0]) / 1000.0,
            quantity=questions.limit[places] - room,
            chance=evidence.chance[places],
        )


def average_precision(reached: NDArray[np.bool_], score: Floats | NDArray[np.float32]) -> float:
    """Average precision; a score of NaN is the lowest."""
    return round(float(average_precision_score(reached, np.nan_to_num(score, nan=-1e9))), 4)


def _recall_at(reached: NDArray[np.bool_], chance: Floats, precision: float) -> float:
    rights, recalls, _ = precision_recall_curve(reached, chance)
    return round(float(recalls[rights >= precision].max()), 3)
