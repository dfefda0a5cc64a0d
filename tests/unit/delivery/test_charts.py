"""The small picture of what led to a warning."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO

import pytest
from PIL import Image

from fleetpulse.alerts import READING_RULES, AlertEvent, State
from fleetpulse.delivery.charts import MOST_POINTS, TITLE_CHARACTERS, chart_of, curve_of
from fleetpulse.delivery.words import rule_called
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Store
from fleetpulse.telemetry import CHANNEL
from tests.contracts.builders import NOON, SECOND, a_device, a_reading, an_event, scored


def a_history(count: int = 120, *, step_s: float = 5.0) -> Store:
    """A Pi that has warmed up until noon."""
    store = MemoryStore()
    readings = [
        a_reading(
            at=NOON - round((count - 1 - number) * step_s * SECOND),
            seq=number,
            temperature_c=50 + 25 * number / count,
            load_pct=95.0,
            voltage_v=4.9,
            clock_ghz=1.8,
            memory_pct=50.0,
            disk_pct=60.0,
            probability=number / count,
        )
        for number in range(count)
    ]
    store.save(scored(*readings, new_devices=[a_device()]))
    return store


def picture_of(store: Store, event: AlertEvent) -> Image.Image:
    png = chart_of(store, event)
    assert png is not None
    assert len(png) < 60_000
    return Image.open(BytesIO(png))


@pytest.mark.parametrize("state", [State.SOON, State.STRESSED])
@pytest.mark.parametrize("rule", [rule.name for rule in READING_RULES])
def test_every_rule_has_a_small_picture_that_fits_a_phone(rule: str, state: State) -> None:
    event = an_event(state, rule=rule, probability=0.9, expected_s=80.0)

    picture = picture_of(a_history(), event)

    assert (picture.format, picture.size) == ("PNG", (800, 450))


def test_the_picture_shows_the_limit_as_a_line_across_it() -> None:
    with_limit = picture_of(a_history(), an_event(limit=80.0)).convert("RGB")
    without = picture_of(a_history(), an_event(rule="throttled")).convert("RGB")

    def red(picture: Image.Image) -> int:
        colours = picture.getcolors(1 << 20) or []
        return sum(n for n, c in colours if isinstance(c, tuple) and c == (198, 40, 40))

    assert red(with_limit) >= 700
    assert red(without) == 0


def test_the_picture_is_of_ten_minutes_before_the_event_however_often_it_measures() -> None:
    for step_s, expected in [(1.0, 601), (5.0, 120), (60.0, 11)]:
        store = a_history(round(600 / step_s) + 400, step_s=step_s)
        readings = store.readings.page(
            "pi-1", since=NOON - 600 * SECOND, until=NOON + 1, limit=MOST_POINTS
        )
        rule = rule_called("heat", "raspberry")
        assert rule is not None

        curve = curve_of(an_event(), rule, CHANNEL["temperature_c"], readings)

        assert abs(len(curve.values) - expected) <= 1
        assert curve.minutes[-1] == 0
        assert curve.minutes[0] >= -10


def test_a_device_that_has_hardly_spoken_has_no_picture() -> None:
    assert chart_of(a_history(1), an_event()) is None
    assert chart_of(MemoryStore(), an_event()) is None


def test_a_device_that_lacks_the_channel_has_no_picture() -> None:
    store = MemoryStore()
    store.save(scored(*[a_reading(seq=n, at=NOON - n, temperature_c=None) for n in range(9)]))

    assert chart_of(store, an_event()) is None


def test_a_rule_of_another_stream_has_no_picture() -> None:
    assert chart_of(a_history(), an_event(rule="traffic")) is None


def test_a_value_that_never_changes_and_a_device_without_predictions_are_drawn() -> None:
    store = MemoryStore()
    store.save(scored(*[a_reading(seq=n, at=NOON - n * SECOND) for n in range(5)]))

    assert picture_of(store, an_event(limit=51.5)).size == (800, 450)


def test_a_long_name_is_cut_in_the_title() -> None:
    rule = rule_called("heat", "raspberry")
    assert rule is not None

    curve = curve_of(an_event(device_id="x" * 64), rule, CHANNEL["temperature_c"], [])

    assert curve.title == "x" * (TITLE_CHARACTERS - 1) + "…: temperature"


def test_matplotlib_is_not_loaded_before_the_first_picture() -> None:
    program = "import sys, bot.__main__; sys.exit('matplotlib' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", program], check=False)

    assert done.returncode == 0
