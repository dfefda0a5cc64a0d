"""What checkov leaves out is little, and says why."""

from __future__ import annotations

from tests.unit.iac.configuration import FOLDER

MOST_SKIPS = 10
LINES = [line.strip() for line in (FOLDER / ".checkov.yaml").read_text().splitlines()]
SKIPS = [number for number, line in enumerate(LINES) if line.startswith("- CKV")]


def test_few_checks_are_left_out() -> None:
    assert 0 < len(SKIPS) <= MOST_SKIPS


def test_each_has_its_reason_above_it() -> None:
    assert not [LINES[number] for number in SKIPS if not LINES[number - 1].startswith("#")]
