"""The blocks that are marked `<!-- run: … -->` do what their page says, from a shell."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from fleetpulse.kafka import EmbeddedBroker
from tests.integration.docs.places import PLACES, Place, answers
from tests.integration.processes import STOP_S, until
from tests.services.ports import free_ports
from tests.shell_blocks import Block, blocks, commands

pytestmark = pytest.mark.integration

UNTIL_STOPPED = "until stopped"
RUN = [block for block in blocks() if block.mark == "run"]
GOES_ON_S = 3.0


@pytest.mark.parametrize("place", [name for name in PLACES if name != UNTIL_STOPPED])
def test_blocks_end_well(place: str, tmp_path: Path) -> None:
    ours = [block for block in RUN if block.said == place]
    assert ours, f"no block is run in {place}"

    with PLACES[place](tmp_path) as here:
        ran = {str(block): here.run(block.text) for block in ours}

    failed = {
        name: (done.returncode, done.stdout, done.stderr)
        for name, done in ran.items()
        if done.returncode != 0
    }
    assert not failed


@pytest.mark.parametrize(
    ("block", "number"),
    [
        pytest.param(block, number, id=f"{block}-{number}")
        for block in RUN
        if block.said == UNTIL_STOPPED
        for number, _ in enumerate(commands(block.text))
    ],
)
def test_a_command_goes_on_until_it_is_told_to_stop(
    block: Block, number: int, tmp_path: Path
) -> None:
    [port] = free_ports(1)
    lines = [line for line in block.text.split("\n") if line.strip()]
    place = Place(
        folder=tmp_path,
        settings={"FLEETPULSE_PORT": str(port)},
        instead={"--port 8001": f"--port {port}", "--port 8123": f"--port {port}"},
    )
    (tmp_path / "data").mkdir()
    # What is said to stand alone must.
    broker = EmbeddedBroker(tmp_path / "data") if " api" in lines[number] else None
    # `exec`: the shell becomes the command, so that it is the one that is told.
    begins = lines[number].split(" ")
    settings = [word for word in begins if word.split("=")[0].isupper()]
    command = " ".join([*settings, "exec", *begins[len(settings) :]])
    process = subprocess.Popen(
        ["bash", "-euc", place.script(command)], cwd=tmp_path, env=place.environment
    )
    try:
        if " api" in command:
            until(lambda: answers(port))
        else:
            time.sleep(GOES_ON_S)
        assert process.poll() is None

        process.send_signal(signal.SIGTERM)

        assert process.wait(STOP_S) == 0
    finally:
        process.kill()
        if broker is not None:
            broker.close()
