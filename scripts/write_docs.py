"""Write the pages of docs/ that are made from the code, so that they cannot lag behind it.

usage: python -m scripts.write_docs
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from fleetpulse.settings import PROCESS_SETTINGS

ROOT = Path(__file__).resolve().parent.parent

SETTINGS_HEAD = """\
# Settings

Every process reads its settings from environment variables, once, when it starts. An empty variable
counts as absent. What the command line gives goes before the environment. Wrong or missing settings
are named all at once, and the process ends with exit code 2; secrets are never printed.

`fleetpulse up` needs none of them.

| variable | used by | default | meaning |
|---|---|---|---|
"""
SETTINGS_FOOT = """
This page is made from `fleetpulse/settings.py` by `make docs`; a test holds them together.
"""


def settings_page() -> str:
    """docs/settings.md: a row per environment variable, with who reads it."""
    rows = [
        f"| `{name}` | {', '.join(readers)} | {_default(field)} | {_in_a_cell(field.description)} |"
        for name, (field, readers) in sorted(_variables().items())
    ]
    return SETTINGS_HEAD + "\n".join(rows) + "\n" + SETTINGS_FOOT


def _variables() -> dict[str, tuple[FieldInfo, list[str]]]:
    found: dict[str, tuple[FieldInfo, list[str]]] = {}
    for process, name, field in _fields():
        found.setdefault(name, (field, []))[1].append(process)
    return found


def _fields() -> Iterator[tuple[str, str, FieldInfo]]:
    for kind in PROCESS_SETTINGS:
        process = kind.__name__.removesuffix("Settings").lower()
        for field in kind.model_fields.values():
            yield process, str(field.validation_alias), field


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    return "" if field.default in (None, "") else f"`{_in_a_cell(str(field.default))}`"


def _in_a_cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|")


def main() -> int:
    (ROOT / "docs/settings.md").write_text(settings_page())
    print("docs/settings.md")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
