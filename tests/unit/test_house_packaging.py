"""What is installed is all that is ours, in versions that were tried."""

from __future__ import annotations

import ast
import os
import re
import runpy
import sys
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from scripts.write_requirements import pins as pins_of

ROOT = Path(__file__).resolve().parents[2]
OURS = {"fleetpulse", "generators", "consumer", "model", "api", "bot"}
# A replay draws its bar with it, and says so where an agent alone is installed.
SAID_WHEN_MISSING = {"generators": {"rich"}}
PROCESSES = {
    "generators": "agent",
    "consumer": "consumer",
    "model": "train",
    "api": "api",
    "bot": "bot",
    "fleetpulse": "all",
    "fleetpulse/actions": "notify",
}
NOT_INSTALLED = {"tests", "benchmarks", "scripts"}


@cache
def packaging() -> dict[str, Any]:
    """What setup.py hands to setuptools where nobody knows the repository."""
    return packaging_of(None)


def packaging_of(repository: str | None) -> dict[str, Any]:
    """What setup.py hands to setuptools. repository: OWNER/NAME on GitHub."""
    known = {name: value for name, value in os.environ.items() if name != "GITHUB_REPOSITORY"}
    if repository is not None:
        known["GITHUB_REPOSITORY"] = repository
    given: dict[str, Any] = {}
    setuptools = ModuleType("setuptools")
    setuptools.setup = given.update  # type: ignore[attr-defined]
    with (
        patch.dict(sys.modules, setuptools=setuptools),
        patch.dict(os.environ, known, clear=True),
    ):
        runpy.run_path(str(ROOT / "setup.py"))
    return given


def pins() -> dict[str, str]:
    """Name -> version, as requirements.txt has them."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_every_package_of_the_source_tree_is_installed() -> None:
    in_the_tree = {
        ".".join(file.parent.relative_to(ROOT).parts)
        for folder in ROOT.iterdir()
        if (folder / "__init__.py").exists() and folder.name not in NOT_INSTALLED
        for file in folder.rglob("__init__.py")
    }

    assert set(packaging()["packages"]) == in_the_tree


def test_files_beside_the_code_are_installed_with_it() -> None:
    packages = {name.replace(".", "/") for name in packaging()["packages"]}
    carried = {
        path
        for package, patterns in packaging()["package_data"].items()
        for pattern in patterns
        for path in (ROOT / package.replace(".", "/")).glob(pattern)
    }
    beside = {
        path
        for package in packages
        for path in (ROOT / package).rglob("*")
        if path.suffix in (".html", ".css", ".js", ".svg", ".skops", ".png", ".ico")
    }

    assert beside <= carried


def test_the_wheel_is_no_larger_than_its_models_may_be() -> None:
    too_large = [
        path.name
        for path in (ROOT / "model/exported_models").glob("*")
        if path.stat().st_size > 1_000_000
    ]

    assert not too_large


def test_one_version_is_said_everywhere() -> None:
    from fleetpulse import __version__

    assert packaging()["version"] == __version__


def test_the_version_is_one_that_pip_can_order() -> None:
    assert str(Version(packaging()["version"])) == packaging()["version"]


def test_the_versions_of_python_that_are_tried_are_named() -> None:
    named = re.findall(r"Python :: (3\.\d+)", " ".join(packaging()["classifiers"]))

    assert packaging()["python_requires"] == f">={named[0]}"
    for page in ("README.md", "docs/index.md"):
        assert f"({named[0]} to {named[-1]} are tried)" in (ROOT / page).read_text()


def test_the_description_has_no_link_that_leads_nowhere() -> None:
    said = packaging()["long_description"]

    assert re.findall(r"\]\((?!https?://)", said) == []
    assert re.findall(r"!\[|^!|\| !", said, re.MULTILINE) == []
    assert "\n|---|---|\n\n## Start" not in said  # a table of nothing
    assert "CONTRIBUTING.md" in said
    assert packaging()["project_urls"] == {}
    assert packaging_of("")["long_description"] == said


def test_the_description_leads_to_the_repository_where_it_is_known() -> None:
    given = packaging_of("ada/pulse")
    said = given["long_description"]

    assert re.findall(r"\]\((?!https?://)", said) == []
    assert "](https://raw.githubusercontent.com/ada/pulse/HEAD/docs/images/chat.png)" in said
    assert "[docs/settings.md](https://github.com/ada/pulse/blob/HEAD/docs/settings.md)" in said
    assert "[@BotFather](https://t.me/BotFather)" in said
    assert given["project_urls"] == {"Source": "https://github.com/ada/pulse"}


def test_pins_are_exact_versions_and_nothing_else() -> None:
    for name, version in pins().items():
        assert name == canonicalize_name(name)
        assert re.fullmatch(r"[0-9][0-9A-Za-z.]*", version)


def test_everything_that_setup_asks_for_is_pinned_to_a_version_that_it_allows() -> None:
    extras = packaging()["extras_require"]
    needs = [*packaging()["install_requires"], *extras["all"], *extras["test"]]

    for need in map(Requirement, needs):
        assert need.specifier.contains(pins()[canonicalize_name(need.name)]), need


@pytest.mark.parametrize(("folder", "extra"), PROCESSES.items())
def test_a_process_imports_only_what_its_extra_installs(folder: str, extra: str) -> None:
    needs = [*packaging()["install_requires"], *packaging()["extras_require"][extra]]
    installed = pins_of(Requirement(need) for need in needs)
    distributions = packages_distributions()

    missing = {
        module
        for module in imported_by_files_of(ROOT / folder) - sys.stdlib_module_names - OURS
        if not {canonicalize_name(name) for name in distributions.get(module, ())} & set(installed)
    }

    assert missing == SAID_WHEN_MISSING.get(folder, set())


class ForTypesOnly(ast.NodeTransformer):
    """Takes out what only a type checker reads."""

    def visit_If(self, node: ast.If) -> ast.AST | None:
        """None for `if TYPE_CHECKING`."""
        return None if ast.unparse(node.test) == "TYPE_CHECKING" else node


def imported_by_files_of(folder: Path) -> set[str]:
    """The top-level names of every module that a package imports when it runs."""
    found = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ForTypesOnly().visit(ast.parse(file.read_text()))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
    return found


def test_all_is_what_every_process_needs() -> None:
    extras = dict(packaging()["extras_require"])
    everything = set(extras.pop("all"))
    for not_a_process in ("docs", "test"):
        del extras[not_a_process]

    assert everything == {need for needs in extras.values() for need in needs}


def test_the_license_is_the_one_that_the_package_names() -> None:
    assert packaging()["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()
