"""An environment of its own for Quix Streams, which asks for an older Kafka client than ours."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

VERSION = "3.28.1"
ROOT = Path(__file__).resolve().parent.parent
# What our modules need there, in the same versions.
OURS = (
    *("numpy", "scipy", "scikit-learn", "skops"),
    *("sqlalchemy", "alembic", "msgspec", "prometheus-client"),
)


def quix_python() -> Path:
    """Its Python; the environment is made on first use, in ~/.cache/fleetpulse."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "fleetpulse"
    environment = cache / f"quix-{VERSION}"
    python = environment / "bin/python"
    if not python.exists():
        print(f"installing Quix Streams {VERSION} into {environment}", flush=True)
        try:
            subprocess.run([sys.executable, "-m", "venv", environment], check=True)
            pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
            subprocess.run([*pip, f"quixstreams=={VERSION}", *_pins()], check=True)
        except BaseException:
            shutil.rmtree(environment, ignore_errors=True)
            raise
    return python


def _pins() -> list[str]:
    names = "|".join(OURS)
    pins = (ROOT / "requirements.txt").read_text()
    return re.findall(rf"^(?:{names})==\S+$", pins, re.MULTILINE)
