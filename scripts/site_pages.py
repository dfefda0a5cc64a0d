"""What the site has beside docs/: hooks of MkDocs (mkdocs.yml).

Pages that GitHub shows where they lie (READMEs, CONTRIBUTING.md, …) become pages of the site, links
between all of them are led to where they are there, and diagrams are drawn by a copy of Mermaid of
the site's own: its readers ask no other site for anything.
"""

from __future__ import annotations

import hashlib
import logging
import os
import posixpath
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pymdownx.superfences import fence_code_format

log = logging.getLogger("mkdocs.hooks.site_pages")

ROOT = Path(__file__).resolve().parent.parent
# Where GitHub shows it -> its page of the site.
OUTSIDE = {
    "README.md": "index.md",  # the site has a start page of its own
    "CHANGELOG.md": "changelog.md",
    "CODE_OF_CONDUCT.md": "conduct.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
    "api/README.md": "web.md",
    "bot/README.md": "bot.md",
    "consumer/README.md": "consumer.md",
    "fleetpulse/actions/README.md": "channels.md",
    "generators/README.md": "generators.md",
    "iac/README.md": "terraform.md",
    "model/README.md": "model.md",
}
_SOURCES = {page: source for source, page in OUTSIDE.items() if source != "README.md"}
_LINK = re.compile(r"(!?)\[((?:[^][]|\[[^]]*\])*)\]\((?![a-z+]+:|#)([^)#\s]+)(#[^)\s]*)?\)")
_FENCE = re.compile(r"^( *)(```+)")

MERMAID = "mermaid@11.16.0"
MERMAID_SHA256 = "74d7c46dabca328c2294733910a8aa1ed0c37451776e8d5295da38a2b758fb9b"
MERMAID_PAGE = "javascripts/mermaid.min.js"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The address on GitHub where it is known, and Mermaid where it can be had."""
    name = os.environ.get("GITHUB_REPOSITORY")  # set by GitHub Actions
    if name:
        owner, _, project = name.partition("/")
        config.site_url = config.site_url or f"https://{owner.lower()}.github.io/{project}/"
        config.copyright = f'{config.copyright} · <a href="{repository()}">source</a>'
    if mermaid() is not None:
        config.extra_javascript.append(MERMAID_PAGE)
        fences = config.mdx_configs.setdefault("pymdownx.superfences", {})
        fences["custom_fences"] = [
            {"name": "mermaid", "class": "mermaid", "format": fence_code_format}
        ]
    return config


def repository() -> str | None:
    """The repository's page; None: not known.

    It is not the setting `repo_url`: with that, the theme asks GitHub for stars at each visit.
    """
    name = os.environ.get("GITHUB_REPOSITORY")
    return f"https://github.com/{name}" if name else None


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Our pages outside of docs/, and Mermaid."""
    for page, source in _SOURCES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text()))
    script = mermaid()
    if script is not None:
        files.append(File.generated(config, MERMAID_PAGE, content=script.read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page as the site needs it."""
    place = page.file.src_uri
    source = _SOURCES.get(place, f"docs/{place}")
    return indented(led_to_the_site(markdown, source, place))


def led_to_the_site(markdown: str, source: str, place: str) -> str:
    """The same page with links that lead where their targets are on the site.

    source: the page's path in the repository; place: its path on the site. What is no page of the
    site is linked to on GitHub, or, where it is not known where that is, becomes plain text.
    """

    def link(found: re.Match[str]) -> str:
        bang, words, path, anchor = found.groups()
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        on_site = OUTSIDE.get(target) or (
            target.removeprefix("docs/")
            if target.startswith("docs/") and (ROOT / target).is_file()
            else None
        )
        if on_site is not None:
            there = posixpath.relpath(on_site, posixpath.dirname(place) or ".")
            return f"{bang}[{led(words)}]({there}{anchor or ''})"
        if not (ROOT / target).exists():
            return found[0]  # lost: MkDocs says so
        if repository():
            return f"{bang}[{led(words)}]({repository()}/blob/HEAD/{target}{anchor or ''})"
        return words

    def led(words: str) -> str:
        return _LINK.sub(link, words)

    lines, fence = [], ""
    for line in markdown.split("\n"):
        mark = _FENCE.match(line)
        if mark:
            fence = "" if fence else mark[2]
        lines.append(line if fence or mark else led(line))
    return "\n".join(lines)


def indented(markdown: str) -> str:
    """The same page with what belongs to a list item set in by four, as Python-Markdown wants it.

    GitHub asks for as much as the item's own mark takes: two or three.
    """
    lines, shift, inside = [], "", False
    for line in markdown.split("\n"):
        blanks = len(line) - len(line.lstrip(" "))
        mark = _FENCE.match(line)
        if not inside:
            shift = " " * (4 - blanks) if blanks in (2, 3) else ""
        if mark:
            inside = not inside
        lines.append(shift + line if line else line)
    return "\n".join(lines)


def mermaid() -> Path | None:
    """The script that draws diagrams, fetched once from npm and compared; None: not to be had.

    Without it diagrams are shown as their text, and the theme, which would fetch a script of its
    choice from another site, has nothing to draw. Raises OSError with CI=true.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "fleetpulse"
    script = cache / f"{MERMAID}.min.js"
    if not script.exists():
        try:
            _fetch(script)
        except (OSError, subprocess.SubprocessError, tarfile.TarError, KeyError) as problem:
            if os.environ.get("CI") == "true":
                raise OSError(f"no {MERMAID} from npm: {problem}") from problem
            log.info("diagrams are shown as text: no %s from npm (%s)", MERMAID, problem)
            return None
    if hashlib.sha256(script.read_bytes()).hexdigest() != MERMAID_SHA256:
        raise OSError(f"{script} is not {MERMAID} as it was when it was chosen")
    return script


def _fetch(script: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise OSError("there is no `npm`")
    script.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=script.parent) as work:
        subprocess.run(
            [npm, "pack", "--silent", "--ignore-scripts", MERMAID],
            cwd=work,
            check=True,
            capture_output=True,
            timeout=120,
        )
        [packed] = Path(work).glob("*.tgz")
        with tarfile.open(packed) as package:
            member = package.extractfile("package/dist/mermaid.min.js")
            if member is None:
                raise OSError("the package has no mermaid.min.js")
            fetched = Path(work) / "fetched"
            fetched.write_bytes(member.read())
        fetched.replace(script)
