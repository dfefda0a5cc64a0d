"""docs/postgresql.md: its two steps, on a server of our own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.integration.docs.places import Place
from tests.services.postgres import PASSWORD, USER, Postgres
from tests.shell_blocks import blocks_of
from tests.source import ROOT

pytestmark = pytest.mark.integration

PAGE = "docs/postgresql.md"
MAKE, NAME = blocks_of(PAGE, (ROOT / PAGE).read_text())
SECRET = "1-2-3"


def test_the_page_leads_to_a_store_that_answers(postgres: Postgres, tmp_path: Path) -> None:
    administrator = {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(postgres.port),
        "PGUSER": USER,
        "PGPASSWORD": PASSWORD,
    }
    # The page's owner is this server's administrator already, and nobody types a password here.
    steps = MAKE.text.replace("--pwprompt fleetpulse", "reader").replace(
        "--owner fleetpulse fleetpulse", "--owner reader page"
    )
    subprocess.run(["bash", "-euc", steps], env=os.environ | administrator, check=True)
    postgres.run(f"ALTER ROLE reader PASSWORD '{SECRET}'")
    address = f"reader:{SECRET}@127.0.0.1:{postgres.port}/page"
    written = "fleetpulse:PASSWORD@db.example.org/fleetpulse"
    assert written in NAME.text

    done = Place(folder=tmp_path, instead={written: address}).run(NAME.text)

    assert done.returncode == 0, done.stderr
    assert "  store            ok       postgresql+psycopg answers\n" in done.stdout
    assert SECRET not in done.stdout + done.stderr
