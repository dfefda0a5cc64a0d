"""`/chart`: an hour, a day or a week of a device as a picture."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from bot.history_charts import SPANS, Zone, chart_of_device, zones_of
from fleetpulse.alerts import State, rule_named
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Resolution
from fleetpulse.telemetry import CHANNEL
from tests.contracts.builders import (
    NOON,
    SECOND,
    a_change,
    a_device,
    a_reading,
    an_event,
    scored,
    told,
)
from tests.unit.bot.asking import ask

HOUR = 3_600 * SECOND


def a_week(*, hours: int = 7 * 24, step_s: int = 900) -> MemoryStore:
    """A Pi that gets warm each afternoon, with its minutes and hours rolled up."""
    store = MemoryStore()
    readings = [
        a_reading(
            at=NOON - number * step_s * SECOND,
            seq=hours * 3_600 - number,
            temperature_c=50 + 10 * float(np.sin(number / 20)),
            load_pct=40.0,
            probability=0.1,
        )
        for number in range(hours * 3_600 // step_s)
    ]
    store.save(scored(*readings, new_devices=[a_device()]))
    buckets = [("pi-1", reading.measured_at) for reading in readings]
    for resolution in (Resolution.MINUTE, Resolution.HOUR):
        store.roll(resolution, buckets)
    return store


def pixels(store: MemoryStore, span: str = "1h", channel: str = "temperature_c") -> Image.Image:
    png = chart_of_device(store, a_device(), CHANNEL[channel], SPANS[span], NOON)
    assert png is not None
    return Image.open(BytesIO(png)).convert("RGB")


@pytest.mark.parametrize("span", SPANS)
def test_every_span_is_a_small_picture_that_fits_a_phone(span: str) -> None:
    post = ask(a_week(), f"/chart pi-1 temperature_c {span}")

    assert post.photo is not None
    assert len(post.photo) < 80_000
    assert Image.open(BytesIO(post.photo)).size == (800, 450)
    assert post.text == f"<b>pi-1</b>: temperature of {SPANS[span].words}."


def test_the_other_spans_are_a_button_away() -> None:
    buttons = ask(a_week(), "/chart pi-1 load 24h").buttons

    assert [(button.label, button.command) for button in buttons] == [
        ("1h", "/chart pi-1 load_pct 1h"),
        ("7d", "/chart pi-1 load_pct 7d"),
    ]


@pytest.mark.parametrize("words", ["load average 24h", "24h Load Average", "load_1m 24h"])
def test_a_channel_is_called_by_a_label_of_two_words(words: str) -> None:
    text = ask(a_week(hours=1), f"/chart pi-1 {words}").text

    assert "load average in the last 24 hours" in text or "load average of the last" in text


def test_an_hour_of_temperature_is_drawn_unless_it_is_said_otherwise() -> None:
    assert ask(a_week(), "/chart pi-1").text == "<b>pi-1</b>: temperature of the last hour."
    assert "temperature of the last 7 days" in ask(a_week(), "/chart pi-1 7d").text


def test_a_machine_without_a_temperature_is_drawn_by_its_load() -> None:
    store = MemoryStore()
    bare = [
        a_reading("pc-1", at=NOON - at * SECOND, seq=9 - at, temperature_c=None, load_pct=5.0)
        for at in range(3)
    ]
    store.save(scored(*bare, new_devices=[a_device("pc-1", kind="pc")]))

    assert ask(store, "/chart pc-1").text == "<b>pc-1</b>: load of the last hour."


@pytest.mark.parametrize("span", ["24h", "7d"])
@pytest.mark.parametrize("rolled", [(), (Resolution.MINUTE,)])
def test_the_first_hour_is_drawn_from_what_is_finer_than_the_span_wants(
    span: str, rolled: tuple[Resolution, ...]
) -> None:
    store = MemoryStore()
    readings = [a_reading(at=NOON - at * SECOND, seq=99 - at) for at in range(50)]
    store.save(scored(*readings, new_devices=[a_device()]))
    for resolution in rolled:
        store.roll(resolution, [("pi-1", NOON - 60 * SECOND), ("pi-1", NOON)])

    post = ask(store, f"/chart pi-1 {span}")

    assert post.photo is not None
    assert post.text == f"<b>pi-1</b>: temperature of {SPANS[span].words}."


def test_an_hour_that_lacks_the_channel_is_no_reason_not_to_look_further() -> None:
    store = MemoryStore()
    old = a_reading(at=NOON - 5 * HOUR, seq=1, fan_cfm=None)
    store.save(scored(old, a_reading(seq=2, fan_cfm=3.0), new_devices=[a_device()]))
    for resolution in (Resolution.MINUTE, Resolution.HOUR):
        store.roll(resolution, [("pi-1", old.measured_at)])

    assert ask(store, "/chart pi-1 fan 7d").photo is not None


def test_one_hour_is_no_line_so_that_its_minutes_are_drawn() -> None:
    minutes, hour = MemoryStore(), MemoryStore()
    readings = [a_reading(at=NOON - at * 60 * SECOND, seq=99 - at) for at in range(1, 50)]
    buckets = [("pi-1", reading.measured_at) for reading in readings]
    for store in (minutes, hour):
        store.save(scored(*readings, new_devices=[a_device()]))
        store.roll(Resolution.MINUTE, buckets)
    hour.roll(Resolution.HOUR, [("pi-1", NOON - HOUR)])

    assert pixels(hour, "7d").tobytes() == pixels(minutes, "7d").tobytes()


def test_one_hour_is_drawn_when_its_readings_are_gone() -> None:
    store = MemoryStore()
    old = a_reading(at=NOON - 72 * HOUR)
    store.save(scored(old, new_devices=[a_device()]))
    for resolution in (Resolution.MINUTE, Resolution.HOUR):
        store.roll(resolution, [("pi-1", old.measured_at)])
    for resolution in (Resolution.RAW, Resolution.MINUTE):
        store.prune(resolution, NOON - 24 * HOUR)

    post = ask(store, "/chart pi-1 7d")

    assert store.readings.count() == 0
    assert post.photo is not None


@pytest.mark.parametrize("span", SPANS)
def test_a_device_without_readings_has_not_measured_anything_in_any_span(span: str) -> None:
    store = MemoryStore()
    store.save(scored(new_devices=[a_device()]))

    post = ask(store, f"/chart pi-1 {span}")

    assert post.photo is None
    assert "has not measured temperature in" in post.text


def test_what_was_not_measured_is_said_without_a_picture() -> None:
    post = ask(a_week(), "/chart pi-1 fan_cfm")

    assert post.photo is None
    assert "has not measured fan in the last hour" in post.text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/chart", "Usage: /chart"),
        ("/chart pi-1 1h 24h", "Usage: /chart"),
        ("/chart pi-1 load temperature", "I know no channel called load temperature."),
        ("/chart pi-1 warmth", "I know no channel called warmth. There are temperature, "),
        ("/chart pi-2", "Do you mean pi-1?"),
        ("/chart <b>", "I know no device called &lt;b&gt;"),
    ],
)
def test_what_cannot_be_drawn_is_said(text: str, words: str) -> None:
    post = ask(a_week(hours=1), text)

    assert post.photo is None
    assert words in post.text


def test_the_device_s_own_limit_is_a_line_across_the_picture() -> None:
    store, other = a_week(hours=1), a_week(hours=1)
    other.rules.put(a_change(rule="heat", limit=60.0))

    assert pixels(store).tobytes() != pixels(other).tobytes()


def test_what_was_said_is_shown_behind_the_curve() -> None:
    quiet, alarmed = a_week(hours=1), a_week(hours=1)
    for state, minutes in ((State.SOON, 30), (State.STRESSED, 29), (State.RECOVERED, 20)):
        event = an_event(state, at=NOON - minutes * 60 * SECOND, model_version="heat-1")
        alarmed.save(told(event))

    assert pixels(quiet).tobytes() != pixels(alarmed).tobytes()
    assert pixels(quiet, channel="load_pct").tobytes() == (
        pixels(alarmed, channel="load_pct").tobytes()
    )


def test_an_alert_that_is_open_reaches_until_now() -> None:
    store = a_week(hours=1)
    store.save(told(an_event(State.SOON, at=NOON - 2 * HOUR, model_version="heat-1")))

    zones = zones_of(store, a_device(), rule_named("heat", "raspberry"), SPANS["1h"], NOON)

    assert zones == [Zone(begins=-2.0, stressed=None, ends=0.0)]
