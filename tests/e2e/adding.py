"""What is done on the page that adds a device."""

from __future__ import annotations

from playwright.sync_api import Page, expect


def add(page: Page, device_id: str, address: str = "https://fleet.example.org") -> None:
    """Ask for the line of a device, and see it."""
    page.locator("[name=device]").fill(device_id)
    page.locator("[name=address]").fill(address)
    page.get_by_role("button", name="Show the line").click()
    expect(page.get_by_role("region", name="Install line")).to_be_visible()
