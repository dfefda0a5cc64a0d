"""Java services from the jars of Maven Central, fetched once into ~/.cache/fleetpulse."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.services.missing import Unavailable

JAVA = "install Java 17 and Maven (Debian: apt install default-jre-headless maven)"

_POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>fleetpulse</groupId>
  <artifactId>service-for-tests</artifactId>
  <version>1</version>
  <dependencies>
{dependencies}
  </dependencies>
</project>
"""
_DEPENDENCY = """\
    <dependency>
      <groupId>{0}</groupId><artifactId>{1}</artifactId><version>{2}</version>
    </dependency>"""


def jars(name: str, *coordinates: str) -> Path:
    """The folder with these artifacts and all that they need, fetched if need be.

    coordinates: `group:artifact:version` each. Raises Unavailable.
    """
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise Unavailable(f"there is no `{program}`")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "fleetpulse"
    cache.mkdir(parents=True, exist_ok=True)
    wanted = hashlib.sha256(" ".join(coordinates).encode()).hexdigest()[:12]
    folder = cache / f"{name}-{wanted}"
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test runs may come here at once
        if not folder.exists():
            _fetch(folder, coordinates)
    return folder


def _fetch(folder: Path, coordinates: tuple[str, ...]) -> None:
    dependencies = [_DEPENDENCY.format(*each.split(":")) for each in coordinates]
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        (Path(work) / "pom.xml").write_text(_POM.format(dependencies="\n".join(dependencies)))
        done = subprocess.run(
            ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=jars"],
            cwd=work,
            capture_output=True,
            check=False,
        )
        if done.returncode != 0:
            raise Unavailable(f"Maven failed: {done.stdout.decode()[-2000:]}")
        (Path(work) / "jars").rename(folder)
