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


def test_the_provider_is_held_to_a_major_version_and_the_lock_file_is_not_ignored() -> None:
    assert 'version = "~> 6.25"' in (FOLDER / "versions.tf").read_text()
    assert "Commit `.terraform.lock.hcl`" in (FOLDER / "README.md").read_text()
    assert ".lock" not in (FOLDER.parent / ".gitignore").read_text()
