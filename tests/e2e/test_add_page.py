"""The page that adds a device, in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from fleetpulse.keys import Purpose, find
from fleetpulse.stores.memory import MemoryStore
from tests.e2e.adding import add
from tests.e2e.dashboard_site import PATIENCE_MS, Site, a_raspberry, now_ms

pytestmark = pytest.mark.integration


def test_a_device_is_added_with_a_line_and_seen_when_its_first_reading_comes(
    page: Page, site: Site, store: MemoryStore
) -> None:
    page.goto(site.url)
    page.get_by_role("link", name="Add a device").click()

    add(page, "pi-1")

    card = page.get_by_role("region", name="Install line")
    expect(card.get_by_role("heading")).to_be_focused()
    line = card.locator("code").inner_text()
    (text,) = re.findall(r"echo (fp_\S+) \|", line)
    key = find(store.keys, text, Purpose.KEY, now_ms=now_ms())
    assert key is not None
    assert (key.scopes, key.device_id) == (["ingest"], "pi-1")
    assert "agent install raspberry --api https://fleet.example.org " in line
    expect(card).to_contain_text("Waiting for its first reading")

    a_raspberry(store)

    expect(card).to_contain_text("Its first reading has come: pi-1", timeout=PATIENCE_MS)

    card.get_by_role("link", name="pi-1").click()

    expect(page).to_have_url(re.compile("/devices/pi-1$"))


def test_a_reading_from_before_is_not_the_one_that_is_waited_for(
    page: Page, site: Site, store: MemoryStore
) -> None:
    a_raspberry(store)
    page.goto(f"{site.url}/add")
    add(page, "pi-1")
    card = page.get_by_role("region", name="Install line")

    with page.expect_response("**/devices/pi-1"):
        pass

    expect(card).to_contain_text("Waiting for its first reading")

    a_raspberry(store, seq=2)

    expect(card).to_contain_text("Its first reading has come", timeout=PATIENCE_MS)


def test_the_wheel_is_in_the_line_and_a_key_from_before_is_told(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/add")
    expect(page.get_by_text("is reached by no other")).to_be_visible()
    add(page, "pi-1")
    card = page.get_by_role("region", name="Install line")
    expect(card).not_to_contain_text("another key")
    first = card.locator("code").inner_text()

    page.locator("[name=wheel]").fill("./fleetpulse.whl")
    add(page, "pi-1")

    expect(card.locator("code")).to_contain_text(
        "pip install --force-reinstall './fleetpulse.whl[agent]'"
    )
    (key_id,) = re.findall(r"echo fp_([^_]+)_", first)
    expect(card).to_contain_text("pi-1 has another key still")
    expect(card).to_contain_text(f"“fleetpulse keys revoke {key_id}”")


@pytest.mark.parametrize(
    ("name", "address", "says"),
    [
        ("pi attic", "https://fleet.lan", "A device's name must be"),
        ("pi-attic", "http://127.0.0.1:8000", "other machines find the API"),
    ],
)
def test_what_cannot_be_is_said_and_no_line_is_shown(
    page: Page, site: Site, store: MemoryStore, name: str, address: str, says: str
) -> None:
    page.goto(f"{site.url}/add")
    page.locator("[name=device]").fill(name)
    page.locator("[name=address]").fill(address)

    page.get_by_role("button", name="Show the line").click()

    expect(page.locator("form.person")).to_contain_text(says)
    expect(page.get_by_role("region", name="Install line")).to_be_hidden()
    assert list(store.keys.all()) == []
