"""A file scored at once, and the same readings one by one through a live consumer, are one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.csv_readings import Chunk
from consumer.scoring import Scoring
from fleetpulse import wire
from fleetpulse.alerts import Status
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.telemetry import Reading
from model.predictor import FleetPredictor, Models, load_models
from model.registry import open_registry
from tests.unit.consumer.builders import Killed, Log, a_reading, consume

NOW_S = 3_600  # of the consumer's clock; what is later would be of the future
Told = tuple[float, float, Status]  # probability and expected time, NaN: not known, and status


@pytest.fixture(scope="module")
def models() -> Models:
    """The shipped ones."""
    shipped = open_registry()
    return load_models(shipped.current(), shipped.read)


@st.composite
def telemetry(draw: st.DrawFn) -> list[Reading]:
    """Some devices that heat and cool, at cadences from a second to two minutes, with gaps."""
    at, made = 0, []
    temperature_c = dict.fromkeys("abc", 62.0)
    for _ in range(draw(st.integers(5, 60))):
        device = draw(st.sampled_from("abc"))
        at += draw(st.sampled_from([1, 1, 2, 5, 5, 12, 30, 120, 400]))
        if at > NOW_S:
            break
        step_c = draw(st.sampled_from([-6.0, -0.5, 0.0, 0.5, 2.0, 4.0]))
        temperature_c[device] = min(95.0, max(20.0, temperature_c[device] + step_c))
        has_thermometer = draw(st.integers(0, 9)) > 0
        made.append(
            a_reading(
                at,
                device=device,
                temperature_c=temperature_c[device] if has_thermometer else None,
                load_pct=draw(st.sampled_from([0.0, 35.5, 99.0, 100.0])),
            )
        )
    return made


def at_once(models: Models, readings: Sequence[Reading]) -> dict[tuple[str, int], Told]:
    """What scoring them as one file says."""
    chunk = Chunk(
        rows=[[]] * len(readings),
        device_ids=[reading.device_id for reading in readings],
        kinds=[reading.kind for reading in readings],
        measured_at=[reading.measured_at for reading in readings],
        values=[
            [math.nan if value is None else value for _, value in reading.channels()]
            for reading in readings
        ],
        impossible=Counter(),
    )
    batch = Scoring(FleetPredictor(models), "raspberry", {}).score(chunk)
    columns = zip(batch.probability, batch.expected_s, batch.status, strict=True)
    return {
        (reading.device_id, reading.measured_at): (float(chance), float(seconds), status)
        for reading, (chance, seconds, status) in zip(readings, columns, strict=True)
    }


def live(
    models: Models, readings: Sequence[Reading], batch_rows: int, ends: Sequence[int]
) -> dict[tuple[str, int], Told]:
    """What a consumer stores; ends: after how many batches each of its lives but the last ends."""
    log, store = Log([wire.encode(reading) for reading in readings]), MemoryStore()
    for batches in [*ends, 10**6]:
        left = [batches]

        def end_here(step: str, left: list[int] = left) -> None:
            left[0] -= step == "committed"
            if left[0] < 0:
                raise Killed

        try:
            consume(
                log,
                store,
                batch_rows=batch_rows,
                reached=end_here,
                predictor=FleetPredictor(models),
            )
        except Killed:
            continue
    return {
        (device, row.measured_at): (_number(row.probability), _number(row.expected_s), row.status)
        for device in "abc"
        for row in store.readings.page(device, limit=1_000)
    }


def _number(value: float | None) -> float:
    return math.nan if value is None else value


@settings(max_examples=25, deadline=None)
@given(telemetry(), st.integers(1, 9), st.lists(st.integers(0, 6), max_size=3))
def test_a_file_at_once_says_what_a_live_consumer_says_whoever_takes_it_over(
    models: Models, readings: list[Reading], batch_rows: int, ends: list[int]
) -> None:
    """Each life is another process, with nothing but what the group and the store remember: so is
    the one that a restart begins, and the member that a rebalance gives the partition to.
    """
    of_file, stored = at_once(models, readings), live(models, readings, batch_rows, ends)

    assert stored.keys() == of_file.keys()
    for place, (chance, seconds, status) in of_file.items():
        assert stored[place][:2] == pytest.approx((chance, seconds), abs=1e-9, nan_ok=True)
        assert stored[place][2] == status
