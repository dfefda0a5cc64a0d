"""What the pages tell people to type works."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient

from fleetpulse.stores.memory import MemoryStore
from tests.unit.api.builders import save_event, save_reading

ROOT = Path(__file__).resolve().parents[3]
PAGES = ("docs/api.md", "api/README.md")
CURL = re.compile(r"^curl (?:.*\\\n)*.*$", re.MULTILINE)


def test_every_curl_line_is_answered_well(client: FlaskClient, store: MemoryStore) -> None:
    save_reading(store, "pi-attic")
    save_event(store, "pi-attic", episode=3)
    commands = [line for page in PAGES for line in CURL.findall((ROOT / page).read_text())]

    answers = {command: status_of(client, command) for command in commands}

    assert len(answers) >= 8
    assert not {line: status for line, status in answers.items() if status not in (200, 202)}


def status_of(client: FlaskClient, command: str) -> int:
    """How the API answers what curl would send."""
    words = iter(shlex.split(command.replace("\\\n", " "), comments=True)[1:])
    method, url, headers, body = None, "", {}, None
    for word in words:
        if word == "-X":
            method = next(words)
        elif word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word == "-d":
            body = next(words)
        elif word.startswith("-"):
            pytest.fail(f"nobody knows here what {word} means")
        else:
            url = word
    if body is not None:  # as curl does unless told otherwise
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    headers.pop("Authorization", None)  # this machine needs no key
    parts = urlsplit(url)
    return client.open(
        f"{parts.path}?{parts.query}",
        method=method or ("GET" if body is None else "POST"),
        headers=headers,
        data=body,
    ).status_code
