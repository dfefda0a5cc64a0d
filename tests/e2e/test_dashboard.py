"""The dashboard in a real browser."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from fleetpulse.alerts import State, Status
from fleetpulse.clock import SystemClock
from fleetpulse.notices import Matter, Notices
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Opinion, Resolution
from fleetpulse.telemetry import CHANNEL_NAMES
from tests.e2e.dashboard_site import PATIENCE_MS, Site, a_raspberry, now_ms
from tests.unit.api.builders import CARD, save_event, save_reading

pytestmark = pytest.mark.integration

EVIL = '<img src=x onerror="document.title=1">'
AXIS_OF_A_CHART = """async () => {
  const { Chart } = await import("/static/chart.js");
  const device = await (await fetch("/api/v1/devices/pi-1")).json();
  const chart = new Chart("pi-1", { height: 100, minutes: 15 });
  document.querySelector("main").append(chart.node);
  chart.show({ name: "temperature_c", label: "temperature", unit: "°C" }, null);
  await chart.refresh(device, Date.now());
  await new Promise(requestAnimationFrame);
  const { min, max } = chart.plot.scales.x;
  return max - min;
}"""


def test_an_owner_says_what_a_warning_was(page: Page, site: Site, store: MemoryStore) -> None:
    a_raspberry(store)
    at = now_ms() - 300_000
    save_event(store, "pi-1", at=at, model_version=CARD.version)
    save_event(store, "pi-1", state=State.OK, at=at + 90_000, model_version=CARD.version)
    page.goto(site.url)
    warning = page.locator(".alerts li")
    expect(warning.locator(".outcome")).to_have_text("did not come")
    expect(page.locator(".record tbody tr").first).to_contain_text("heat, 7 days0 of 1 (0 %)")

    warning.get_by_role("button", name="Right").click()

    said = warning.get_by_role("button", name="Right")
    expect(said).to_have_attribute("aria-pressed", "true")
    page.goto(f"{site.url}/devices/pi-1")
    expect(page.locator(".record tbody tr").first).to_contain_text("7 days1 of 1 (100 %)")
    assert store.alerts.verdicts_of(["pi-1:heat:1"])["pi-1:heat:1"].opinion is Opinion.RIGHT


def test_a_stress_without_a_warning_has_no_verdict(
    page: Page, site: Site, store: MemoryStore
) -> None:
    a_raspberry(store)
    save_event(store, "pi-1", state=State.STRESSED, at=now_ms() - 5_000, model_version=CARD.version)

    page.goto(site.url)

    expect(page.locator(".alerts .outcome")).to_have_text("not foreseen")
    expect(page.locator(".alerts").get_by_role("button", name="Ack")).to_be_visible()
    expect(page.locator(".alerts").get_by_role("button", name="Right")).to_be_hidden()


def test_every_device_is_shown_with_its_values(page: Page, site: Site, store: MemoryStore) -> None:
    a_raspberry(store)
    save_reading(store, "pc-1", kind="pc", at=now_ms(), load_pct=5.0)

    page.goto(site.url)

    row = page.get_by_role("row", name="pi-1")
    expect(row).to_contain_text("61.3 °C", timeout=PATIENCE_MS)
    expect(row).to_contain_text("42 %")
    expect(row).to_contain_text("ok")
    expect(row).to_contain_text("s ago")
    expect(page.get_by_role("row", name="pc-1")).to_contain_text("–")
    expect(page.get_by_role("button", name="2 ok")).to_be_visible()
    assert page.locator(".charts canvas").count() == 2


def test_values_change_while_one_watches(page: Page, site: Site, store: MemoryStore) -> None:
    a_raspberry(store)
    page.goto(site.url)
    row = page.get_by_role("row", name="pi-1")
    expect(row).to_contain_text("61.3 °C", timeout=PATIENCE_MS)

    a_raspberry(store, seq=2, temperature_c=77.7)

    expect(row).to_contain_text("77.7 °C", timeout=PATIENCE_MS)


def columns(page: Page) -> list[str]:
    """The channels in the table of devices, from left to right."""
    return page.locator("table.devices thead th.right").all_inner_texts()[1:]


def test_what_most_people_look_at_comes_first_and_is_seen_without_scrolling(
    page: Page, site: Site, store: MemoryStore
) -> None:
    values: dict[str, Any] = dict.fromkeys(CHANNEL_NAMES, 1.0)
    a_raspberry(store, **values)
    page.set_viewport_size({"width": 1200, "height": 800})

    page.goto(site.url)
    expect(page.get_by_role("row", name="pi-1")).to_be_visible(timeout=PATIENCE_MS)

    names = columns(page)
    assert names[:5] == ["temperature", "load", "memory", "disk", "power"]
    assert names[-1] == "voltage"
    assert len(names) == len(CHANNEL_NAMES)
    power = page.get_by_role("columnheader", name="power").bounding_box()
    assert power is not None
    assert power["x"] + power["width"] < 1200


def test_columns_are_what_the_devices_shown_measure(
    page: Page, site: Site, store: MemoryStore
) -> None:
    a_raspberry(store, voltage_v=5.0)
    save_reading(store, "pc-1", kind="pc", at=now_ms(), load_pct=5.0, disk_pct=60.0)
    page.goto(site.url)
    expect(page.locator("tbody tr")).to_have_count(2, timeout=PATIENCE_MS)
    of_both = columns(page)

    page.get_by_role("searchbox").fill("pc-1")
    expect(page.locator("tbody tr")).to_have_count(1)

    assert of_both == ["temperature", "load", "disk", "voltage"]
    assert columns(page) == ["load", "disk"]


@pytest.mark.parametrize(("history_s", "axis_s"), [(10, 60), (300, 300), (3600, 900)])
def test_the_time_axis_begins_where_the_history_does(
    page: Page, site: Site, store: MemoryStore, history_s: int, axis_s: int
) -> None:
    now = now_ms()
    for seq, age_s in enumerate((history_s, 5, 0)):
        save_reading(store, at=now - age_s * 1000, seq=seq, temperature_c=60.0)
    page.goto(site.url)
    expect(page.locator(".charts canvas")).to_be_visible(timeout=PATIENCE_MS)

    shown_s = page.evaluate(AXIS_OF_A_CHART)

    assert shown_s == pytest.approx(axis_s, abs=10)


def test_devices_can_be_filtered_by_name_and_by_status(
    page: Page, site: Site, store: MemoryStore
) -> None:
    a_raspberry(store)
    save_reading(store, "pc-1", kind="pc", at=now_ms(), status=Status.STRESSED, load_pct=99.0)
    page.goto(site.url)
    expect(page.locator("tbody tr")).to_have_count(2, timeout=PATIENCE_MS)

    page.get_by_role("searchbox").fill("RASP")

    expect(page.get_by_role("row", name="pi-1")).to_be_visible()
    expect(page.get_by_role("row", name="pc-1")).to_be_hidden()

    page.get_by_role("searchbox").fill("")
    page.get_by_role("button", name="1 stressed").click()

    expect(page.get_by_role("row", name="pi-1")).to_be_hidden()
    expect(page.get_by_role("row", name="pc-1")).to_be_visible()


def test_of_a_large_fleet_the_worst_are_drawn_and_the_rest_can_be_found(
    page: Page, site: Site, store: MemoryStore
) -> None:
    at = now_ms()
    for number in range(1000):
        save_reading(store, f"pi-{number:04}", at=at, load_pct=5.0)
    save_reading(store, "zz", at=at, status=Status.STRESSED, load_pct=99.0)
    page.goto(site.url)

    rows = page.locator("tbody tr")
    expect(rows).to_have_count(200, timeout=PATIENCE_MS)
    expect(rows.first).to_contain_text("zz")

    page.get_by_role("searchbox").fill("pi-0999")

    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("pi-0999")

    page.get_by_role("searchbox").fill("")
    page.get_by_role("button", name="Show all").click()

    expect(rows).to_have_count(1001)


def test_alerts_tell_their_steps_and_causes(page: Page, site: Site, store: MemoryStore) -> None:
    a_raspberry(store)
    save_event(store, state=State.SOON, at=now_ms() - 120_000)
    save_event(store, state=State.STRESSED, at=now_ms() - 60_000)
    save_event(store, state=State.RECOVERED, at=now_ms())

    page.goto(site.url)

    alert = page.locator(".alerts li")
    expect(alert).to_contain_text("recovered", timeout=PATIENCE_MS)
    expect(alert).to_contain_text("soon")
    expect(alert).to_contain_text("stressed")
    expect(alert).to_contain_text("it is getting hot")


def test_a_silence_tells_when_the_device_was_heard_and_how_long_it_was_gone(
    page: Page, site: Site, store: MemoryStore
) -> None:
    a_raspberry(store)
    gone_at = now_ms() - 300_000
    save_event(store, rule="offline", state=State.OFFLINE, at=gone_at, value=32.0)

    page.goto(site.url)

    alert = page.locator(".alerts li")
    expect(alert).to_contain_text("last heard", timeout=PATIENCE_MS)
    expect(alert).to_contain_text("→ offline")

    save_event(store, rule="offline", state=State.ONLINE, at=gone_at + 88_000, value=120.0)
    expect(alert).to_contain_text("→ online", timeout=PATIENCE_MS)
    expect(alert).to_contain_text("after 2 min")


def test_that_a_device_may_be_offline_is_said_by_switching_its_rule_off(
    page: Page, site: Site, store: MemoryStore
) -> None:
    a_raspberry(store)

    page.goto(f"{site.url}/devices/pi-1")
    form = page.locator("form[data-rule=offline]")
    expect(form).to_contain_text("silence at or above", timeout=PATIENCE_MS)
    form.get_by_label("Watch offline").uncheck()
    form.get_by_role("button", name="Save").click()

    expect(form).to_contain_text("Saved.", timeout=PATIENCE_MS)
    (change,) = store.rules.of("pi-1")
    assert (change.rule, change.enabled) == ("offline", False)


def test_a_device_page_shows_what_the_machine_lacks(
    page: Page, site: Site, store: MemoryStore
) -> None:
    a_raspberry(store)
    page.goto(site.url)

    page.get_by_role("row", name="pi-1").get_by_role("link").click()

    expect(page.get_by_role("heading", name="pi-1")).to_be_visible(timeout=PATIENCE_MS)
    assert page.url == f"{site.url}/devices/pi-1"
    expect(page.locator('[data-channel="temperature_c"]')).to_contain_text("61.3 °C")
    expect(page.locator('[data-channel="power_w"]')).to_contain_text("–")
    expect(page.get_by_text("this machine does not measure it")).to_be_visible()
    expect(page.locator(".chart canvas")).to_be_visible()


def test_a_limit_can_be_changed_and_put_back(page: Page, site: Site, store: MemoryStore) -> None:
    a_raspberry(store)
    page.goto(f"{site.url}/devices/pi-1")
    heat = page.locator('form[data-rule="heat"]')
    limit = heat.get_by_label("Limit of heat")
    expect(limit).to_have_value("80", timeout=PATIENCE_MS)

    limit.fill("75")
    heat.get_by_role("button", name="Save").click()

    expect(heat).to_contain_text("Saved.", timeout=PATIENCE_MS)
    assert [(change.rule, change.limit) for change in store.rules.of("pi-1")] == [("heat", 75.0)]

    heat.get_by_role("button", name="Default").click()

    expect(limit).to_have_value("80", timeout=PATIENCE_MS)


def test_a_limit_that_cannot_work_says_why(page: Page, site: Site, store: MemoryStore) -> None:
    a_raspberry(store)
    page.goto(f"{site.url}/devices/pi-1")
    heat = page.locator('form[data-rule="heat"]')

    heat.get_by_label("Limit of heat").fill("500")
    heat.get_by_role("button", name="Save").click()

    expect(heat).to_contain_text("between 30 and 120", timeout=PATIENCE_MS)
    assert store.rules.of("pi-1") == []


def test_names_and_causes_are_shown_as_they_are_written(
    page: Page, site: Site, store: MemoryStore
) -> None:
    save_reading(store, EVIL, kind=EVIL, at=now_ms(), status=Status.SOON, causes=[EVIL])
    save_event(store, EVIL, rule=EVIL, at=now_ms())

    page.goto(site.url)

    expect(page.locator("tbody .device")).to_have_text(EVIL, timeout=PATIENCE_MS)
    expect(page.locator("tbody .why")).to_contain_text(EVIL)
    expect(page.locator(".alerts .rule")).to_have_text(EVIL)
    assert page.locator("main img").count() == 0
    assert page.title() == "fleetpulse"


def test_a_lost_connection_is_said_and_found_again(
    page: Page, site: Site, store: MemoryStore
) -> None:
    a_raspberry(store)
    page.goto(site.url)
    expect(page.get_by_role("status").first).to_have_text("live", timeout=PATIENCE_MS)

    site.stop()

    connection = page.locator("#connection")
    expect(connection).to_have_text("connection lost, trying again", timeout=PATIENCE_MS)

    site.start()

    expect(connection).to_have_text("live", timeout=PATIENCE_MS)


@pytest.mark.parametrize("path", ["/", "/devices/pi-1"])
def test_nothing_is_wider_than_a_phone(
    page: Page, site: Site, store: MemoryStore, path: str
) -> None:
    a_raspberry(store, power_w=4.1, voltage_v=5.02, clock_ghz=1.8, memory_pct=48.0)
    save_event(store, at=now_ms() - 300_000, model_version=CARD.version)
    page.set_viewport_size({"width": 390, "height": 844})

    page.goto(site.url + path)

    expect(page.locator(".alerts li")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator(".record").first).to_be_visible(timeout=PATIENCE_MS)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_api_description_is_drawn_without_another_server(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/docs")

    expect(page.get_by_text("/api/v1/fleet", exact=True)).to_be_visible(timeout=PATIENCE_MS)


def an_own_alert(store: MemoryStore) -> Notices:
    """fleetpulse has said that a consumer is silent."""
    notices = Notices(store, SystemClock())
    notices.report(Matter.CONSUMER_SILENT, "No consumer was heard for 60 s.")
    return notices


def test_an_alert_about_fleetpulse_itself_is_told_and_leads_nowhere(
    page: Page, site: Site, store: MemoryStore
) -> None:
    a_raspberry(store)
    notices = an_own_alert(store)

    page.goto(site.url)

    alert = page.locator(".alerts li")
    expect(alert).to_contain_text("trouble", timeout=PATIENCE_MS)
    expect(alert).to_contain_text("consumer silent")
    expect(alert).to_contain_text("No consumer was heard for 60 s.")
    assert alert.get_by_role("link").count() == 0
    expect(alert.get_by_role("button", name="Snooze")).to_be_hidden()

    alert.get_by_role("button", name="Ack").click()

    expect(alert).to_contain_text("acknowledged by this machine")

    notices.report(Matter.CONSUMER_SILENT, None)

    expect(alert).to_contain_text("well again", timeout=PATIENCE_MS)


def test_a_week_is_drawn_from_rollups(page: Page, site: Site, store: MemoryStore) -> None:
    now = now_ms()
    first = now - now % 60_000 - 6 * 24 * 3_600_000
    for seq in range(50):
        save_reading(store, at=first + seq * 60_000, seq=seq, temperature_c=60.0 + seq % 5)
    save_reading(store, at=now, seq=99, temperature_c=60.0)
    store.roll(Resolution.MINUTE, [("pi-1", first + each * 60_000) for each in range(50)])
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{site.url}/devices/pi-1")
    expect(page.locator(".chart canvas")).to_be_visible(timeout=PATIENCE_MS)

    with page.expect_response(lambda answer: "resolution=auto" in answer.url) as found:
        page.get_by_role("button", name="7 d").click()

    assert found.value.json()["resolution"] == "1m"
    expect(page.locator(".chart canvas")).to_be_visible()
    expect(page.locator(".u-legend")).to_contain_text("°C", timeout=PATIENCE_MS)
