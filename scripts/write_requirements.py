"""Write requirements.txt: the exact versions that this environment runs fleetpulse with.

usage: python -m scripts.write_requirements   (in an environment with `.[all,test]`)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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


def pins(wanted: Iterable[Requirement]) -> dict[str, str]:
    """Name -> installed version of these packages and of everything that they need.

    Raises PackageNotFoundError for one that is not installed.
    """
    found: dict[str, str] = {}
    waiting = list(wanted)
    seen = set()
    while waiting:
        need = waiting.pop()
        name, extras = canonicalize_name(need.name), frozenset(need.extras)
        if (name, extras) not in seen:
            seen.add((name, extras))
            found[name] = distribution(name).version
            waiting.extend(needs_of(name, extras))
    found.pop(SEED, None)
    return found


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
        found = pins([Requirement("fleetpulse[all,test]")])
    except PackageNotFoundError as problem:
        print(f"{problem.name} is not installed here: pip install -e '.[all,test]' first.")
        return 1
    del found["fleetpulse"]
    lines = [f"{name}=={version}\n" for name, version in sorted(found.items())]
    (ROOT / "requirements.txt").write_text(HEADER + "".join(lines))
    print(f"requirements.txt: {len(lines)} packages")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
