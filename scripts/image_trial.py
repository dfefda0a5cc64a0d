"""Start an image as Docker would, with a read-only root file system, and look at what it holds.

usage, as root, from scripts/try_images.sh: python -m scripts.image_trial FOLDER ROOT SETTINGS BASE

FOLDER of the Dockerfile; ROOT, where the image is mounted; SETTINGS, what `buildah inspect` says;
BASE, where the one that it is made from is mounted. Prints its size, or every problem.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from packaging.requirements import Requirement

from scripts.image_contents import digest, problems_of, size_bytes
from scripts.write_requirements import pins

USER = 10001
PATIENCE_S = 60
EXTRAS = {
    "generators": "agent",
    "fleetpulse/actions": "notify",
}  # elsewhere as the folder is called
WORDS = {"generators": ["pc"]}  # what an agent measures has no default
# Nobody answers here: a process waits for what it needs, and is healthy.
ENVIRONMENT = {
    "KAFKA_BROKER_SETTINGS": "127.0.0.1:9",
    "FLEETPULSE_NOTIFY": "nobody=json://127.0.0.1:9",
}
# In a mount namespace of its own: all is read-only but /data and /tmp, for root too.
SANDBOX = """
set -e
root=$1; shift
ip link set lo up
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o uid=10001,gid=10001,mode=750 tmpfs "$root/data"
if touch "$root/opt/fleetpulse/probe" 2>/dev/null; then exit 90; fi
exec chroot --userspec=10001:10001 "$root" "$@"
"""


class Image(NamedTuple):
    """What an image says of itself."""

    environment: list[str]
    user: str
    folder: str
    command: list[str]
    health: list[str]


def described(inspected: dict[str, Any]) -> Image:
    """An image, of what `buildah inspect` says."""
    config = inspected["Docker"]["config"]
    return Image(
        environment=config["Env"],
        user=config["User"],
        folder=config["WorkingDir"],
        command=[*config["Entrypoint"], *(config.get("Cmd") or ())],
        health=config["Healthcheck"]["Test"][1:],
    )


def inside(image: Image, words: list[str]) -> list[str]:
    """The command that runs words with the image's environment alone, in its folder."""
    ours = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
    return [
        "env",
        "--ignore-environment",
        f"--chdir={image.folder}",
        *image.environment,
        *ours,
        *words,
    ]


class Started:
    """An image's process, in namespaces of its own: files, processes, network."""

    def __init__(self, root: Path, image: Image, words: list[str]) -> None:
        self._root, self._image = root, image
        namespaces = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child"]
        sandbox = ["sh", "-c", SANDBOX, "sandbox", str(root)]
        self._process = subprocess.Popen(
            [*namespaces, *sandbox, *inside(image, [*image.command, *words])],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        """Run words beside the process, as `docker exec` does."""
        enter = ["nsenter", f"--target={self.number()}", "--mount", "--pid", "--net"]
        rooted = ["chroot", f"--userspec={USER}:{USER}", str(self._root)]
        command = [*enter, *rooted, *inside(self._image, words)]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    def number(self) -> int:
        """The process' id outside of its namespace."""
        of_unshare = self._process.pid
        children = Path(f"/proc/{of_unshare}/task/{of_unshare}/children").read_text().split()
        return int(children[0]) if children else of_unshare

    def has_ended(self) -> bool:
        """Whether the process ended by itself."""
        return self._process.poll() is not None

    def stop(self) -> tuple[int, str]:
        """Tell it to stop as Docker does; its exit status, and all that it wrote."""
        if not self.has_ended():
            signal_to(self.number())
        try:
            written, _ = self._process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            written, _ = self._process.communicate()
        return self._process.returncode, written


def signal_to(number: int) -> None:
    """Send SIGTERM, unless it has ended in the meantime."""
    subprocess.run(["kill", f"-{signal.SIGTERM.value}", str(number)], check=False)


def trial(root: Path, image: Image, words: list[str]) -> list[str]:
    """What is wrong with the way that an image runs; empty when nothing is."""
    process = Started(root, image, words)
    found, until = [], time.monotonic() + PATIENCE_S
    healthy = False
    while not healthy and not process.has_ended() and time.monotonic() < until:
        time.sleep(0.3)
        healthy = process.run(image.health).returncode == 0
    if healthy:
        found += [
            f"can write to {path}"
            for path in ("/", "/opt/fleetpulse", "/etc", "/usr", "/var/tmp")  # noqa: S108
            if process.run(["sh", "-c", f"touch {path}/probe"]).returncode == 0
        ]
        found += [
            f"cannot write to {path}"
            for path in ("/data", "/tmp")  # noqa: S108
            if process.run(["sh", "-c", f"touch {path}/probe"]).returncode != 0
        ]
        if owner(process.number()) != USER:
            found.append("runs as another user")
    status, written = process.stop()
    if not healthy:
        found.append(f"is not healthy: status {status}, {written}")
    elif status != 0:
        found.append(f"does not stop in peace: status {status}, {written}")
    return found


def owner(number: int) -> int:
    """The user that a process runs as."""
    return Path(f"/proc/{number}").stat().st_uid


def main() -> int:
    folder, root, settings, base = sys.argv[1], Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
    image = described(json.loads(Path(settings).read_text()))
    extra = EXTRAS.get(folder, folder)
    allowed = pins([Requirement(f"fleetpulse[{extra}]")])
    found = [*problems_of(root, allowed), *trial(root, image, WORDS.get(folder, []))]
    if image.user != f"{USER}:{USER}":
        found.append(f"says that it runs as {image.user}")
    for problem in found:
        print(f"{folder}: {problem}", file=sys.stderr)
    if found:
        return 1
    size = size_bytes(root)
    print(
        f"{folder}: {size / 1e6:.1f} MB, {(size - size_bytes(base)) / 1e6:.1f} MB beyond its base"
    )
    print(f"{folder}: content sha256:{digest(root)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
