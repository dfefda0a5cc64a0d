"""docs/operations.md says what to do about each line of `fleetpulse doctor`."""

from __future__ import annotations

import re

from fleetpulse.cli.doctor_questions import QUESTIONS
from tests.source import ROOT


def test_every_part_that_doctor_asks_has_a_row() -> None:
    page = (ROOT / "docs/operations.md").read_text()
    part = page.partition("## What doctor says\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+?) \|", part, re.MULTILINE)

    assert {question.part for question in QUESTIONS} == set(rows) - {"line", "---", "any"}
