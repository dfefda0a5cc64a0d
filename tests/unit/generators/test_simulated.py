"""The live simulation keeps the promises that `fleetpulse up` makes, and fleets are as said."""

from __future__ import annotations

import argparse
import random
import time

import pytest

from fleetpulse.telemetry import CHANNEL_NAMES, Reading
from generators.loads import HELD_OUT_PROFILES, TRAINING_PROFILES
from generators.simulated import (
    EPISODE_AFTER_S,
    EPISODE_EVERY_S,
    EPISODE_S,
    HELD_OUT_RANGES,
    TRAINING_RANGES,
    Ranges,
    Span,
    add_arguments,
    held_out_fleet,
    random_parameters,
    simulated_machine,
    source_from,
    training_fleet,
)

NOON = 1_795_342_120_000
CYCLES = 6
SEEDS = range(12)
INTERVALS_S = (1, 5, 10)


def lived(
    kind: str, scenario: str, *, seed: int = 1, interval_s: int = 5, seconds: int = 1980
) -> list[tuple[int, dict[str, float]]]:
    """(second, values that there are) of a live machine."""
    source = simulated_machine(kind, scenario, seed)
    return [
        (at_s, {k: v for k, v in source.values(NOON + at_s * 1000).items() if v is not None})
        for at_s in range(0, seconds + 1, interval_s)
    ]


def cycles(run: list[tuple[int, dict[str, float]]]) -> list[list[tuple[int, dict[str, float]]]]:
    """The run cut at each episode's begin, seconds counted from there."""
    begins = [EPISODE_AFTER_S + number * EPISODE_EVERY_S for number in range(CYCLES - 1)]
    return [
        [(at - begin, v) for at, v in run if begin <= at < begin + EPISODE_EVERY_S]
        for begin in begins
    ]


@pytest.mark.parametrize("interval_s", INTERVALS_S)
@pytest.mark.parametrize("seed", SEEDS)
class TestTheDemoPi:
    def test_it_starts_cool(self, seed: int, interval_s: int) -> None:
        run = lived("raspberry", "demo", seed=seed, interval_s=interval_s, seconds=30)

        assert all(46.0 <= values["temperature_c"] <= 55.0 for _, values in run)

    def test_every_episode_crosses_the_limit_less_than_two_minutes_after_it_began(
        self, seed: int, interval_s: int
    ) -> None:
        run = lived("raspberry", "demo", seed=seed, interval_s=interval_s)

        for cycle in cycles(run):
            crossed_s = min(at for at, values in cycle if values["temperature_c"] >= 80.0)
            assert 40 <= crossed_s <= 120
            assert cycle[0][1]["temperature_c"] < 66.0

    def test_it_is_cool_again_within_a_minute_of_the_episodes_end(
        self, seed: int, interval_s: int
    ) -> None:
        run = lived("raspberry", "demo", seed=seed, interval_s=interval_s)

        for cycle in cycles(run):
            late = [v["temperature_c"] for at, v in cycle if at >= EPISODE_S + 60]
            assert max(late) < 73.0

    def test_it_is_about_heat_and_never_about_overload(self, seed: int, interval_s: int) -> None:
        run = lived("raspberry", "demo", seed=seed, interval_s=interval_s)

        assert max(values["load_pct"] for _, values in run) < 93.0
        busy = [v["load_pct"] for c in cycles(run) for at, v in c if 10 <= at <= EPISODE_S]
        assert min(busy) >= 84.0
        assert {values["undervoltage"] for _, values in run} == {0.0}


def test_the_first_episode_begins_within_a_minute_and_comes_back_every_few() -> None:
    assert EPISODE_AFTER_S <= 60
    assert 240 <= EPISODE_EVERY_S <= 360


def test_a_well_cooled_pi_under_the_same_load_never_comes_near_the_limit() -> None:
    for seed in SEEDS:
        run = lived("raspberry", "cooled", seed=seed)

        assert max(values["temperature_c"] for _, values in run) < 60.0
        assert max(values["load_pct"] for _, values in run) > 85.0


def test_an_idle_pi_stays_cool() -> None:
    assert max(values["temperature_c"] for _, values in lived("raspberry", "idle")) < 57.0


def test_the_demo_pc_is_sometimes_busy_and_never_in_trouble() -> None:
    run = lived("pc", "demo", seconds=6 * 3600)

    assert max(values["load_pct"] for _, values in run) > 60.0
    assert max(values["temperature_c"] for _, values in run) < 80.0
    assert all(
        sum(values["load_pct"] for _, values in run[i : i + 12]) / 12 < 93.0
        for i in range(len(run) - 12)
    )


def test_a_source_gives_every_channel_of_the_wire() -> None:
    assert tuple(simulated_machine("pc", "demo", 1).values(NOON)) == CHANNEL_NAMES


def test_a_live_machine_is_the_same_for_the_same_seed() -> None:
    for scenario in ("demo", "random"):
        assert lived("pc", scenario, seed=3) == lived("pc", scenario, seed=3)
        assert lived("pc", scenario, seed=3) != lived("pc", scenario, seed=4)


def test_the_cadence_of_looking_does_not_change_what_happens() -> None:
    fine = dict(lived("raspberry", "cooled", interval_s=1, seconds=600))
    coarse = dict(lived("raspberry", "cooled", interval_s=60, seconds=600))

    assert coarse[600]["temperature_c"] == pytest.approx(fine[600]["temperature_c"], abs=1.5)


def test_a_week_asleep_is_not_lived_through_in_one_go() -> None:
    source = simulated_machine("raspberry", "demo", 1)
    source.values(NOON)

    begun = time.perf_counter()
    values = source.values(NOON + 7 * 86_400_000)

    assert time.perf_counter() - begun < 1.0  # a week of seconds takes longer
    assert values["temperature_c"] is not None


def test_a_clock_that_is_set_back_stops_nothing() -> None:
    source = simulated_machine("raspberry", "demo", 1)
    source.values(NOON)

    source.values(NOON - 3_600_000)
    warm = [source.values(NOON - 3_600_000 + s * 1000)["temperature_c"] for s in range(0, 110, 5)]

    assert warm[-1] is not None
    assert warm[0] is not None
    assert warm[-1] > warm[0] + 20.0


def test_the_options_describe_the_machine() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)

    default = source_from(parser.parse_args([]))
    chosen = source_from(parser.parse_args(["--kind", "pc", "--scenario", "idle", "--seed", "3"]))

    assert default.kind == "raspberry"
    assert chosen.kind == "pc"


def fleet_of(readings: list[tuple[str, str, list[Reading]]]) -> set[str]:
    return {device_id for device_id, _, _ in readings}


def test_a_fleet_has_both_kinds_every_cadence_and_some_that_get_too_hot() -> None:
    fleet = list(training_fleet(1, 60, 3600))

    assert {kind for _, kind, _ in fleet} == {"pc", "raspberry"}
    assert len({device_id for device_id, _, _ in fleet}) == 60
    gaps_s = {round((r[-1].measured_at - r[0].measured_at) / 1000 / r[-1].seq) for _, _, r in fleet}
    assert min(gaps_s) == 1
    assert max(gaps_s) >= 59
    for kind, limit_c in (("raspberry", 80.0), ("pc", 90.0)):
        hot = [
            d
            for d, k, rs in fleet
            if k == kind and any((r.temperature_c or 0) >= limit_c for r in rs)
        ]
        assert 5 <= len(hot) <= 25


def test_fleets_are_the_same_for_the_same_seed() -> None:
    assert list(training_fleet(5, 4, 600)) == list(training_fleet(5, 4, 600))
    assert list(training_fleet(5, 4, 600)) != list(training_fleet(6, 4, 600))
    assert list(training_fleet(5, 4, 600)) == list(training_fleet(5, 8, 600))[:4]


def test_held_out_machines_share_no_load_air_or_cooling_with_training() -> None:
    def overlap(one: tuple[Span, ...], other: tuple[Span, ...]) -> bool:
        return any(a[0] < b[1] and b[0] < a[1] for a in one for b in other)

    assert not set(TRAINING_PROFILES) & set(HELD_OUT_PROFILES)
    assert not overlap(tuple(TRAINING_RANGES.ambient_c), tuple(HELD_OUT_RANGES.ambient_c))
    assert not overlap(tuple(TRAINING_RANGES.slow_s), tuple(HELD_OUT_RANGES.slow_s))
    assert not overlap((TRAINING_RANGES.fan_health,), (HELD_OUT_RANGES.fan_health,))
    for kind in ("pc", "raspberry"):
        training, held_out = TRAINING_RANGES.rise_k[kind], HELD_OUT_RANGES.rise_k[kind]
        assert not overlap(tuple(training), tuple(held_out))


@pytest.mark.parametrize("ranges", [TRAINING_RANGES, HELD_OUT_RANGES])
def test_parameters_are_drawn_from_the_ranges(ranges: Ranges) -> None:
    rng = random.Random(1)

    for _ in range(100):
        drawn = random_parameters("raspberry", rng, ranges)
        assert any(low <= drawn.ambient_c <= high for low, high in ranges.ambient_c)
        slow_s = drawn.board_k_per_w * drawn.board_j_per_k
        assert any(low - 0.1 <= slow_s <= high + 0.1 for low, high in ranges.slow_s)


def test_machines_that_heat_within_a_minute_are_no_rarity() -> None:
    rng = random.Random(1)

    drawn = [random_parameters("pc", rng) for _ in range(400)]
    quick = [each for each in drawn if each.board_k_per_w * each.board_j_per_k < 90.0]

    assert len(quick) > 80  # evenly by ratio: every third; evenly by seconds: every eighth


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="toaster"):
        random_parameters("toaster", random.Random(1))


def test_held_out_fleets_are_named_as_such() -> None:
    assert all(
        device.startswith("held-out-") for device in fleet_of(list(held_out_fleet(1, 4, 60)))
    )
