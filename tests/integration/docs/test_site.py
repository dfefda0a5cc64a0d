"""The site is built from the pages without a warning, and asks no other site for anything."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from scripts.site_pages import mermaid
from tests.services.missing import without
from tests.source import ROOT

pytestmark = pytest.mark.integration

LOADED = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src")}


def built(repository: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """MkDocs' own words about building the site of a clone."""
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    return subprocess.run(words, cwd=repository, text=True, capture_output=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of this clone."""
    folder = tmp_path_factory.mktemp("site")
    done = built(ROOT, folder)
    assert done.returncode == 0, done.stderr
    return folder


class Loads(HTMLParser):
    """What a page makes a browser load from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.elsewhere: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        for name in ("src", "href"):
            address = known.get(name) or ""
            is_hint = tag == "link" and known.get("rel") == "canonical"
            if (tag, name) in LOADED and not is_hint and re.match(r"(https?:)?//", address):
                self.elsewhere.append(address)


def test_no_page_loads_anything_from_another_site(site: Path) -> None:
    for page in site.rglob("*.html"):
        reader = Loads()
        reader.feed(page.read_text())
        assert not reader.elsewhere, page


def test_every_page_of_docs_is_on_the_site(site: Path) -> None:
    pages = [page.relative_to(ROOT / "docs") for page in (ROOT / "docs").rglob("*.md")]

    missing = [
        page
        for page in pages
        if not (site / page.with_suffix("") / "index.html").exists() and page.stem != "index"
    ]

    assert len(pages) > 30
    assert not missing


def test_links_between_the_pages_of_a_clone_lead_to_pages_of_the_site(site: Path) -> None:
    aws = (site / "aws/index.html").read_text()
    model = (site / "model/index.html").read_text()

    assert 'href="../terraform/#what-it-costs"' in aws
    assert 'href="../models/"' in model
    assert 'src="../images/heat-report.png"' in model


def test_what_belongs_to_a_step_stays_in_it(site: Path) -> None:
    page = (site / "terraform/index.html").read_text()
    [steps] = re.findall(r"<ol>(.*?)</ol>", page, re.DOTALL)

    assert steps.count("<pre") == 4
    assert "<table>" in steps


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("\n[lost](nowhere.md)\n", "nowhere.md"),
        ("\n[lost](settings.md#no-such-part)\n", "no-such-part"),
        ("\n[lost](../iac/README.md#no-such-part)\n", "no-such-part"),
    ],
)
def test_a_link_that_leads_nowhere_fails_the_build(words: str, said: str, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in ("mkdocs.yml", "README.md", "CHANGELOG.md", "CODE_OF_CONDUCT.md", "LICENSE"):
        shutil.copy(ROOT / name, clone)
    for name in ("CONTRIBUTING.md", "SECURITY.md"):
        shutil.copy(ROOT / name, clone)
    shutil.copytree(ROOT / "docs", clone / "docs")
    (clone / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/site_pages.py", clone / "scripts")
    for page in ROOT.glob("*/**/README.md"):
        place = clone / page.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(page, place)
    with (clone / "docs/aws.md").open("a") as page_file:
        page_file.write(words)

    done = built(clone, tmp_path / "site")

    assert done.returncode == 1
    assert said in done.stderr


@pytest.fixture
def page(chromium: str, site: Path) -> Iterator[Page]:
    """A browser's page that can reach nothing but files."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        found = browser.new_page()
        found.route(re.compile("^https?:"), lambda route: route.abort())
        yield found
        browser.close()


def test_a_diagram_is_drawn_without_another_site(page: Page, site: Path) -> None:
    if mermaid() is None:
        without("Mermaid", how="install npm (Debian: apt install npm)")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.goto((site / "alerts/index.html").as_uri())
    drawn = page.locator("div.mermaid")
    drawn.wait_for(timeout=20_000)

    box = drawn.bounding_box()
    assert box is not None
    assert box["height"] > 100
    assert not [url for url in asked if url.startswith("http")]
