"""docs/tutorial.md: what a command prints there is what it prints, but for keys and codes."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path

import pytest

from fleetpulse.joining import PLACE
from generators.service_unit import SETTINGS_FILE
from tests.integration.docs.places import Place, answers
from tests.integration.processes import running, stopped, until
from tests.services.ports import free_ports
from tests.source import ROOT

pytestmark = pytest.mark.integration

PAGE = (ROOT / "docs/tutorial.md").read_text()
SHOWN = re.findall(
    r"<!-- run: stack -->\n```sh\n(.+?)\n```\n.*?```text\n(.+?)\n```", PAGE, re.DOTALL
)
# What differs each time, and what stands for it on the page.
DIFFERS = (
    (re.compile(r"\bfp_[a-z0-9]+_(?:[a-z0-9]+|…)"), "KEY"),
    (re.compile(r"\b[0-9A-Z]{4}-[0-9A-Z]{4}\b"), "CODE"),
    (re.compile(r"revoke [a-z0-9]+"), "revoke ID"),
)


KEY = re.compile(r"fp_[a-z0-9]+_[a-z0-9]+")


def told(text: str) -> list[str]:
    """The lines without what differs."""
    for differs, word in DIFFERS:
        text = differs.sub(word, text)
    return text.strip().split("\n")


def test_the_page_shows_what_is_printed() -> None:
    assert len(SHOWN) == 2


@pytest.mark.parametrize(("command", "printed"), SHOWN, ids=[shown[0] for shown in SHOWN])
def test_a_command_prints_what_the_page_shows(command: str, printed: str, tmp_path: Path) -> None:
    done = Place(folder=tmp_path).run(command)

    assert done.returncode == 0, done.stderr
    assert told(done.stdout + done.stderr) == told(printed)


def test_the_end_of_an_installation_is_as_the_page_shows() -> None:
    source = (ROOT / "generators/service.py").read_text()

    assert f"Its settings are in /{SETTINGS_FILE}." in PAGE
    [said] = re.findall(r'_say\(f"(The agent runs.+?)"\)', source)
    assert said.replace("{_command('status')}", f"sudo {PLACE}/bin/fleetpulse agent status") in PAGE


def test_the_bots_answer_is_as_the_page_shows() -> None:
    [said] = re.findall(r'Post\(f"(Hello .+?)"\)', (ROOT / "bot/answers.py").read_text())

    assert said.replace("{escape(person.name)}", "Ada") in " ".join(PAGE.split())


def test_what_an_agent_posts_to_the_second_api_is_on_the_dashboard_of_the_first(
    tmp_path: Path,
) -> None:
    local, open_to_others = free_ports(2)
    data = tmp_path / "data"
    for folder in ("data", "other", "agent"):
        (tmp_path / folder).mkdir()
    up = ["fleetpulse.cli", "up", "--no-simulation", "--interval", "1", "--port", str(local)]
    api = ["api", "--host", "0.0.0.0", "--port", str(open_to_others)]  # noqa: S104
    place = Place(folder=tmp_path)
    with running(up, data) as stack:
        until(lambda: b"ready after" in (data / "output").read_bytes())
        with running(api, tmp_path / "other", FLEETPULSE_DATA=str(data)):
            until(lambda: answers(open_to_others))
            added = place.run("fleetpulse devices add pi-attic --address http://192.168.1.20:8001")
            [key] = KEY.findall(added.stdout)
            to_the_api = {
                "FLEETPULSE_API": f"http://127.0.0.1:{open_to_others}",
                "FLEETPULSE_INGEST_KEY": key,
            }
            agent = ["generators", "simulated", "--interval", "1", "--device-id", "pi-attic"]
            with running(agent, tmp_path / "agent", **to_the_api):
                until(lambda: "pi-attic" in devices(local))
        stopped(stack)  # with all its parts


def devices(port: int) -> set[str]:
    """The machines that the API on this port shows to this machine."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/devices", timeout=10) as answer:
        return {each["device_id"] for each in json.load(answer)["items"]}
