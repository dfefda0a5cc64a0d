"""`fleetpulse agent uninstall`: what is removed, what stays, and that both are said."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from generators.__main__ import main
from generators.service_unit import STATE_FOLDERS
from tests.unit.generators.test_service import _installed_in_opt, installed, root, written

__all__ = ["_installed_in_opt", "root"]  # fixtures


def test_uninstall_keeps_what_waits(root: Path) -> None:
    installed(root, "--kafka", "broker:9092")
    spool = root / STATE_FOLDERS[1] / "spool"
    spool.mkdir(parents=True)

    assert main(["uninstall", "--root", str(root)]) == 0

    assert written(root) == []
    assert spool.is_dir()


def test_uninstall_with_purge_leaves_nothing_of_ours(root: Path) -> None:
    installed(root, "--kafka", "broker:9092")
    private, link = root / STATE_FOLDERS[1], root / STATE_FOLDERS[0]
    private.mkdir(parents=True)
    link.symlink_to("private/fleetpulse-agent")

    assert main(["uninstall", "--root", str(root), "--purge"]) == 0

    assert not [path for path in root.rglob("fleetpulse*") if path != root / "opt/fleetpulse"]


def test_uninstalling_what_is_not_there_changes_nothing_and_says_so(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["uninstall", "--root", str(root), "--purge"]) == 0

    assert capsys.readouterr().out == "The agent was not installed.\n"


def test_a_spool_that_was_left_is_removed_later_and_that_is_said(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / STATE_FOLDERS[1]).mkdir(parents=True)

    assert main(["uninstall", "--root", str(root), "--purge"]) == 0

    assert capsys.readouterr().out == "The agent was not installed; its spool is removed.\n"
    assert not (root / STATE_FOLDERS[1]).exists()


def test_uninstall_tells_what_stays(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    installed(root, "--kafka", "broker:9092")
    capsys.readouterr()

    main(["uninstall", "--root", str(root)])

    removed, stays = capsys.readouterr().out.splitlines()
    assert removed == f"The agent is removed; readings that wait stay in /{STATE_FOLDERS[0]}."
    assert f"The program stays in {sys.prefix}" in stays
    assert "`keys revoke`" in stays
