"""What people do on the dashboard about alerts, in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from api.door import Door
from fleetpulse.acknowledge import acknowledge
from fleetpulse.alerts import Severity, State
from fleetpulse.keys import make_key
from fleetpulse.people import Group, People, Snooze
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Scope
from tests.e2e.dashboard_site import PATIENCE_MS, Site, a_raspberry, now_ms
from tests.unit.api.builders import CARD, save_event, save_reading

pytestmark = pytest.mark.integration

PAGES = pytest.mark.parametrize("path", ["/", "/devices/pi-1"])
HOUR_MS = 3_600_000


@pytest.fixture(autouse=True)
def a_warning(store: MemoryStore) -> None:
    a_raspberry(store)
    save_event(store, "pi-1", at=now_ms() - 5_000, model_version=CARD.version)


@PAGES
def test_an_alert_is_acknowledged_with_a_button(
    page: Page, site: Site, store: MemoryStore, path: str
) -> None:
    page.goto(site.url + path)
    alert = page.locator(".alerts li")

    alert.get_by_role("button", name="Ack").click()

    expect(alert).to_contain_text("acknowledged by this machine")
    expect(alert.get_by_role("button", name="Ack")).to_be_hidden()
    (stored,) = store.alerts.page()
    assert stored.acknowledged_by == "this machine"


@PAGES
def test_what_another_has_acknowledged_is_seen_while_one_looks(
    page: Page, site: Site, store: MemoryStore, path: str
) -> None:
    page.goto(site.url + path)
    alert = page.locator(".alerts li")
    expect(alert.get_by_role("button", name="Ack")).to_be_visible()

    acknowledge(store, "pi-1:heat:1", said_by="Ada <b>", now_ms=now_ms())

    expect(alert).to_contain_text("acknowledged by Ada <b>")
    expect(alert.get_by_role("button", name="Ack")).to_be_hidden()


def test_without_a_mouse_one_stays_where_one_was(
    page: Page, site: Site, store: MemoryStore
) -> None:
    page.goto(site.url)
    alert = page.locator(".alerts li")
    alert.get_by_role("button", name="Ack").focus()

    page.keyboard.press("Enter")

    expect(alert).to_contain_text("acknowledged by this machine")
    expect(alert.get_by_role("button", name="Snooze 1 h")).to_be_focused()

    page.keyboard.press("Enter")

    expect(alert.get_by_role("button", name="End it")).to_be_focused()
    assert list(People(store.documents).snoozes.all()) == ["pi-1"]


@PAGES
def test_a_device_is_snoozed_and_woken(
    page: Page, site: Site, store: MemoryStore, path: str
) -> None:
    page.goto(site.url + path)
    alert = page.locator(".alerts li")

    alert.get_by_role("button", name="Snooze 1 h").click()

    expect(alert).to_contain_text("snoozed for another")
    expect(alert).to_contain_text("says this machine")
    sign = page.locator(".devices tbody .snoozed, .device-top .lasts")
    expect(sign).to_contain_text("snoozed for another")

    alert.get_by_role("button", name="End it").click()

    expect(alert.get_by_role("button", name="Snooze 1 h")).to_be_visible()
    expect(sign).to_be_hidden()
    assert People(store.documents).snoozes.all() == {}


def test_the_snooze_of_a_group_is_called_so_and_can_be_ended(
    page: Page, site: Site, store: MemoryStore
) -> None:
    people = People(store.documents)
    people.groups.put("lab", Group(name="lab", devices=["pi-*"]))
    people.snoozes.put("@lab", Snooze(until=now_ms() + HOUR_MS, said_by="Ada"))
    page.goto(f"{site.url}/devices/pi-1")
    top = page.locator(".device-top")
    expect(top).to_contain_text("snoozed as @lab for another")

    top.get_by_role("button", name="End it").click()

    expect(top.get_by_role("button", name="Snooze 1 h")).to_be_visible()
    assert people.snoozes.all() == {}


@PAGES
def test_the_chart_of_an_alert_shows_its_channel_back_to_its_beginning(
    page: Page, site: Site, store: MemoryStore, path: str
) -> None:
    began = now_ms() - 2 * HOUR_MS
    save_event(store, "pi-1", rule="overload", state=State.STRESSED, at=began)
    page.goto(site.url + path)

    page.get_by_role("link", name="Chart: overload of pi-1").click()

    choice = page.get_by_label("Channel of the chart")
    expect(choice).to_have_value("load_pct")
    expect(choice).to_be_focused()
    expect(choice).to_be_in_viewport()
    expect(page.get_by_role("button", name="6 h")).to_have_attribute("aria-pressed", "true")


@PAGES
def test_a_device_that_is_silent_may_be_offline_from_now_on(
    page: Page, site: Site, store: MemoryStore, path: str
) -> None:
    save_event(store, "pi-1", rule="offline", state=State.OFFLINE, at=now_ms())
    page.goto(site.url + path)
    expect(page.get_by_role("button", name="May be offline")).to_have_count(1)
    alert = page.locator(".alerts li:has(.rule:text-is('offline'))")
    expect(alert.get_by_role("link", name="Chart")).to_be_hidden()

    alert.get_by_role("button", name="May be offline").click()

    expect(alert.get_by_role("button", name="May be offline")).to_be_hidden()
    (change,) = store.rules.of("pi-1")
    assert (change.rule, change.enabled) == ("offline", False)

    save_event(store, "pi-1", rule="offline", state=State.OK, at=now_ms())

    expect(alert).to_contain_text("may be offline")
    expect(alert.get_by_role("link", name="Chart")).to_be_visible()


def test_what_is_over_can_only_be_judged(page: Page, site: Site, store: MemoryStore) -> None:
    save_event(store, "pi-1", state=State.OK, at=now_ms(), model_version=CARD.version)

    page.goto(site.url)

    buttons = page.locator(".alerts li").get_by_role("button")
    expect(buttons).to_have_text(["Right", "False alarm"])


def test_a_deed_that_fails_says_why(page: Page, site: Site, store: MemoryStore) -> None:
    page.goto(site.url)
    alert = page.locator(".alerts li")
    expect(alert.get_by_role("button", name="Ack")).to_be_visible()
    page.route("**/acknowledgements", lambda route: route.abort())

    alert.get_by_role("button", name="Ack").click()

    expect(alert).to_contain_text("Not done: the API does not answer.")


def test_who_may_only_read_sees_what_others_did_and_no_buttons(
    browser: Browser, store: MemoryStore
) -> None:
    acknowledge(store, "pi-1:heat:1", said_by="Ada", now_ms=now_ms())
    people = People(store.documents)
    people.snoozes.put("pi-1", Snooze(until=now_ms() + HOUR_MS, said_by="Ada"))
    site = Site(store, Door(host="0.0.0.0"))  # noqa: S104
    key, text = make_key("display", [Scope.READ], now_ms=now_ms())
    store.keys.put(key)
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    try:
        page.goto(f"{site.url}/login")
        page.get_by_label("Key").fill(text)
        page.get_by_role("button", name="Log in").click()
        alert = page.locator(".alerts li")
        expect(alert).to_contain_text("acknowledged by Ada")
        expect(alert).to_contain_text("snoozed for another")
        expect(alert.get_by_role("button")).to_have_count(0)
        expect(page.get_by_role("link", name="People")).to_have_count(0)

        page.goto(f"{site.url}/people")

        expect(page.locator("main")).to_have_text(
            "This key may not do that: it needs the scope act."
        )
    finally:
        context.close()
        site.stop()


def test_two_pages_with_an_open_alert_stay_within_the_budget(
    browser: Browser, store: MemoryStore
) -> None:
    at = now_ms()
    for number in range(8):  # more than have charts
        save_reading(store, f"pc-{number}", kind="pc", at=at, load_pct=99.0)
        save_event(store, f"pc-{number}", severity=Severity.CRITICAL, at=at)
    site = Site(store, Door(rate_limit="600/minute"))
    context = browser.new_context()
    asked: list[str] = []
    pages = [context.new_page() for _ in range(2)]
    try:
        for page in pages:
            page.on("request", lambda request: asked.append(request.url))
            page.goto(site.url)
            expect(page.locator(".alerts li").first).to_be_visible(timeout=PATIENCE_MS)
        page.wait_for_timeout(3_000)  # both have settled
        asked.clear()

        page.wait_for_timeout(10_000)

        looks, rounds = (sum(name in url for url in asked) for name in ("/alerts?", "/fleet"))
        assert rounds < looks
        assert len(asked) < 600 / 6
    finally:
        context.close()
        site.stop()
