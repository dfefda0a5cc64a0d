"""`python -m bot.simulator` as a process: it serves its chats, does what it is told, and ends."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.integration.processes import running, stopped, until
from tests.services.ports import free_ports

pytestmark = pytest.mark.integration
GROUP = -5
SEND = f"/bot2:local/sendMessage?chat_id={GROUP}&text=hot"


def asked(root: str, path: str, *, verb: str = "GET", body: object = None) -> tuple[int, Any]:
    """The status and the document of an answer; 0: there is none."""
    written = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(root + path, method=verb, data=written)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)
    except OSError:
        return 0, None


def test_it_serves_its_chats_and_misbehaves_as_it_is_told(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    root = f"http://127.0.0.1:{port}"
    trouble = {"kind": "answer_lost", "chat_id": GROUP, "times": 1}

    with running(["bot.simulator", "--port", str(port), f"--chats=1,{GROUP}"], tmp_path) as process:
        until(lambda: asked(root, "/troubles")[0] == 200)
        put, _ = asked(root, "/troubles", verb="PUT", body={"troubles": [trouble]})
        lost, heard = asked(root, SEND), asked(root, SEND)
        _, found = asked(root, "/troubles")
        code = stopped(process)

    assert (put, lost, heard[0]) == (200, (0, None), 200)
    assert heard[1]["result"]["chat"]["type"] == "group"
    assert found["answers_lost"] == 1
    assert code == 0
