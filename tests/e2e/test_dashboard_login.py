"""Who may see the dashboard: keys and links in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from api.door import Door
from fleetpulse.keys import Purpose, make_key
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Scope
from tests.e2e.dashboard_site import PATIENCE_MS, Site, a_raspberry, now_ms

pytestmark = pytest.mark.integration


def test_others_log_in_with_a_link_or_a_key_and_log_out(
    browser: Browser, store: MemoryStore
) -> None:
    a_raspberry(store)
    site = Site(store, Door(host="0.0.0.0"))  # noqa: S104
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    link, code = make_key(
        "link", [Scope.READ], now_ms=now_ms(), purpose=Purpose.LINK, expires_at=now_ms() + 600_000
    )
    key, text = make_key("display", [Scope.ACT], now_ms=now_ms())
    store.keys.put(link)
    store.keys.put(key)
    try:
        page.goto(f"{site.url}/login?code={code}")
        page.get_by_role("button", name="Open the dashboard").click()
        expect(page.get_by_role("row", name="pi-1")).to_be_visible()

        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_label("Key")).to_be_visible()

        page.goto(f"{site.url}/devices/pi-1")
        page.get_by_label("Key").fill(text)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", name="pi-1")).to_be_visible()

        store.keys.revoke(key.key_id, now_ms())
        expect(page.get_by_label("Key")).to_be_visible()
    finally:
        context.close()
        site.stop()


def test_swagger_asks_with_the_key_that_it_was_given(browser: Browser, store: MemoryStore) -> None:
    site = Site(store)
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    key, text = make_key("display", [Scope.READ], now_ms=now_ms())
    store.keys.put(key)
    try:
        page.goto(f"{site.url}/docs")
        page.get_by_role("button", name="Authorize").first.click()
        page.locator(".auth-container input").fill(text)
        page.locator(".auth-btn-wrapper button.authorize").click()
        page.locator(".auth-btn-wrapper button.btn-done").click()
        page.locator("#operations-fleet-get_fleet button").first.click()
        page.get_by_role("button", name="Try it out").click()
        with page.expect_request(lambda request: request.url.endswith("/fleet")) as sent:
            page.get_by_role("button", name="Execute").click()
        assert sent.value.headers["x-api-key"] == text
    finally:
        context.close()
        site.stop()
