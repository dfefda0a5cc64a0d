"""What an image holds and should not: read from its mounted root, with nothing started."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from packaging.utils import canonicalize_name

INSTALLED = "opt/fleetpulse"
PROGRAMS = ("bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin", f"{INSTALLED}/bin")
# A version behind the name, a machine before it: x86_64-linux-gnu-gcc-12.
COMPILER = re.compile(
    r"(?:.+-)?(?:cc|gcc|g\+\+|c\+\+|clang|cpp|ld|as|make|cargo|rustc)(?:-[\d.]+)?"
)
INSTALLER = re.compile(r"(?:pip|easy_install|uv|conda)[\d.]*")
SOURCE_TREE = {".git", ".github", "tests", "benchmarks", "training_data", "scripts", "iac"}
PRIVATE_KEY = re.compile(rb"\s*-----BEGIN [A-Z ]*PRIVATE KEY-----")
SECRET_FILES = re.compile(r"\.env(?:\..+)?|.+\.env|id_(?:rsa|ed25519)|.+\.db|\.pypirc|\.netrc")
FOR_ALL = {"tmp", "var/tmp", "run/lock", "var/lock", "data"}
USER = 10001


def problems_of(root: Path, allowed: Mapping[str, str]) -> list[str]:
    """Sentences about what an image should not hold.

    allowed: name -> version of every distribution that its extra installs, fleetpulse too.
    """
    return [
        *programs(root),
        *distributions(root, allowed),
        *left_overs(root),
        *(f"/{path} may be changed by its process" for path in changeable(root)),
    ]


def programs(root: Path) -> Iterator[str]:
    """Compilers, and what installs packages."""
    for folder in PROGRAMS:
        for path in sorted((root / folder).glob("*")):
            if COMPILER.fullmatch(path.name) or INSTALLER.fullmatch(path.name):
                yield f"/{folder}/{path.name} has no business there"


def distributions(root: Path, allowed: Mapping[str, str]) -> Iterator[str]:
    """Python distributions that are too many, missing, or of another version."""
    found = {}
    for folder in root.glob("**/site-packages/*.dist-info"):
        name, _, version = folder.name.removesuffix(".dist-info").partition("-")
        if not folder.is_relative_to(root / INSTALLED):
            yield f"{name} is installed outside of /{INSTALLED}"
        found[canonicalize_name(name)] = version
    for name in sorted(found.keys() - allowed.keys()):
        yield f"{name} is not of its extra"
    for name in sorted(allowed.keys() - found.keys()):
        yield f"{name} is missing"
    for name in sorted(found.keys() & allowed.keys()):
        if found[name] != allowed[name]:
            yield f"{name} is {found[name]}, not {allowed[name]}"


def left_overs(root: Path) -> Iterator[str]:
    """The source tree's own files, settings with secrets, stores and private keys."""
    site_packages = next((root / INSTALLED).glob("lib/python3*/site-packages"), root)
    for name in sorted(SOURCE_TREE):
        for folder in (
            root,
            root / "source",
            root / "data",
            site_packages,
            site_packages / "model",
        ):
            if (folder / name).exists():
                yield f"/{(folder / name).relative_to(root)} is of the source tree"
    for path in files(root):
        if SECRET_FILES.fullmatch(path.name):
            yield f"/{path.relative_to(root)} may hold a secret"
        elif path.stat().st_size < 100_000 and PRIVATE_KEY.match(path.read_bytes()[:200]):
            yield f"/{path.relative_to(root)} is a private key"


def changeable(root: Path) -> Iterator[Path]:
    """What the process' user could write to on a root file system that is not read-only."""
    for path in everything(root):
        found, inside = path.lstat(), path.relative_to(root)
        writable = found.st_mode & stat.S_IWOTH or found.st_uid == USER
        if writable and not stat.S_ISLNK(found.st_mode) and str(inside) not in FOR_ALL:
            yield inside


def size_bytes(root: Path) -> int:
    """The sizes of all regular files, each once."""
    sizes = {(found := path.lstat()).st_ino: found.st_size for path in files(root)}
    return sum(sizes.values())


def digest(root: Path) -> str:
    """A hash of every path below a folder with its mode, owner and content; times do not count."""
    whole = hashlib.sha256()
    for path in sorted(everything(root)):
        found = path.lstat()
        whole.update(f"{path.relative_to(root)} {found.st_mode} {found.st_uid}\n".encode())
        if stat.S_ISREG(found.st_mode):
            whole.update(hashlib.sha256(path.read_bytes()).digest())
        elif stat.S_ISLNK(found.st_mode):
            whole.update(str(path.readlink()).encode())
    return whole.hexdigest()


def files(root: Path) -> Iterator[Path]:
    """Every regular file, no links followed."""
    return (path for path in everything(root) if stat.S_ISREG(path.lstat().st_mode))


def everything(root: Path) -> Iterator[Path]:
    """Every path in a root but those of devices and processes."""
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        if here == root:
            folders[:] = sorted(set(folders) - {"proc", "sys", "dev"})
        yield from (here / name for name in [*folders, *names])
