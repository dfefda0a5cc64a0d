"""Write requirements.txt: the exact versions that this environment runs fleetpulse with.

usage: python -m scripts.write_requirements   (in an environment with `.[all,test]`)
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
HEADER = """\
# The versions that fleetpulse was tried with; `make up` and `make test` install these.
# setup.py says which versions can work. Written by `python -m scripts.write_requirements`.
"""
SEED = "setuptools"  # the virtual environment brings its own, which suits its Python


def pins(package: str, extras: frozenset[str]) -> dict[str, str]:
    """Name -> installed version of everything that `package` with these extras needs."""
    found: dict[str, str] = {}
    waiting = [(package, extras)]
    seen = set()
    while waiting:
        name, wanted = waiting.pop()
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        for need in needs_of(name, wanted):
            needed = canonicalize_name(need.name)
            found[needed] = distribution(needed).version
            waiting.append((needed, frozenset(need.extras)))
    return {name: found[name] for name in found.keys() - {canonicalize_name(package), SEED}}


def needs_of(package: str, extras: frozenset[str]) -> Iterator[Requirement]:
    """What an installed package asks for on this machine with these extras."""
    for line in distribution(package).requires or ():
        need = Requirement(line)
        if need.marker is None or any(
            need.marker.evaluate({"extra": extra}) for extra in extras | {""}
        ):
            yield need


def main() -> int:
    try:
        found = pins("fleetpulse", frozenset({"all", "test"}))
    except PackageNotFoundError as problem:
        print(f"{problem.name} is not installed here: pip install -e '.[all,test]' first.")
        return 1
    lines = [f"{name}=={version}\n" for name, version in sorted(found.items())]
    (ROOT / "requirements.txt").write_text(HEADER + "".join(lines))
    print(f"requirements.txt: {len(lines)} packages")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
