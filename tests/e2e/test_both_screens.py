"""The chat page and the dashboard of one stack: what is done on one is seen on the other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from fleetpulse.alerts import Severity, State
from fleetpulse.clock import SystemClock
from fleetpulse.stores import open_store
from fleetpulse.stores.protocols import Store
from tests.e2e.test_main_job import Stack
from tests.unit.api.builders import save_event, save_reading

pytestmark = pytest.mark.integration

PATIENCE_MS = 30_000  # of a busy machine; what is promised is two seconds
DEVICE = "test-bench"  # nothing else is ever told of it


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    found = Stack(tmp_path_factory.mktemp("screens") / "data", KAFKA_BROKER_SETTINGS="")
    found.wait_until_ready()
    yield found
    found.stop()


@pytest.fixture(scope="module")
def store(stack: Stack) -> Iterator[Store]:
    found = open_store(f"sqlite:///{stack.data / 'fleetpulse.db'}")
    save_reading(found, DEVICE, at=SystemClock().now_ms(), disk_pct=99.0)
    yield found
    found.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    found = browser.new_context()
    found.set_default_timeout(PATIENCE_MS)
    yield found
    found.close()


def opened(context: BrowserContext, stack: Stack, path: str) -> Page:
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{stack.port}{path}")
    return page


def an_alert(store: Store, rule: str) -> None:
    """The device is in trouble from now on."""
    save_event(
        store,
        DEVICE,
        rule=rule,
        state=State.STRESSED,
        at=SystemClock().now_ms(),
        severity=Severity.CRITICAL,
    )


def message(chat: Page, label: str) -> Locator:
    """The chat's message about the device and that rule, which has buttons."""
    return chat.locator(".bot", has_text=DEVICE).filter(has_text=label)


def test_what_is_acknowledged_on_the_dashboard_is_seen_in_the_chat(
    context: BrowserContext, stack: Stack, store: Store
) -> None:
    chat, dashboard = opened(context, stack, "/chat"), opened(context, stack, f"/devices/{DEVICE}")
    an_alert(store, "disk")
    told = message(chat, "disk")
    expect(told).to_contain_text("is stressed", timeout=PATIENCE_MS)

    dashboard.locator(".alerts li").get_by_role("button", name="Ack: disk").click()

    expect(told).to_contain_text("Acknowledged by this machine", timeout=PATIENCE_MS)
    expect(told.get_by_role("button", name="Ack")).to_have_count(0)


def test_what_is_acknowledged_and_snoozed_in_the_chat_is_seen_on_the_dashboard(
    context: BrowserContext, stack: Stack, store: Store
) -> None:
    chat, dashboard = opened(context, stack, "/chat"), opened(context, stack, f"/devices/{DEVICE}")
    an_alert(store, "memory")
    told = message(chat, "memory")
    expect(told).to_contain_text("is stressed", timeout=PATIENCE_MS)
    alert = dashboard.locator(".alerts li", has_text="memory")
    expect(alert.get_by_role("button", name="Ack")).to_be_visible(timeout=PATIENCE_MS)

    told.get_by_role("button", name="Ack").click()

    expect(alert).to_contain_text("acknowledged by", timeout=PATIENCE_MS)

    told.get_by_role("button", name="Snooze 1 h").click()

    expect(alert).to_contain_text("snoozed for another", timeout=PATIENCE_MS)

    alert.get_by_role("button", name="End it").click()

    expect(alert.get_by_role("button", name="Snooze 1 h")).to_be_visible(timeout=PATIENCE_MS)
    chat.get_by_label("Message", exact=True).fill("/snooze")
    chat.keyboard.press("Enter")
    expect(chat.get_by_text("Nothing is snoozed")).to_be_visible(timeout=PATIENCE_MS)
