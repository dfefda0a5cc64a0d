"""What the pages say is what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from fleetpulse import wire
from fleetpulse.alerts import AlertEvent, event_id
from fleetpulse.errors import DecodeError
from fleetpulse.kafka import ALERTS_TOPIC, DEAD_LETTER_TOPIC
from scripts.write_docs import pages

ROOT = Path(__file__).resolve().parents[2]
WIRE = (ROOT / "docs/wire.md").read_text()
EXAMPLES = re.findall(r"```json\n(.*?)```", WIRE, re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)")
PAGES = sorted(
    page
    for page in ROOT.rglob("*.md")
    if not any(part.startswith(".") for part in page.relative_to(ROOT).parts)
)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_pages_made_from_the_code_are_up_to_date(page: Path) -> None:
    assert page.read_text() == pages()[page], "run `make docs`"


def test_the_example_of_a_reading_is_read_and_written_as_shown() -> None:
    shown = {name: value for name, value in json.loads(EXAMPLES[0]).items() if value is not None}

    reading, rejected = wire.decode(EXAMPLES[0].encode())

    assert rejected == 0
    assert json.loads(wire.encode(reading)) == shown


def test_the_example_of_an_event_is_one() -> None:
    event = msgspec.json.decode(EXAMPLES[1], type=AlertEvent)

    assert msgspec.to_builtins(event) == json.loads(EXAMPLES[1])
    assert event.event_id == event_id(event.device_id, event.rule, event.episode, event.state)


@pytest.mark.parametrize(
    "refused", [None, b"x" * 2_000_000, b"x", b"[]", b"{}", b'{"device_id": 3}'], ids=repr
)
def test_every_cause_of_a_refusal_is_explained(refused: bytes | None) -> None:
    with pytest.raises(DecodeError) as problem:
        wire.decode(refused)

    assert f"| `{problem.value.cause}` |" in WIRE


def test_our_own_topics_are_named() -> None:
    assert ALERTS_TOPIC in WIRE
    assert DEAD_LETTER_TOPIC in WIRE


def test_the_readme_names_both_commands() -> None:
    readme = (ROOT / "README.md").read_text()

    assert "make up" in readme
    assert "make test" in readme


def test_the_changelog_begins_with_what_is_not_released() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert headings[0] in ("Unreleased", "[Unreleased]")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_other_files_lead_somewhere(page: Path) -> None:
    lost = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]

    assert not lost
