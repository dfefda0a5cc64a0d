"""Write what in docs/ is made from the code, so that it cannot lag behind it.

usage: python -m scripts.write_docs

docs/settings.md, metrics.md, cli.md and alerts.md are made as a whole; docs/wire.md and api.md have
generated parts between two marks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from fleetpulse.alerts import Severity, State
from fleetpulse.metrics import METRICS
from fleetpulse.reading_schema import reading_schema
from fleetpulse.settings import PROCESS_SETTINGS, Variable, variables
from fleetpulse.telemetry import CHANNELS
from scripts.alert_page import alert_page
from scripts.cli_page import cli_page
from scripts.route_page import routes
from scripts.tables import table

ROOT = Path(__file__).resolve().parent.parent

SETTINGS_HEAD = """\
# Settings

Every process reads its settings from environment variables, once, when it starts. An empty variable
counts as absent. What the command line gives goes before the environment. Wrong or missing settings
are named all at once, and the process ends with exit code 2; secrets are never printed.

`fleetpulse up` needs none of them.

"""
SETTINGS_FOOT = """
This page is made from `fleetpulse/settings.py` by `make docs`; a test holds them together.
"""
METRICS_HEAD = """\
# Metrics

What `/metrics` answers, in Prometheus' text format: the API on its own port, agent, consumer, bot
and notify on FLEETPULSE_OPS_PORT. Names and labels stay as they are; [operations.md](operations.md)
says which to watch.
All but the API also tell the usual `process_…` metrics: memory, CPU, open files, start.
"""
METRICS_FOOT = """
This page is made from `fleetpulse/metrics.py` by `make docs`; a test holds them together.
"""
METRICS_PARTS = {
    "every": "Every process but the API",
    "consumer": "The consumer",
    "agent": "An agent",
    "delivery": "Delivery: the bot, and notify",
    "bot": "The bot",
    "api": "The API",
}


def pages() -> dict[Path, str]:
    """Every page that is made from the code, as it should be."""
    wire, api = ROOT / "docs/wire.md", ROOT / "docs/api.md"
    return {
        ROOT / "docs/settings.md": settings_page(),
        ROOT / "docs/metrics.md": metrics_page(),
        ROOT / "docs/cli.md": cli_page(),
        ROOT / "docs/alerts.md": alert_page(),
        wire: wire_page(wire.read_text()),
        api: _filled(api.read_text(), "routes", f"\n\n{routes()}\n"),
    }


def settings_page() -> str:
    """A row per environment variable, with who reads it."""
    rows = [
        (f"`{name}`", ", ".join(readers), _default(variable), variable.meaning)
        for name, (variable, readers) in sorted(_variables().items())
    ]
    head = ("variable", "used by", "default", "meaning")
    return SETTINGS_HEAD + table(head, rows) + SETTINGS_FOOT


def metrics_page() -> str:
    """A part per process, and in it a row per metric."""
    parts = [f"\n## {title}\n\n{_metrics_of(process)}" for process, title in METRICS_PARTS.items()]
    return METRICS_HEAD + "".join(parts) + METRICS_FOOT


def _metrics_of(process: str) -> str:
    rows = [
        (f"`{one.name}`", one.kind, ", ".join(f"`{label}`" for label in one.labels), one.help)
        for one in METRICS
        if one.process == process
    ]
    return table(("metric", "kind", "labels", "meaning"), rows)


def wire_page(page: str) -> str:
    """The page with its generated parts written anew."""
    rows = [
        (f"`{one.name}`", one.unit.value, f"{one.low:g} to {one.high:g}", one.label)
        for one in CHANNELS
    ]
    channels = table(("channel", "unit", "range", "of the machine's"), rows)
    page = _filled(page, "channels", f"\n\n{channels}\n")
    page = _filled(page, "schema", f"\n```json\n{_schema()}\n```\n")
    page = _filled(page, "states", _words(State))
    return _filled(page, "severities", _words(Severity))


def _schema() -> str:
    """The schema of a reading, a line for each of its properties."""
    schema = reading_schema()
    properties = ",\n".join(
        f"    {json.dumps(name)}: {json.dumps(one, ensure_ascii=False)}"
        for name, one in schema["properties"].items()
    )
    lines = [
        f"  {json.dumps(name)}: "
        + (f"{{\n{properties}\n  }}" if name == "properties" else json.dumps(value))
        for name, value in schema.items()
    ]
    return "{\n" + ",\n".join(lines) + "\n}"


def _filled(page: str, mark: str, content: str) -> str:
    begin, end = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    filled, count = pattern.subn(lambda _: f"{begin}{content}{end}", page)
    if count != 1:
        raise ValueError(f"the page must have one part between {begin} and {end}")
    return filled


def _words(values: Iterable[str]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _variables() -> dict[str, tuple[Variable, list[str]]]:
    found: dict[str, tuple[Variable, list[str]]] = {}
    for kind in PROCESS_SETTINGS:
        process = kind.__name__.removesuffix("Settings").lower()
        for _, variable in variables(kind):
            found.setdefault(variable.name, (variable, []))[1].append(process)
    return found


def _default(variable: Variable) -> str:
    return "" if variable.default in (None, "") else f"`{variable.default}`"


def main() -> int:
    for path, text in pages().items():
        path.write_text(text)
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
