"""The page of people and their chats, in a real browser."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from fleetpulse.channel_tests import answer, ask_for, wanted
from fleetpulse.pairing import code_in, pair
from fleetpulse.people import Group, People, Person, Preferences, Role
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Chat
from tests.e2e.adding import add
from tests.e2e.dashboard_site import PATIENCE_MS, Site, a_raspberry, now_ms
from tests.unit.api.builders import CARD, save_event

pytestmark = pytest.mark.integration

# What WCAG 2 asks of every page: names for what can be used, and text that can be read.
NAMELESS = """() => [...document.querySelectorAll("button, input, select, a")]
  .filter((node) => node.checkVisibility())
  .filter((node) => !(node.ariaLabel || node.labels?.length || node.textContent.trim()))
  .map((node) => node.outerHTML)"""
PALE = """() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => parts(colour).slice(0, 3)
    .map((each) => each / 255)
    .map((each) => (each <= 0.03928 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4))
    .reduce((sum, each, at) => sum + each * [0.2126, 0.7152, 0.0722][at], 0);
  const back = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!/^rgba\\(.*, 0(\\.\\d+)?\\)$/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const hasText = (node) => [...node.childNodes]
    .some((child) => child.nodeType === Node.TEXT_NODE && child.textContent.trim());
  return [...document.querySelectorAll("body *")]
    .filter((node) => node.checkVisibility() && hasText(node) && !node.disabled)
    .map((node) => {
      const [one, other] = [light(getComputedStyle(node).color), light(back(node))];
      const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
      return { text: node.textContent.trim().slice(0, 30), ratio };
    })
    .filter(({ ratio }) => ratio < 4.5);
}"""


def a_chat(store: MemoryStore, target: str, title: str, person: str) -> None:
    store.chats.put(Chat(chat_id=target, title=title, subscribed_at=now_ms()))
    People(store.documents).preferences.put(target, Preferences(person=person))


def test_a_chat_is_paired_with_a_code_from_the_page(
    page: Page, site: Site, store: MemoryStore
) -> None:
    People(store.documents).groups.put("lab", Group(name="lab", devices=["lab-*"]))
    page.goto(site.url)
    page.get_by_role("link", name="People").click()
    page.get_by_label("Name", exact=True).fill("Ada")
    page.get_by_label("Role").select_option("viewer")
    page.locator("[name=owns]").fill("@lab, pi-1")

    page.get_by_role("button", name="Show a code").click()

    card = page.get_by_role("region", name="Code")
    expect(card).to_contain_text("A chat for Ada")
    expect(card).to_contain_text("Good for another")
    code = code_in(card.locator("output").inner_text())
    assert code is not None
    person = pair(store, code, "telegram:1", "Ada's phone", now_ms=now_ms())
    assert person == Person(name="Ada", role=Role.VIEWER, owns=["@lab", "pi-1"])
    expect(card).to_contain_text("Done: Ada's phone is now Ada's chat.")
    expect(card.locator("output")).to_be_hidden()
    row = page.locator(".people > li")
    expect(row).to_contain_text("viewer")
    expect(row).to_contain_text("@lab, pi-1")
    expect(row).to_contain_text("Ada's phone")


def test_a_person_can_be_changed_and_get_another_chat(
    page: Page, site: Site, store: MemoryStore
) -> None:
    People(store.documents).people.put("Ada", Person(name="Ada", owns=["pi-1"]))
    page.goto(f"{site.url}/people")
    row = page.locator(".people > li")

    row.get_by_role("button", name="Change").click()
    expect(page.locator("[name=owns]")).to_be_focused()
    page.keyboard.type(", pi-2")
    page.get_by_role("button", name="Save only").click()

    expect(row).to_contain_text("pi-1, pi-2")

    row.get_by_role("button", name="Add a chat").click()

    expect(page.get_by_role("heading", name="A chat for Ada")).to_be_focused()


def test_what_cannot_be_is_said_in_words(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/people")
    page.get_by_label("Name", exact=True).fill("Ada")
    page.locator("[name=owns]").fill("@cellar")

    page.get_by_role("button", name="Show a code").click()

    expect(page.locator("form.person").first).to_contain_text(
        "I know no group called @cellar; there are none yet."
    )
    expect(page.get_by_role("region", name="Code")).to_be_hidden()


def test_a_chat_and_a_person_are_removed_after_a_question(
    page: Page, site: Site, store: MemoryStore
) -> None:
    People(store.documents).people.put("Ada", Person(name="Ada"))
    a_chat(store, "telegram:1", "Ada <b>", "Ada")
    page.goto(f"{site.url}/people")
    row = page.locator(".people > li")
    expect(row).to_contain_text("Ada <b>")
    page.once("dialog", lambda dialog: dialog.dismiss())
    row.get_by_role("button", name="Remove chat").click()
    assert store.chats.active()
    page.on("dialog", lambda dialog: dialog.accept())

    row.get_by_role("button", name="Remove chat").click()

    expect(row).to_contain_text("No chat yet.")
    assert store.chats.active() == []

    row.get_by_role("button", name="Remove person").click()

    expect(page.get_by_text("Nobody has been added yet.")).to_be_visible()
    assert People(store.documents).people.all() == {}


def test_groups_are_made_and_removed(page: Page, site: Site, store: MemoryStore) -> None:
    page.goto(f"{site.url}/people")
    groups = page.get_by_role("region", name="Groups")

    groups.get_by_label("Group", exact=True).fill("@lab")
    groups.locator("[name=devices]").fill("lab-*, pi-1")
    page.keyboard.press("Enter")

    expect(groups.locator("li")).to_contain_text("lab-*, pi-1")
    page.on("dialog", lambda dialog: dialog.accept())

    groups.get_by_role("button", name="Remove group").click()

    expect(groups.locator("li")).to_have_count(0)
    assert People(store.documents).groups.all() == {}


@pytest.mark.parametrize(
    ("problem", "says"), [(None, "sent "), ("it is <b>away</b>", ": it is <b>away</b>")]
)
def test_a_channel_is_tried_and_says_what_came_of_it(
    page: Page, site: Site, store: MemoryStore, problem: str | None, says: str
) -> None:
    for target in ("notify:mail", "telegram:1"):
        a_chat(store, target, "", "")
    page.goto(f"{site.url}/people")
    channels = page.get_by_role("region", name="Channels")
    expect(page.get_by_role("button", name="Try")).to_have_count(1)

    channels.get_by_role("button", name="Try: mail").click()

    expect(channels).to_contain_text("trying …")
    (test,) = wanted(store, now_ms()).values()

    answer(store, "mail", test, problem=problem, now_ms=now_ms())

    expect(channels.locator("li")).to_contain_text(says)
    expect(channels).not_to_contain_text("trying")


@pytest.fixture
def filled(store: MemoryStore) -> MemoryStore:
    """Something in every list of every page."""
    a_raspberry(store)
    save_event(store, "pi-1", at=now_ms() - 5_000, model_version=CARD.version)
    people = People(store.documents)
    people.people.put("Ada", Person(name="Ada", owns=["@lab", "x" * 60]))
    people.groups.put("lab", Group(name="lab", devices=["lab-*", "y" * 60]))
    a_chat(store, "telegram:1", "A chat with a long title " * 4, "Ada")
    a_chat(store, "telegram:2", "", "")
    a_chat(store, "notify:mail", "", "")
    asked = ask_for(store, "notify:mail", asked_by="Ada", now_ms=now_ms())
    answer(store, "mail", asked, problem="it is away " * 9, now_ms=now_ms())
    return store


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/devices/pi-1", "/people", "/add"])
def test_everything_can_be_read_and_has_a_name(
    browser: Browser, site: Site, path: str, scheme: Any
) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(site.url + path)
    expect(page.locator("#connection")).to_have_text("live", timeout=PATIENCE_MS)
    if path == "/people":
        page.get_by_role("button", name="Add a chat").click()
        expect(page.get_by_role("region", name="Code")).to_be_visible()
    if path == "/add":
        add(page, "pi-cellar")

    nameless, pale = page.evaluate(NAMELESS), page.evaluate(PALE)
    width = page.evaluate("document.documentElement.scrollWidth")

    context.close()
    assert nameless == []
    assert pale == []
    assert width <= 390
